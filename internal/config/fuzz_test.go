package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/config/rule"
)

// No file makes Load panic, and none is accepted that Show cannot write.
func FuzzFile(f *testing.F) {
	f.Add(keys().Example(page))
	f.Add("auth:\n  jwt: &a\n    secret: ${X:-y}\nlog: *a\n")
	f.Add("server: {security_headers: {a: b}, trusted_proxies: [10.0.0.0/8]}\n---\n")
	f.Add(keyInFile + ": x\n        key_file: y\n      - &a {version: 1}\n      - *a\n")
	f.Add("? [a]\n: {b: c}\n<<: *x\n\xff\x00")
	f.Fuzz(func(t *testing.T, text string) {
		c, lines := loadFile(t, text, "X=1")
		if c == nil && len(lines) == 0 {
			t.Fatal("neither a configuration nor a problem")
		}
		if c != nil {
			showEverything(t, c)
			c.Validate()
		}
	})
}

const keyInFile = "security:\n  encryption:\n    keys:\n      - version: 2\n        key"

// Whatever is written as a secret and however the file around it is broken, no
// error and no display has it.
func FuzzSecret(f *testing.F) {
	f.Add("hunter2hunter2", "", "")
	f.Add("*hunter2hunter2", "log:\n  lvel: x\n", "bad\n\tworse")
	f.Add("postgres://u:hunter2hunter2@h/d", "auth: &x {}\n", "environment: nope\n")
	f.Add("{hunter2hunter2: 1}", "database:\n  max_connections: x\n", "\n---\n")
	f.Add("'${hunter2hunter2'", "", "[")
	f.Add("\"{{ vault `hunter2hunter2 `}}\"", "", "")
	f.Add("[{version: 2, key: hunter2hunter2, hunter2hunter2: 1}]", "", "")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		const marker = "hunter2hunter2"
		if !strings.Contains(secret, marker) || strings.Contains(secret, "${") && strings.Contains(secret, "}") ||
			strings.Contains(before+after, marker) || strings.ContainsAny(secret, "\n\r\u0085\u2028\u2029") {
			t.Skip() // a variable is named in errors, and a line break ends the value
		}
		for _, key := range []string{"secret_key", "database:\n  url", "auth:\n  jwt:\n    secret", "auth:\n  jwt_secret", "server:\n  address", keyInFile, keyInFile + "_file", "security:\n  encryption:\n    keys", "security:\n  encryption:\n    vault:\n      token"} {
			c, lines := loadFile(t, before+key+": "+secret+"\n"+after)
			refuseMarker(t, c, lines, marker, key)
		}
		for _, name := range []string{"SECRET_KEY", "DATABASE_URL", "AUTH_JWT_SECRET", "SECRET_KEY_FILE", "ENV", "DATA_SCHEMAS", "SECRET_KEY_2", "SECRET_KEY_2_FILE", "SECURITY_ENCRYPTION_KEYS", "SECURITY_ENCRYPTION_KEY_ROTATION_NOTIFICATION_SECRET"} {
			c, lines := loadFile(t, before+after, "FLUXBASE_"+name+"="+secret)
			if name != "DATA_SCHEMAS" || c == nil {
				refuseMarker(t, c, lines, marker, name)
			}
		}
	})
}

func refuseMarker(t *testing.T, c *Config, lines []string, marker, where string) {
	t.Helper()
	for _, line := range lines {
		if strings.Contains(line, marker) {
			t.Fatalf("%s: a problem repeats the value: %s", where, line)
		}
	}
	if c == nil || strings.Contains(where, "address") {
		return
	}
	for _, k := range c.EncryptionKeys() {
		if path, field, ok := k.VaultPath(); ok && strings.Contains(path+"#"+field, marker) {
			return // no secret either
		}
	}
	user := strings.Contains(rule.RedactURL(c.Database.URL.Reveal()), marker) // in a part that is no secret
	if shown := showEverything(t, c); strings.Contains(shown, marker) && !user {
		t.Fatalf("%s: the value is shown: %s", where, shown)
	}
}

func showEverything(t *testing.T, c *Config) string {
	t.Helper()
	var text, object strings.Builder
	if err := c.Show(&text); err != nil {
		t.Fatal(err)
	}
	if err := c.ShowJSON(&object); err != nil || !json.Valid([]byte(object.String())) {
		t.Fatalf("ShowJSON: %v: %s", err, object.String())
	}
	return text.String() + object.String()
}
