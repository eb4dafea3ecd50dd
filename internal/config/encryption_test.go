package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wantKeys compares the keys in effect, each written "VERSION MATERIAL".
func wantKeys(t *testing.T, c *Config, want ...string) {
	t.Helper()
	got := []string{}
	for _, k := range c.EncryptionKeys() {
		got = append(got, fmt.Sprintf("%d %s", k.Version, k.Material.Reveal()))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func product(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "product", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The blocks of the product's page on security, each as it stands there. Every
// one starts a production server, given what it leaves to its surroundings.
func TestProductBlocks(t *testing.T) {
	t.Parallel()
	around := []string{"FLUXBASE_PUBLIC_URL=https://api.example.com", "FLUXBASE_DATABASE_URL=postgres://owner:pw@db/app"}
	vault := []string{"VAULT_ADDR=https://vault.example.com:8200", "VAULT_TOKEN=hvs.x"}
	const inVault = "{{ vault `secret/fluxbase/keys/v%d` }}"
	tests := map[string]struct {
		environ []string
		active  int
		keys    []string
	}{
		"two_keys.yaml":        {[]string{"OLD_SECRET_KEY=" + goodKey, "NEW_SECRET_KEY=" + otherKey}, 2, []string{"1 " + goodKey, "2 " + otherKey}},
		"old_key_removed.yaml": {[]string{"NEW_SECRET_KEY=" + otherKey}, 2, []string{"2 " + otherKey}},
		"key_rotation.yaml":    {[]string{"FLUXBASE_SECRET_KEY=" + goodKey}, 0, []string{"1 " + goodKey}},
		"rollback.yaml":        {[]string{"FLUXBASE_SECRET_KEY=" + goodKey}, 1, []string{"1 " + goodKey}},
		"vault.yaml":           {vault, 2, []string{"1 " + fmt.Sprintf(inVault, 1), "2 " + fmt.Sprintf(inVault, 2)}},
		"aws_kms.yaml":         {nil, 2, nil},
		"ratelimit.yaml":       {[]string{"FLUXBASE_SECRET_KEY=" + goodKey}, 0, []string{"1 " + goodKey}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, product(t, name), append(tt.environ, around...)...)
			if got := c.Validate(); got != nil {
				t.Errorf("production refuses %v", got)
			}
			wantKeys(t, c, tt.keys...)
			if got := c.Security.Encryption.ActiveKeyVersion; got != tt.active || !c.HasEncryption() {
				t.Errorf("active_key_version = %d, want %d; HasEncryption = %v", got, tt.active, c.HasEncryption())
			}
		})
	}
	aws := mustLoad(t, product(t, "aws_kms.yaml")).Security.Encryption
	if aws.Provider != ProviderAWS || aws.KMSKeyID != "alias/fluxbase-secrets" {
		t.Errorf("aws_kms.yaml: %+v", aws)
	}
	want := KeyRotation{Enabled: true, Schedule: "0 2 1 * *", AutoReencrypt: true, RetainOldKeys: 2, NotificationWebhook: "https://hooks.example.com/security"}
	if diff := cmp.Diff(want, mustLoad(t, product(t, "key_rotation.yaml")).Security.Encryption.KeyRotation); diff != "" {
		t.Errorf("key_rotation.yaml (-want +got):\n%s", diff)
	}
}

// The page has lost its indentation, so the window may stand beside the limits or
// among them.
func TestProductRateLimits(t *testing.T) {
	t.Parallel()
	block := product(t, "ratelimit.yaml")
	for name, text := range map[string]string{"beside": block, "among": strings.Replace(block, "  window:", "    window:", 1)} {
		got := mustLoad(t, strings.Replace(text, `"1m"`, `"2m"`, 1)).RateLimit
		if want := (CallerLimits{100, 1000, 10000}); got.Backend != BackendRedis || !got.GlobalRateLimit || got.Limits != want || got.Window != 2*time.Minute {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The page exports the keys and lists references beside them: what is exported
// counts, and Vault is not needed. Its words stand for keys.
func TestProductExports(t *testing.T) {
	t.Parallel()
	key := map[string]string{"old-key-here": goodKey, "new-key-here": otherKey}
	var environ []string
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)="(.*)"$`).FindAllStringSubmatch(product(t, "exports.sh"), -1) {
		environ = append(environ, m[1]+"="+key[m[2]])
	}
	for _, text := range []string{product(t, "vault.yaml"), ""} {
		c := mustLoad(t, text, environ...)
		wantKeys(t, c, "1 "+goodKey, "2 "+otherKey)
		if got := c.EncryptionKeys()[1].Place; got != "env FLUXBASE_SECRET_KEY_2" {
			t.Errorf("place = %q", got)
		}
		if c.usesVault() {
			t.Error("Vault is asked for keys that the environment has")
		}
	}
}

func TestVaultPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"{{ vault `secret/fluxbase/keys/v1` }}":   {"secret/fluxbase/keys/v1", ""},
		"{{vault `kv/team-a/key.1#value`}}":       {"kv/team-a/key.1", "value"},
		" \t{{   vault\t`a/b`   }}\n":             {"a/b", ""},
		`{{ vault "secret/fluxbase/keys/v1#k" }}`: {"secret/fluxbase/keys/v1", "k"},
	} {
		k := EncryptionKey{Version: 1, Material: Secret(text), Place: "here"}
		path, field, ok := k.VaultPath()
		if got := [2]string{path, field}; !ok || got != want {
			t.Errorf("VaultPath(%q) = %q, %v, want %q", text, got, ok, want)
		}
		if _, err := k.Bytes(); err == nil || err.Error() != "key version 1 (here) is a Vault reference: Vault has the key" {
			t.Errorf("Bytes(%q): %v", text, err)
		}
	}
	if _, _, ok := (EncryptionKey{Material: goodKey}).VaultPath(); ok {
		t.Error("a key is taken for a reference")
	}
}

func TestBytesRepeatsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "hunter2", "{{ vault 'hunter2', never mind }}", strings.Repeat("hunter2!", 8)} {
		_, err := EncryptionKey{Version: 3, Material: Secret(text), Place: "env X"}.Bytes()
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "key version 3 (env X) ") {
			t.Errorf("Bytes(%q): %v", text, err)
		}
	}
	if key, err := DecodeKey(goodSecret); err != nil || !bytes.Equal(key, []byte(goodSecret)) {
		t.Errorf("DecodeKey of 32 characters = %q, %v", key, err)
	}
	if _, err := DecodeKey(goodSecret + "\n"); err == nil {
		t.Error("DecodeKey takes 33 characters")
	}
}

func TestHasEncryption(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                       false,
		"secret_key: \"\"\n":     false,
		"secret_key: " + goodKey: true,
		"security: {encryption: {keys: [{version: 7, key: " + goodKey + "}]}}": true,
		"security: {encryption: {provider: aws_kms, kms_key_id: k}}":           true,
		"security: {encryption: {kms_key_id: k}}":                              false,
	} {
		if got := mustLoad(t, text).HasEncryption(); got != want {
			t.Errorf("%q: HasEncryption = %v", text, got)
		}
	}
	c := &Config{}
	if c.HasEncryption() {
		t.Error("a Config that Load did not make has encryption")
	}
	c.SecretKeyText = goodKey // as a development server does
	if keys := c.EncryptionKeys(); len(keys) != 1 || keys[0].Version != 1 || keys[0].Place != "secret_key" {
		t.Errorf("EncryptionKeys = %+v", keys)
	}
}
