package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

func TestProviderNeedsItsKey(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		words     string
		good, bad []string
	}{
		"aws_kms": {"a key id, an ARN or alias/NAME", []string{"alias/fluxbase-secrets", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:us-east-1:111122223333:key/mrk-1"}, nil},
		"gcp_kms": {
			"projects/P/locations/L/keyRings/R/cryptoKeys/K",
			[]string{"projects/p-1/locations/global/keyRings/r/cryptoKeys/k", "projects/example.com:p/locations/europe-west3/keyRings/r/cryptoKeys/k"},
			[]string{"k", "projects/p/locations/l/keyRings/r/cryptoKeys/", "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "/projects/p/locations/l/keyRings/r/cryptoKeys/k"},
		},
		"azure_key_vault": {
			"https://NAME.vault.azure.net/keys/KEY, with /VERSION or without",
			[]string{"https://a.vault.azure.net/keys/k", "https://a-b.vault.azure.net/keys/K-1/0123456789abcdef0123456789abcdef", "https://a.managedhsm.azure.net/keys/k"},
			[]string{"http://a.vault.azure.net/keys/k", "a.vault.azure.net/keys/k", "https://a.vault.azure.net/secrets/k", "https://a.vault.azure.net/keys/", "https://a.vault.azure.net/keys/k/", "https://a.vault.azure.net/keys/k/v/x", "https://a.vault.azure.net/keys/k?x", "https://u@a.vault.azure.net/keys/k"},
		},
		"vault": {"the name of a transit key, without a slash", []string{"fluxbase", "team-a.key_1"}, []string{"transit/fluxbase", "/fluxbase", "..", "-a", "a-"}},
	}
	for provider, tt := range tests {
		for _, environment := range []string{"development", "production"} {
			text := "security:\n  encryption:\n    provider: " + provider + "\n"
			load := func(id string) []string {
				_, got := loadFile(t, text+"    kms_key_id: \""+id+"\"\n", "FLUXBASE_ENV="+environment)
				return got
			}
			_, got := loadFile(t, text, "FLUXBASE_ENV="+environment)
			wantProblems(t, got, "fluxbase.yaml:3: security.encryption.kms_key_id is not set: the provider "+provider+" needs it, "+tt.words)
			wantProblems(t, load(""), "fluxbase.yaml:3: security.encryption.kms_key_id is not set: the provider "+provider+" needs it, "+tt.words)
			for _, id := range tt.good {
				wantProblems(t, load(id))
			}
			for _, id := range tt.bad {
				wantProblems(t, load(id), "fluxbase.yaml:4: security.encryption.kms_key_id must be, for the provider "+provider+", "+tt.words)
			}
		}
	}
}

func TestActiveVersionHasAKey(t *testing.T) {
	t.Parallel()
	const none = "security.encryption.active_key_version has no key: no place gives a key of that version, and key_rotation, which could have generated one, is not enabled"
	tests := map[string]struct {
		text, environ string
		want          string // "" for none
	}{
		"not said":          {"", "FLUXBASE_SECRET_KEY=" + goodKey, ""},
		"version 1":         {"active_key_version: 1", "FLUXBASE_SECRET_KEY=" + goodKey, ""},
		"no such version":   {"active_key_version: 2", "FLUXBASE_SECRET_KEY=" + goodKey, "fluxbase.yaml:1: " + none},
		"a variable":        {"active_key_version: 2", "FLUXBASE_SECRET_KEY_2=" + goodKey, ""},
		"another variable":  {"active_key_version: 1", "FLUXBASE_SECRET_KEY_2=" + goodKey, "fluxbase.yaml:1: " + none},
		"generated":         {"active_key_version: 2, key_rotation: {enabled: true}", "FLUXBASE_SECRET_KEY=" + goodKey, ""},
		"of a provider":     {"active_key_version: 2, provider: aws_kms, kms_key_id: k", "", ""},
		"made by dev":       {"active_key_version: 1", "", ""},
		"never made by dev": {"active_key_version: 2", "", "fluxbase.yaml:1: " + none},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := loadFile(t, "security: {encryption: {"+tt.text+"}}\n", tt.environ)
			wantProblems(t, got, split(tt.want)...)
		})
	}
	if got := mustLoad(t, "security: {encryption: {active_key_version: 1}}\n").Validate(); len(got) < 2 || got[1].Key != "secret_key" {
		t.Errorf("production without a key: %v", got)
	}
}

// What Vault's own tools read counts where Fluxbase was told nothing.
func TestVaultVariables(t *testing.T) {
	t.Parallel()
	environ := []string{"VAULT_ADDR=https://v.example", "VAULT_TOKEN=hvs.x", "VAULT_NAMESPACE=ns/", "VAULT_CACERT=/ca.pem"}
	c := mustLoad(t, "", environ...)
	want := Vault{Address: "https://v.example", Token: "hvs.x", Namespace: "ns/", TransitMount: "transit", CAFile: "/ca.pem"}
	if c.Security.Encryption.Vault != want {
		t.Errorf("vault = %+v", c.Security.Encryption.Vault)
	}
	for key, source := range map[string]string{"address": "env VAULT_ADDR", "token": "env VAULT_TOKEN", "namespace": "env VAULT_NAMESPACE", "ca_file": "env VAULT_CACERT", "transit_mount": "default"} {
		if got := c.Source("security.encryption.vault." + key); got != source {
			t.Errorf("source of %s = %q, want %q", key, got, source)
		}
	}
	c = mustLoad(t, "security: {encryption: {vault: {address: \"https://file.example\", namespace: \"\"}}}\n",
		append(environ, "FLUXBASE_SECURITY_ENCRYPTION_VAULT_TOKEN=hvs.y")...)
	want = Vault{Address: "https://file.example", Token: "hvs.y", TransitMount: "transit", CAFile: "/ca.pem"}
	if got := c.Security.Encryption.Vault; got != want || got.Token.Reveal() != "hvs.y" {
		t.Errorf("vault = %+v, token from %s", got, c.Source("security.encryption.vault.token"))
	}
	if c := mustLoad(t, "", "VAULT_ADDR="); c.Source("security.encryption.vault.address") != setting.FromDefault {
		t.Error("an empty variable counts")
	}
}

// Variables of other programs are no problem of a server that does not use Vault.
func TestVaultVariablesOfOthers(t *testing.T) {
	t.Parallel()
	environ := []string{"VAULT_ADDR=unix:///hunter2", "VAULT_TOKEN=hunter2 hunter2"}
	mustLoad(t, "", environ...)
	const reference = "secret_key: \"{{ vault `a/b` }}\"\n"
	_, got := loadFile(t, reference, environ...)
	wantProblems(t, got,
		"env VAULT_ADDR: security.encryption.vault.address must be an http or https URL such as https://vault.example.com:8200, without user, query or fragment",
		"env VAULT_TOKEN: security.encryption.vault.token must be one word of printable ASCII, without spaces")
	mustLoad(t, reference+"security: {encryption: {vault: {address: \"https://v.example\", token: x}}}\n", environ...)
}

// Whatever is done wrong around keys, no message and no display has them.
func TestNothingShowsKeys(t *testing.T) {
	t.Parallel()
	for _, material := range []string{goodKey, goodSecret, inBase64(t, goodKey), goodKey + "0"} {
		for _, text := range []string{
			"secret_key: " + material + "\n" + list("      - {version: 1, key: "+otherKey+"}\n"),
			list("      - {version: 1, key: " + material + "}\n      - {version: 1, key: " + material + "}\n"),
			list("      - " + material + "\n"), list("      - {" + material + ": 1}\n"), list("      - {version: " + material + ", key: " + material + "}\n"),
			list("      - {version: 1, key_file: " + material + "}\n"), list("      - version: 1\n        key:" + material + "\n"),
			list("      " + material + "\n"), list("      " + material + ": x\n"), "security: {encryption: " + material + "}\n",
			"security: {encryption: {provider: " + material + ", kms_key_id: " + material + "}}\n",
			"security: {encryption: {provider: gcp_kms, kms_key_id: " + material + "}}\n",
			"security: {encryption: {active_key_version: 3, keys: [{version: 2, key: " + material + "}]}}\n",
			"security: {encryption: {vault: {token: " + material + ", address: " + material + "}, key_rotation: {schedule: " + material + ", notification_secret: " + material + ", notification_webhook: \"http://" + material + "/\"}}}\n",
			"security: {encryption: {key_rotation: {notification_secret: whsec_" + material + "}, vault: {token: " + material + "}, keys: [{version: 2, key: " + material + "}]}}\n",
		} {
			for _, environ := range []string{
				"", "FLUXBASE_SECRET_KEY_5=" + material, "FLUXBASE_SECRET_KEY_5_FILE=" + material + "/x",
				`FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":5,"key":"` + material + `"}]`,
				`FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":5,"` + material + `":1}]`,
				"FLUXBASE_SECURITY_ENCRYPTION_KEYS=" + material,
			} {
				c, lines := loadFile(t, text, environ)
				shown := strings.Join(lines, "\n")
				if c != nil {
					shown = showEverything(t, c) + fmt.Sprintf("%v %+v %#v", c, c.EncryptionKeys(), c.Validate())
				}
				if strings.Contains(shown, material) {
					t.Errorf("a key is shown: %s", shown)
				}
			}
		}
	}
}
