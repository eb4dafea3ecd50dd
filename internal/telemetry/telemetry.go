// Package telemetry makes the logger, and answers whether the server lives and
// is ready.
//
// Secrets are kept out of the log by not logging them; the redaction here is a
// second fence, for attributes by their name and for text that looks like a key
// or a token.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// redacted stands for what is not logged.
const redacted = "[redacted]"

// NewLogger returns a logger of a level (debug, info, warn, error) and a format
// (json, text).
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: l, ReplaceAttr: redact}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

var secretNames = []string{"password", "secret", "token", "authorization", "apikey", "api_key", "cookie", "code_verifier"}

// secretText matches keys of ours, JSON Web Tokens, and passwords in URLs.
var secretText = regexp.MustCompile(`fb_(?:client|api|service)_[\w-]{8,}|eyJ[\w-]{8,}\.[\w-]+\.?[\w-]*|://[^:/@\s]*:[^/\s]+@`)

func redact(groups []string, a slog.Attr) slog.Attr {
	if secretName(a.Key) || slices.ContainsFunc(groups, secretName) {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(clean(a.Value.String()))
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String()) // JSON would have a bare number of nanoseconds
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(clean(err.Error()))
		} else if text := fmt.Sprintf("%+s", a.Value.Any()); clean(text) != text {
			a.Value = slog.StringValue(redacted)
		}
	default:
	}
	return a
}

func secretName(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	return slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(name, s) })
}

func clean(text string) string {
	if !strings.Contains(text, "fb_") && !strings.Contains(text, "eyJ") && !strings.Contains(text, "://") {
		return text
	}
	return secretText.ReplaceAllString(text, redacted)
}
