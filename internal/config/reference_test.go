package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

var update = flag.Bool("update", false, "write the reference page and the golden files")

func TestReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "reference", "configuration.md")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(Reference()), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the page is not here; write it with -update")
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), Reference()); diff != "" {
		t.Errorf("the page is stale; run go test ./internal/config -run TestReference -update (-page +code):\n%s", diff)
	}
}

// The example is what people start from: production accepts it as it is and
// with every commented line taken in.
func TestReferenceExample(t *testing.T) {
	t.Parallel()
	environ := []string{
		"SECRET_KEY=" + goodKey, "JWT_SECRET=" + goodToken, "DATABASE_URL=postgres://owner:pw@db/app",
		"DATABASE_USER_URL=postgres://u:pw@db/app", "DATABASE_SERVICE_URL=postgres://s:pw@db/app",
		"NEW_SECRET_KEY=" + otherKey, "VAULT_TOKEN=token", "WEBHOOK_SECRET=whsec_" + goodSecret, "SMTP_PASSWORD=pw", "REDIS_URL=rediss://:pw@redis.example.com:6379",
	}
	whole := regexp.MustCompile(`(?m)^( *)# `).ReplaceAllString(keys().Example(page), "$1")
	for name, text := range map[string]string{"as it is": keys().Example(page), "uncommented": whole} {
		if got := mustLoad(t, text, environ...).Validate(); got != nil {
			t.Errorf("%s: production refuses %v", name, got)
		}
	}
	c := mustLoad(t, whole, environ...)
	for _, f := range keys().Fields() {
		if c.Source(f.Key) == setting.FromDefault {
			t.Errorf("%s is not in the example", f.Key)
		}
		if !strings.Contains(Reference(), "| `"+f.Key+"` |") {
			t.Errorf("%s has no row", f.Key)
		}
	}
}

// The samples of the notes are files too.
func TestReferenceNotes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key2")
	if err := os.WriteFile(path, []byte(otherKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$").FindAllStringSubmatch(encryptionNotes, -1)
	if len(blocks) != 2 {
		t.Fatalf("the notes have %d samples, want 2", len(blocks))
	}
	list := regexp.MustCompile("(?m)^"+blocks[0][1]).ReplaceAllString(blocks[0][2], "")
	c := mustLoad(t, strings.Replace(list, "/run/secrets/key2", path, 1), "OLD_SECRET_KEY="+goodKey)
	wantKeys(t, c, "1 "+goodKey, "2 "+otherKey)
	for line := range strings.Lines(blocks[1][2]) {
		c := mustLoad(t, "secret_"+line)
		if _, _, ok := c.EncryptionKeys()[0].VaultPath(); !ok {
			t.Errorf("%s is no Vault reference", line)
		}
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := keys()
	seen := map[string]string{}
	sections, names := map[string]bool{}, map[string]bool{}
	for _, section := range s.Sections() {
		sections[section.Key] = true
		if section.Doc == "" {
			t.Errorf("section %s has no doc", section.Key)
		}
	}
	for _, f := range s.Fields() {
		for _, name := range f.Env {
			names[name] = true
		}
	}
	for _, f := range s.Fields() {
		if f.Doc == "" || !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: doc %q is not a sentence", f.Key, f.Doc)
		}
		if f.Check != "" && checks()[f.Check] == nil {
			t.Errorf("%s: no rule is called %s", f.Key, f.Check)
		}
		if f.Type.Kind() == reflect.String && (f.Secret != "") != (f.Type == reflect.TypeFor[Secret]()) {
			t.Errorf("%s: a tag secret and the type Secret go together", f.Key)
		}
		for _, key := range append([]string{f.Key}, f.Aliases...) {
			if other, taken := seen[key]; taken || sections[key] {
				t.Errorf("%s is a name of %s and of %s", key, f.Key, other)
			}
			seen[key] = f.Key
		}
		for _, name := range f.Env {
			if other, taken := seen[name]; taken {
				t.Errorf("%s is taken by %s", name, other)
			}
			seen[name] = f.Key
			if base, isFile := strings.CutSuffix(name, "_FILE"); isFile && names[base] {
				t.Errorf("%s is also the file of %s", name, base)
			}
			if numbered.MatchString(name) {
				t.Errorf("%s is also the key of a version", name)
			}
		}
	}
	if got := s.Field("auth.jwt_secret"); got == nil || got.Key != "auth.jwt.secret" || got.Env[0] != "FLUXBASE_AUTH_JWT_SECRET" {
		t.Errorf("auth.jwt_secret is %+v", got)
	}
}
