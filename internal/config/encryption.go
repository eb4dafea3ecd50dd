package config

import (
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/config/rule"
)

// Security is the section security.
type Security struct {
	Encryption Encryption `key:"encryption" doc:"The keys that seal what the server stores: its signing keys, the passwords of its logins, the secrets of your application."`
}

// The providers of key-encryption keys.
const (
	ProviderLocal  = "local"           // keys of the configuration
	ProviderAWS    = "aws_kms"         // AWS Key Management Service
	ProviderGoogle = "gcp_kms"         // Google Cloud Key Management Service
	ProviderAzure  = "azure_key_vault" // Azure Key Vault
	ProviderVault  = "vault"           // the transit engine of HashiCorp Vault
)

// Encryption is the section security.encryption. EncryptionKeys has the keys of
// all places together.
type Encryption struct {
	// Provider is local, aws_kms, gcp_kms, azure_key_vault or vault; default local.
	Provider string `key:"provider" default:"local" enum:"local|aws_kms|gcp_kms|azure_key_vault|vault" doc:"Who has the key that everything is sealed under: local is this configuration; the others never hand theirs out, and keep what the server generates under it."`
	// KMSKeyID names the key in the provider's words; needed unless the provider is local. Empty by default.
	KMSKeyID string `key:"kms_key_id" check:"word" example:"alias/fluxbase-secrets" doc:"Which key of the provider; needed unless that is local. aws_kms: key id, ARN or alias/NAME; gcp_kms: projects/P/locations/L/keyRings/R/cryptoKeys/K; azure_key_vault: https://NAME.vault.azure.net/keys/KEY, with /VERSION or without; vault: the name of a transit key."`
	// KMSEndpoint is an http or https URL; empty, the provider's public endpoint, by default. Only https outside development.
	KMSEndpoint string `key:"kms_endpoint" check:"endpoint" example:"https://kms.internal.example.com" doc:"The URL to reach the provider at instead of its public endpoint. Only https outside development."`
	// KMSRegion is of AWS; empty, what the AWS environment says, by default.
	KMSRegion string `key:"kms_region" check:"region" example:"eu-central-1" doc:"The region of aws_kms. When empty, the environment of AWS decides (AWS_REGION, the instance)."`
	// ActiveKeyVersion is the version to seal under; default 0, which leaves it to the database and in a new one to the newest key.
	ActiveKeyVersion int `key:"active_key_version" default:"0" min:"0" max:"2147483647" doc:"The version that new values are sealed under; every other one only opens. 0 is the version that the database remembers, which in a new one is the newest configured key."`
	// Keys are the keys in effect by ascending version, except secret_key, which is version 1; default none.
	Keys []EncryptionKey `key:"keys" secret:"all" doc:"The keys by version, each {version: 2, key: ...} or {version: 2, key_file: /run/secrets/key2}. A key is written like secret_key, or is a Vault reference. In the variable it is a JSON array of the same."`

	Vault       Vault       `key:"vault" doc:"The HashiCorp Vault of the provider vault, and of keys that are Vault references."`
	KeyRotation KeyRotation `key:"key_rotation" doc:"New keys by themselves, on a schedule."`
}

// Vault is the section security.encryption.vault. What Vault's own variables
// say counts where neither the file nor a variable of Fluxbase does.
type Vault struct {
	// Address is an http or https URL; empty by default. Needed when Vault is used; only https outside development.
	Address string `key:"address" fallback:"VAULT_ADDR" check:"endpoint" example:"https://vault.example.com:8200" doc:"The URL of Vault. Needed when Vault is used; only https outside development."`
	// Token is sent to Vault; empty by default. Needed when Vault is used.
	Token Secret `key:"token" fallback:"VAULT_TOKEN" secret:"all" check:"word" example:"${VAULT_TOKEN}" doc:"The token to show to Vault. Needed when Vault is used."`
	// Namespace is of Vault Enterprise; empty by default.
	Namespace string `key:"namespace" fallback:"VAULT_NAMESPACE" check:"word" example:"team-a" doc:"The namespace, of Vault Enterprise."`
	// TransitMount is where the transit engine is mounted; default transit.
	TransitMount string `key:"transit_mount" default:"transit" check:"mount" doc:"Where the transit engine is mounted, for the provider vault."`
	// CAFile is a PEM file; empty, the authorities of the system, by default.
	CAFile string `key:"ca_file" fallback:"VAULT_CACERT" example:"/etc/ssl/certs/vault.pem" doc:"A PEM file of the authority that signed Vault's certificate. When empty, the authorities of the system count."`
}

// KeyRotation is the section security.encryption.key_rotation.
type KeyRotation struct {
	// Enabled generates keys on Schedule; default false.
	Enabled bool `key:"enabled" default:"false" doc:"Whether new keys are generated on the schedule."`
	// Schedule is cron's five fields, in UTC; default 0 2 1 * *. Next computes with it.
	Schedule string `key:"schedule" default:"0 2 1 * *" check:"schedule" doc:"When, in UTC: minute, hour, day of the month, month, day of the week, as cron reads them. A day of the month and one of the week, both given, mean either."`
	// AutoReencrypt seals everything anew under a new key; default true.
	AutoReencrypt bool `key:"auto_reencrypt" default:"true" doc:"Whether everything is sealed anew under a key as soon as it is generated."`
	// RetainOldKeys is how many versions before the active one are kept, 0 to 100; default 2.
	RetainOldKeys int `key:"retain_old_keys" default:"2" min:"0" max:"100" doc:"How many versions before the active one are kept for going back. A key that something is sealed under is never removed."`
	// NotificationWebhook is a URL; empty, none, by default. Only https outside development; http to this machine in development.
	NotificationWebhook Secret `key:"notification_webhook" secret:"url" check:"webhook" example:"https://hooks.example.com/security" doc:"The URL that hears of rotations, as Standard Webhooks; empty is none. Only https; in development also http to this machine."`
	// NotificationSecret signs notifications: whsec_ and the base64 of 24 to 64 bytes; empty, one that the server makes, by default.
	NotificationSecret Secret `key:"notification_secret" secret:"all" check:"webhook_secret" example:"${WEBHOOK_SECRET}" doc:"What notifications are signed with: whsec_ and the base64 of 24 to 64 random bytes. When empty, the server makes one."`
}

// Next returns the first time after a given one that the schedule names, in
// UTC. It is an error only for a schedule that Load would refuse.
func (k KeyRotation) Next(after time.Time) (time.Time, error) {
	next, err := rule.Next(k.Schedule, after)
	if err != nil {
		return time.Time{}, fmt.Errorf("security.encryption.key_rotation.schedule %w", err)
	}
	return next, nil
}
