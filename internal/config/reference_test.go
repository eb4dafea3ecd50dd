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
		"SECRET_KEY=" + goodKey, "JWT_SECRET=" + goodSecret, "DATABASE_URL=postgres://owner:pw@db/app",
		"DATABASE_USER_URL=postgres://u:pw@db/app", "DATABASE_SERVICE_URL=postgres://s:pw@db/app",
	}
	whole := regexp.MustCompile(`(?m)^( *)# `).ReplaceAllString(exampleFile(), "$1")
	for name, text := range map[string]string{"as it is": exampleFile(), "uncommented": whole} {
		if got := mustLoad(t, text, environ...).Validate(); got != nil {
			t.Errorf("%s: production refuses %v", name, got)
		}
	}
	c := mustLoad(t, whole, environ...)
	for _, f := range keys().fields {
		if c.Source(f.key) == fromDefault {
			t.Errorf("%s is not in the example", f.key)
		}
		if !strings.Contains(Reference(), "| `"+f.key+"` |") {
			t.Errorf("%s has no row", f.key)
		}
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := keys()
	seen := map[string]string{}
	for _, f := range s.fields {
		if f.doc == "" || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s: doc %q is not a sentence", f.key, f.doc)
		}
		if f.check != "" && checks[f.check] == nil {
			t.Errorf("%s: no rule is called %s", f.key, f.check)
		}
		if f.kind == kindText && (f.secret != "") != (f.goType == reflect.TypeFor[Secret]()) {
			t.Errorf("%s: a tag secret and the type Secret go together", f.key)
		}
		for _, key := range append([]string{f.key}, f.aliases...) {
			if other, taken := seen[key]; taken || s.bySection[key] {
				t.Errorf("%s is a name of %s and of %s", key, f.key, other)
			}
			seen[key] = f.key
		}
		for _, name := range f.env {
			if other, taken := seen[name]; taken || strings.HasSuffix(name, "_FILE") {
				t.Errorf("%s is taken: by %s or by a _FILE", name, other)
			}
			seen[name] = f.key
		}
		if f.min != "" || f.max != "" {
			f.within(0) // panics for a limit that is not a value
		}
	}
	for _, section := range s.sections {
		if section.doc == "" {
			t.Errorf("section %s has no doc", section.key)
		}
	}
	if got := s.byKey["auth.jwt_secret"]; got == nil || got.key != "auth.jwt.secret" || got.env[0] != "FLUXBASE_AUTH_JWT_SECRET" {
		t.Errorf("auth.jwt_secret is %+v", got)
	}
}
