package config

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

const thirdKey = "a91f3c7e0d5b2864f7c1e09a3d584b62907be4d1c83f5a2e16d0947cb3f82e5d"

func inBase64(t *testing.T, key string) string {
	t.Helper()
	raw, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Of one version the highest place counts, the others stay as they are.
func TestKeyPrecedence(t *testing.T) {
	t.Parallel()
	both := list("      - {version: 1, key: " + goodKey + "}\n      - {version: 2, key: " + otherKey + "}\n")
	tests := map[string]struct {
		text    string
		environ []string
		flags   map[string]string
		want    []string // VERSION MATERIAL
		places  string
	}{
		"the list": {both, nil, nil, []string{"1 " + goodKey, "2 " + otherKey}, "fluxbase.yaml:4, fluxbase.yaml:5"},
		"a numbered variable over the list": {
			both,
			[]string{"FLUXBASE_SECRET_KEY_2=" + thirdKey},
			nil,
			[]string{"1 " + goodKey, "2 " + thirdKey},
			"fluxbase.yaml:4, env FLUXBASE_SECRET_KEY_2",
		},
		"the variable over the list, by version": {
			both,
			[]string{`FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":1,"key":"` + thirdKey + `"}]`},
			nil,
			[]string{"1 " + thirdKey, "2 " + otherKey},
			"env FLUXBASE_SECURITY_ENCRYPTION_KEYS, fluxbase.yaml:5",
		},
		"FLUXBASE_SECRET_KEY over the list": {
			both,
			[]string{"FLUXBASE_SECRET_KEY=" + thirdKey},
			nil,
			[]string{"1 " + thirdKey, "2 " + otherKey},
			"env FLUXBASE_SECRET_KEY, fluxbase.yaml:5",
		},
		"FLUXBASE_SECRET_KEY_1 over secret_key": {
			"secret_key: " + goodKey + "\n",
			[]string{"FLUXBASE_SECRET_KEY_1=" + thirdKey},
			nil,
			[]string{"1 " + thirdKey},
			"env FLUXBASE_SECRET_KEY_1",
		},
		"a flag over everything": {
			both,
			[]string{"FLUXBASE_SECRET_KEY=" + otherKey, "FLUXBASE_SECRET_KEY_1=" + otherKey},
			map[string]string{"secret_key": thirdKey},
			[]string{"1 " + thirdKey, "2 " + otherKey},
			"flag, fluxbase.yaml:5",
		},
		"an empty secret_key takes back only itself": {
			"secret_key: " + goodKey + "\n" + list("      - {version: 1, key: "+goodKey+"}\n"),
			[]string{"FLUXBASE_SECRET_KEY="},
			nil,
			[]string{"1 " + goodKey},
			"fluxbase.yaml:5",
		},
		"the same bytes in one file": {
			"secret_key: " + inBase64(t, goodKey) + "\n" + both, nil, nil,
			[]string{"1 " + goodKey, "2 " + otherKey},
			"fluxbase.yaml:5, fluxbase.yaml:6",
		},
		"the same reference in one environment": {
			"",
			[]string{"FLUXBASE_SECRET_KEY={{ vault `a/b` }}", `FLUXBASE_SECRET_KEY_1={{vault "a/b"}}`},
			nil,
			[]string{`1 {{vault "a/b"}}`},
			"env FLUXBASE_SECRET_KEY_1",
		},
		"capitals": {
			"",
			[]string{"FLUXBASE_SECRET_KEY_3=" + goodKey, `FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":3,"key":"` + strings.ToUpper(goodKey) + `"}]`},
			nil,
			[]string{"3 " + goodKey},
			"env FLUXBASE_SECRET_KEY_3",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, tt.text)
			c, err := Load(Sources{File: path, Environ: tt.environ, Flags: tt.flags})
			if err != nil {
				t.Fatal(err)
			}
			wantKeys(t, c, tt.want...)
			var places []string
			for _, k := range c.EncryptionKeys() {
				places = append(places, k.Place)
			}
			if got := strings.ReplaceAll(strings.Join(places, ", "), strings.TrimSuffix(path, FileName), ""); got != tt.places {
				t.Errorf("places = %s, want %s", got, tt.places)
			}
		})
	}
}

// An overridden secret_key has no effect and is not shown as if it had.
func TestOverriddenSecretKey(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "secret_key: "+goodKey+"\n", "FLUXBASE_SECRET_KEY_1="+otherKey)
	if c.SecretKeyText != "" || c.Source("secret_key") != setting.FromDefault || c.Source(keysPath) != "env FLUXBASE_SECRET_KEY_1" {
		t.Errorf("secret_key is %v from %q, keys from %q", c.SecretKeyText, c.Source("secret_key"), c.Source(keysPath))
	}
}

func TestKeyConflicts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text    string
		environ []string
		want    string
	}{
		"in the file": {
			"secret_key: " + goodKey + "\n" + list("      - {version: 1, key: "+otherKey+"}\n"), nil,
			"fluxbase.yaml:1: secret_key and security.encryption.keys[version 1] (fluxbase.yaml:5) are different keys of version 1; keep one of them",
		},
		"two variables": {
			"",
			[]string{"FLUXBASE_SECRET_KEY=" + goodKey, "FLUXBASE_SECRET_KEY_1=" + otherKey},
			"env FLUXBASE_SECRET_KEY: FLUXBASE_SECRET_KEY and FLUXBASE_SECRET_KEY_1 (env FLUXBASE_SECRET_KEY_1) are different keys of version 1; keep one of them",
		},
		"a variable and the list in one": {
			"",
			[]string{"FLUXBASE_SECRET_KEY_2=" + goodKey, `FLUXBASE_SECURITY_ENCRYPTION_KEYS=[{"version":2,"key":"` + otherKey + `"}]`},
			"env FLUXBASE_SECRET_KEY_2: FLUXBASE_SECRET_KEY_2 and FLUXBASE_SECURITY_ENCRYPTION_KEYS (env FLUXBASE_SECURITY_ENCRYPTION_KEYS) are different keys of version 2; keep one of them",
		},
		"a key and a reference": {
			"",
			[]string{"FLUXBASE_SECRET_KEY=" + goodKey, "FLUXBASE_SECRET_KEY_1={{ vault `a/b` }}"},
			"env FLUXBASE_SECRET_KEY: FLUXBASE_SECRET_KEY and FLUXBASE_SECRET_KEY_1 (env FLUXBASE_SECRET_KEY_1) are different keys of version 1; keep one of them",
		},
		"two fields of one secret": {
			"",
			[]string{"FLUXBASE_SECRET_KEY={{ vault `a/b#x` }}", "FLUXBASE_SECRET_KEY_1={{ vault `a/b#y` }}"},
			"env FLUXBASE_SECRET_KEY: FLUXBASE_SECRET_KEY and FLUXBASE_SECRET_KEY_1 (env FLUXBASE_SECRET_KEY_1) are different keys of version 1; keep one of them",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := loadFile(t, tt.text, tt.environ...)
			wantProblems(t, got, tt.want)
		})
	}
}
