package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const (
	minSecret     = 32  // bytes of an HS256 secret: RFC 7518, section 3.2
	minSecretBits = 256 // of its entropy, as far as that can be estimated
	minKeyBits    = 128 // of a key that is written as its 32 characters

	minBcryptCost = 10

	minArgon2Memory = 7168     // KiB
	minArgon2Work   = 5 * 7168 // KiB, over all iterations
)

// Validate returns everything in c that is unfit for its environment: in
// development only what no server can start without; in staging and production
// every value that is missing, known to the public or only fit for development.
// Wrap what it returns in an *Error to refuse to start.
func (c *Config) Validate() []Problem {
	problems := append(c.vaultNeeds(), c.mailNeeds()...)
	if c.Environment == Development {
		return problems
	}
	refuseAt := func(place, key, detail string) {
		problems = append(problems, Problem{Place: place, Key: key, Detail: detail + "; " + string(c.Environment) + " refuses it"})
	}
	refuse := func(key, detail string) { refuseAt(c.place(key), key, detail) }
	c.validateURL(refuse)
	c.validateKeys(refuseAt)
	c.validateEncryption(refuse)
	c.validateSecrets(refuse)
	c.validateMail(refuse)
	c.validateAudit(refuse)
	if c.Database.URL == "" {
		refuse("database.url", "is not set: only development has a PostgreSQL of its own")
	}
	if slices.Contains(c.Server.CORS.AllowedOrigins, "*") {
		refuse("server.cors.allowed_origins", "lets every origin in with *: list the origins of your pages")
	}
	if slices.ContainsFunc(c.Server.TrustedProxies, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		refuse("server.trusted_proxies", "believes everybody's forwarded headers: list the networks of your own proxies")
	}
	c.validateOpenings(refuse)
	c.validatePasswords(refuse)
	return problems
}

// validatePasswords refuses costs below what OWASP's cheat sheet on password
// storage still takes, of the scheme that is used.
func (c *Config) validatePasswords(refuse func(key, detail string)) {
	a := c.Auth
	switch {
	case a.PasswordScheme != "argon2id":
		if a.BcryptCost < minBcryptCost {
			refuse("auth.bcrypt_cost", "is under 10")
		}
	case a.Argon2Memory < minArgon2Memory:
		refuse("auth.argon2_memory", "is under 7168 KiB")
	case a.Argon2Memory*a.Argon2Iterations < minArgon2Work:
		refuse("auth.argon2_memory", "is under 35840 KiB when multiplied by auth.argon2_iterations")
	}
	if a.PasswordBreachCheck && isPlainHTTP(a.PasswordBreachURL) {
		refuse("auth.password_breach_url", "is not https")
	}
}

func (c *Config) validateURL(refuse func(key, detail string)) {
	switch {
	case c.PublicURL == "":
		refuse("public_url", "is not set: links in mail need it, such as https://api.example.com")
	case c.Environment == Production && !strings.HasPrefix(c.PublicURL, "https://"):
		refuse("public_url", "is not https: write the URL that people use, with TLS here or at a proxy before this server")
	}
}

// validateKeys looks at every key that is written out; what Vault has is not
// known yet.
func (c *Config) validateKeys(refuse func(place, key, detail string)) {
	if !c.HasEncryption() {
		refuse(c.place("secret_key"), "secret_key", "is not set: make one with openssl rand -hex 32")
	}
	for _, k := range c.EncryptionKeys() {
		place, name := k.Place, versioned(k.Version)
		if !slices.Contains(c.Security.Encryption.Keys, k) {
			place, name = c.place("secret_key"), "secret_key"
		}
		if _, _, inVault := k.VaultPath(); inVault {
			continue
		}
		key, err := k.Bytes()
		switch {
		case err != nil:
			refuse(place, name, checkMaterial(k.Material.Reveal()).Error())
		case isTrivial(key) || isExample(k.Material.Reveal()) || len(k.Material) == keySize && bits(k.Material.Reveal()) < minKeyBits:
			refuse(place, name, "is a pattern or a known example: make one with openssl rand -hex 32")
		}
	}
}

func (c *Config) validateEncryption(refuse func(key, detail string)) {
	const detail = "is not https"
	e := c.Security.Encryption
	if isPlainHTTP(e.KMSEndpoint) {
		refuse("security.encryption.kms_endpoint", detail)
	}
	const address = "security.encryption.vault.address"
	forOthers := c.Source(address) == "env VAULT_ADDR" && !c.usesVault()
	if isPlainHTTP(e.Vault.Address) && !forOthers {
		refuse(address, detail)
	}
	if isPlainHTTP(e.KeyRotation.NotificationWebhook.Reveal()) {
		refuse("security.encryption.key_rotation.notification_webhook", detail)
	}
}

func isPlainHTTP(url string) bool { return strings.HasPrefix(url, "http://") }

// vaultNeeds names what is missing to ask Vault, if it has to be asked.
func (c *Config) vaultNeeds() []Problem {
	var problems []Problem
	need := func(key, variable string) {
		problems = append(problems, Problem{
			Place: c.place("security.encryption.vault." + key), Key: "security.encryption.vault." + key,
			Detail: "is not set: the provider is vault, or a key is a Vault reference; the variable " + variable + " will do",
		})
	}
	if c.usesVault() && c.Security.Encryption.Vault.Address == "" {
		need("address", "VAULT_ADDR")
	}
	if c.usesVault() && c.Security.Encryption.Vault.Token == "" {
		need("token", "VAULT_TOKEN")
	}
	return problems
}

func (c *Config) validateSecrets(refuse func(key, detail string)) {
	if weak := weakSecret(c.Auth.JWT.Secret.Reveal()); weak != "" {
		refuse("auth.jwt.secret", weak+": make one with openssl rand -base64 48, or leave it out")
	}
}

// weakSecret says what is wrong with a secret for HS256; "" for nothing, and for
// none, which is ES256.
func weakSecret(secret string) string {
	switch {
	case secret == "":
		return ""
	case isExample(secret):
		return "is a known example"
	case len(secret) < minSecret:
		return "is shorter than 32 bytes"
	case isTrivial([]byte(secret)):
		return "is a pattern"
	}
	if n := bits(secret); n < minSecretBits {
		return fmt.Sprintf("has about %d bits of entropy at most, and needs %d", n, minSecretBits)
	}
	return ""
}
