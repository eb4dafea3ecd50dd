package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func shownConfig(t *testing.T) (*Config, string) {
	t.Helper()
	path := write(t, `
log: {level: warn}
auth:
  jwt_secret: `+goodSecret+`
  refresh_expiry: 7d
server:
  trusted_proxies: [10.0.0.0/8]
  security_headers: {X-Frame-Options: "", Content-Security-Policy: "default-src 'self'"}
database:
  url: postgres://owner:hunter2@db.example/app?sslmode=require&sslpassword=hunter2
security:
  encryption:
    keys:
      - version: 2
        key: `+otherKey+`
      - {version: 3, key: "{{vault `+"`secret/fluxbase/keys/v3#key`"+`}}"}
    vault: {token: hunter2}
    key_rotation: {notification_secret: whsec_`+goodSecret+`, notification_webhook: "https://hooks.example.com/services/hunter2?token=hunter2"}
`)
	c, err := Load(Sources{
		File: path, Environ: []string{"FLUXBASE_ENV=staging", "FLUXBASE_SECRET_KEY=" + goodKey, "FLUXBASE_DATA_SCHEMAS=public,shop", "FLUXBASE_SECRET_KEY_4=" + goodSecret, "VAULT_ADDR=https://vault.example"},
		Flags: map[string]string{"server.address": "127.0.0.1:9000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, filepath.Dir(path) + string(filepath.Separator)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	c, dir := shownConfig(t)
	var text, object strings.Builder
	if err := errors.Join(c.Show(&text), c.ShowJSON(&object)); err != nil {
		t.Fatal(err)
	}
	golden(t, "show.txt", strings.ReplaceAll(text.String(), dir, ""))
	golden(t, "show.json", strings.ReplaceAll(object.String(), dir, ""))
	for _, secret := range []string{"hunter2", goodSecret, goodKey, otherKey} {
		if strings.Contains(text.String()+object.String(), secret) {
			t.Errorf("a secret is shown: %s", secret)
		}
	}
	var parsed struct{ Settings []map[string]any }
	if err := json.Unmarshal([]byte(object.String()), &parsed); err != nil || len(parsed.Settings) != len(keys().Fields()) {
		t.Errorf("ShowJSON has %d settings, %v; want %d", len(parsed.Settings), err, len(keys().Fields()))
	}
}

func TestShowDerivedValue(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "")
	c.PublicURL = "http://127.0.0.1:8080"
	var b strings.Builder
	if err := c.Show(&b); err != nil || !strings.Contains(b.String(), "http://127.0.0.1:8080") {
		t.Errorf("Show does not have what the caller derived: %v\n%s", err, b.String())
	}
}

func TestShowFailure(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "")
	if c.Show(broken{}) == nil || c.ShowJSON(broken{}) == nil {
		t.Error("a writer that fails: no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }
