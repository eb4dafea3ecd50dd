package telemetry

import (
	"log/slog"
	"strings"
	"testing"
)

// Passwords in URLs have more shapes than user:word@.
func TestOtherPasswordsInURLs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"redis://:" + marker + "@cache:6379/0",
		"postgres://u:p@" + marker + "@db/x",
		"smtp://a:b@c:" + marker + "@mail",
	} {
		if got := clean(text); strings.Contains(got, marker) {
			t.Errorf("%s became %s", text, got)
		}
	}
}

// Header names are written with hyphens, and a group has a name as well.
func TestOtherNames(t *testing.T) {
	t.Parallel()
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		named := func(name string) func(*slog.Logger) {
			return func(l *slog.Logger) { l.Info("m", slog.Attr{Key: name, Value: slog.StringValue(marker)}) }
		}
		for name, log := range map[string]func(*slog.Logger){
			"X-API-Key":       named("X-API-Key"),
			"code-verifier":   named("code-verifier"),
			"group":           func(l *slog.Logger) { l.Info("m", slog.Group("password", slog.String("value", marker))) },
			"group of logger": func(l *slog.Logger) { l.WithGroup("cookies").Info("m", slog.String("session", marker)) },
		} {
			if out := logged(format, log); strings.Contains(out, marker) {
				t.Errorf("%s: %s", name, out)
			}
		}
	})
}

// Not every value is a string or an error.
func TestSecretsWithinOtherValues(t *testing.T) {
	t.Parallel()
	const key = "fb_service_" + marker
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		for name, value := range map[string]any{
			"list": []string{key}, "map": map[string]string{"a": key}, "struct": struct{ A string }{key}, "bytes": []byte(key), "stringer": stringer(key),
			"header": map[string][]string{"Authorization": {"Bearer " + key}},
		} {
			out := logged(format, func(l *slog.Logger) { l.Info("m", slog.Any("detail", value)) })
			if strings.Contains(out, marker) {
				t.Errorf("%s: %s", name, out)
			}
		}
	})
}

type stringer string

func (s stringer) String() string { return string(s) }
