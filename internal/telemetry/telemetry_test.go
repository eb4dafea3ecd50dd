package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

const (
	marker = "hunter2hunter2"
	jwt    = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
)

// logged is what a logger of a format writes for f.
func logged(format string, f func(*slog.Logger)) string {
	var out bytes.Buffer
	f(NewLogger(&out, "debug", format))
	return out.String()
}

// bothFormats runs a test for each format.
func bothFormats(t *testing.T, f func(t *testing.T, format string)) {
	t.Helper()
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			f(t, format)
		})
	}
}

func TestAttributesAreRedactedByName(t *testing.T) {
	t.Parallel()
	names := []string{
		"password", "Password", "new_password", "secret", "client_secret", "SecretKey", "token", "access_token", "refreshToken", "TOKEN",
		"authorization", "Authorization", "apikey", "ApiKey", "api_key", "cookie", "Set-Cookie", "code_verifier",
	}
	values := map[string]slog.Value{
		"text": slog.StringValue(marker), "any": slog.AnyValue(struct{ A string }{marker}), "error": slog.AnyValue(errors.New(marker)),
		"bytes": slog.AnyValue([]byte(marker)), "number": slog.Int64Value(271828), "valuer": slog.AnyValue(valuer{marker}), "list": slog.AnyValue([]string{marker}),
	}
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		for _, name := range names {
			for kind, value := range values {
				out := logged(format, func(l *slog.Logger) {
					attr := slog.Attr{Key: name, Value: value}
					l.Info("m", attr)
					l.With(attr).Info("m")
					l.WithGroup("g").Info("m", attr)
					l.Info("m", slog.Group("g", attr))
				})
				if strings.Contains(out, "hunter2") || strings.Contains(out, "aHVudGVy") || strings.Contains(out, "271828") || strings.Count(out, redacted) != 4 {
					t.Errorf("%s of kind %s: %s", name, kind, out)
				}
			}
		}
	})
}

type valuer struct{ text string }

func (v valuer) LogValue() slog.Value { return slog.StringValue(v.text) }

type stringError string

func (e stringError) Error() string { return string(e) }

// secrets is text that looks like a secret, and what is left of it.
var secrets = map[string]string{
	"fb_service_" + marker:                         redacted,
	"fb_client_" + marker:                          redacted,
	"fb_api_" + marker:                             redacted,
	"the key fb_service_" + marker + " is revoked": "the key " + redacted + " is revoked",
	`"fb_service_` + marker + `"`:                  `"` + redacted + `"`,
	"fb_api_" + marker + ",fb_api_" + marker:       redacted + "," + redacted,
	"fb_service_hunter2-hunter2_hunter2":           redacted,
	jwt:                                            redacted,
	"Bearer " + jwt:                                "Bearer " + redacted,
	jwt[:strings.LastIndex(jwt, ".")+1]:            redacted, // unsigned
	jwt[:strings.LastIndex(jwt, ".")]:              redacted, // cut off
	"token=" + jwt + "&x=1":                        "token=" + redacted + "&x=1",
	"postgres://fluxbase:" + marker + "@db:5432/fluxbase?sslmode=off":      "postgres" + redacted + "db:5432/fluxbase?sslmode=off",
	"dial https://u:" + marker + "@example.com/: connection refused":       "dial https" + redacted + "example.com/: connection refused",
	"postgresql://u:" + marker + "@a/x, postgresql://v:" + marker + "@b/y": "postgresql" + redacted + "a/x, postgresql" + redacted + "b/y",
	"postgres://u:hunter2%40hunter2@db/x":                                  "postgres" + redacted + "db/x",
}

func TestSecretsAreRedactedByTheirLook(t *testing.T) {
	t.Parallel()
	for text, want := range secrets {
		if got := clean(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		for text := range secrets {
			for kind, log := range map[string]func(*slog.Logger){
				"message":       func(l *slog.Logger) { l.Info(text) }, //nolint:sloglint // text in the message is what is tested
				"attribute":     func(l *slog.Logger) { l.Info("m", slog.String("detail", text)) },
				"error":         func(l *slog.Logger) { l.Info("m", slog.Any("error", errors.New(text))) },
				"wrapped error": func(l *slog.Logger) { l.Info("m", slog.Any("error", fmt.Errorf("doing: %w", stringError(text)))) },
				"joined error":  func(l *slog.Logger) { l.Info("m", slog.Any("error", errors.Join(errors.New("a"), stringError(text)))) },
				"valuer":        func(l *slog.Logger) { l.Info("m", slog.Any("detail", valuer{text})) },
				"with":          func(l *slog.Logger) { l.With(slog.String("detail", text)).Info("m") },
				"group":         func(l *slog.Logger) { l.WithGroup("g").Info("m", slog.Group("h", slog.String("detail", text))) },
			} {
				out := logged(format, log)
				if strings.Contains(out, "hunter2") || strings.Contains(out, "c2lnbmF0dXJl") || strings.Contains(out, "eyJ") || !strings.Contains(out, redacted) {
					t.Errorf("%s: %s", kind, out)
				}
			}
		}
	})
}

// A fence that hides everything would be no use.
func TestOrdinaryTextPasses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "ordinary text", "https://example.com:8080/path?x=1#y", "https://user@example.com/", "a://b", "http://[::1]:8080", "10:30@noon",
		"fb_", "fb_service_", "fb_service_short", "fb_other_" + marker, "the prefix fb_service_ is ours", "eyJ", "eyJhbGciOi", "heyJude.and.others",
		"select * from t where a = $1", "mail to a@b.c: refused", "01977e5c-0000-7000-8000-000000000000", "größe 名前",
		"dial tcp 10.0.0.1:5432: connect: connection refused", "https://a.example/x: not found, mail b@c.example",
	} {
		if got := clean(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		out := logged(format, func(l *slog.Logger) {
			l.Warn("went well", slog.String("user_id", "u1"), slog.Int("status", 200), slog.Bool("ok", true), slog.Any("error", errors.New("plain cause")),
				slog.Any("list", []string{"a", "b"}), slog.String("error_code", "credential_required"), slog.String("kind", "access"))
		})
		for _, want := range []string{"went well", "WARN", "u1", "200", "true", "plain cause", "credential_required", "access"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing: %s", want, out)
			}
		}
		if strings.Contains(out, redacted) {
			t.Errorf("something is redacted: %s", out)
		}
	})
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{
		"debug": "DIWE", "info": "IWE", "warn": "WE", "error": "E", "DEBUG": "DIWE", "": "IWE", "loud": "IWE", // what is unknown is info
	} {
		var out bytes.Buffer
		l := NewLogger(&out, level, "json")
		l.Debug("x")
		l.Info("x")
		l.Warn("x")
		l.Error("x")
		var got strings.Builder
		for line := range strings.Lines(out.String()) {
			var entry struct{ Level string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			got.WriteString(entry.Level[:1])
		}
		if got.String() != want {
			t.Errorf("%q: %s, want %s", level, got.String(), want)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	write := func(l *slog.Logger) { l.Info("two words", slog.Int("n", 1)) }
	if out := logged("json", write); !json.Valid([]byte(out)) || !strings.HasSuffix(out, "}\n") {
		t.Errorf("json: %s", out)
	}
	for _, format := range []string{"text", "", "other"} {
		if out := logged(format, write); !strings.Contains(out, `level=INFO msg="two words" n=1`) {
			t.Errorf("%s: %s", format, out)
		}
	}
}

func FuzzClean(f *testing.F) {
	for text := range secrets {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const key = "fb_service_" + marker
		for _, around := range []string{text + " " + key, key + " " + text, text + "\n" + key + "\n" + text} {
			if got := clean(around); strings.Contains(got, key) {
				t.Fatalf("%q became %q", around, got)
			}
		}
		if once := clean(text); clean(once) != once && !strings.Contains(once, "://") {
			t.Fatalf("%q became %q, then %q", text, once, clean(once))
		}
	})
}

// TestDurationsHaveAUnit in either format.
func TestDurationsHaveAUnit(t *testing.T) {
	t.Parallel()
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		out := logged(format, func(l *slog.Logger) {
			l.Info("m", slog.Duration("took", 15461669*time.Nanosecond), slog.Int("n", 15461669))
		})
		want := map[string]string{"json": `"took":"15.461669ms","n":15461669`, "text": `took=15.461669ms n=15461669`}[format]
		if !strings.Contains(out, want) {
			t.Error(out)
		}
	})
}
