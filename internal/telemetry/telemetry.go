// Package telemetry makes the logger, sends traces and metrics to whoever
// collects them, and answers whether the server lives and is ready.
//
// Secrets are kept out of the log by not logging them; the redaction here is a
// second fence, for attributes by their name and for text that looks like a key
// or a token.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.opentelemetry.io/otel/trace"
)

// redacted stands for what is not logged.
const redacted = "[redacted]"

// NewLogger returns a logger of a level (debug, info, warn, error) and a format
// (json, text). A record is one line of printable characters, whatever it is
// about, and has the trace_id and span_id of its context, if that is traced.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: l, ReplaceAttr: redact}
	if format == "json" {
		return slog.New(InTrace(slog.NewJSONHandler(w, options)))
	}
	return slog.New(InTrace(slog.NewTextHandler(w, options)))
}

// InTrace is a handler whose records name the trace that they belong to.
func InTrace(h slog.Handler) slog.Handler { return inTrace{h} }

type inTrace struct{ slog.Handler }

// Handle implements slog.Handler.
func (h inTrace) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // slog's own
}

// WithAttrs implements slog.Handler.
func (h inTrace) WithAttrs(attrs []slog.Attr) slog.Handler {
	return inTrace{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h inTrace) WithGroup(name string) slog.Handler { return inTrace{h.Handler.WithGroup(name)} }

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

// clean redacts what looks like a secret, and escapes what a terminal would obey.
func clean(text string) string { return printable(withoutSecrets(text)) }

func withoutSecrets(text string) string {
	if !strings.Contains(text, "fb_") && !strings.Contains(text, "eyJ") && !strings.Contains(text, "://") {
		return text
	}
	return secretText.ReplaceAllString(text, redacted)
}

// printable escapes characters that are not printed, among them the control
// characters of ISO 6429 beyond ASCII and those that turn the direction of text.
// Those of ASCII are left to the format, which escapes them: all but delete.
func printable(text string) string {
	if !strings.ContainsFunc(text, obeyed) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if obeyed(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func obeyed(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
