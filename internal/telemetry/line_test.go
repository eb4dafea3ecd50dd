package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

// commands is text that a terminal would obey, or that would look like a record.
var commands = []string{
	"a\nlevel=ERROR msg=forged", "a\r\n{\"level\":\"ERROR\"}", "a\x1b[2Jb", "a\u009b2Jb", "a\x7f\x08b", "a\u202eb\u2066c", "a\u2028b\u2029c", "a\x00b", "a\u0085b", "\ufeffa", "a\x9bb\xff",
}

// TestOneLinePrinted logs what would break a line, or be obeyed by a terminal, in
// every place of a record.
func TestOneLinePrinted(t *testing.T) {
	t.Parallel()
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		for _, text := range commands {
			for place, log := range map[string]func(*slog.Logger){
				"message": func(l *slog.Logger) { l.Info(text) }, //nolint:sloglint // text in the message is what is tested
				"value":   func(l *slog.Logger) { l.Info("m", slog.String("detail", text)) },
				"error":   func(l *slog.Logger) { l.Info("m", slog.Any("error", errors.New(text))) },
				"with":    func(l *slog.Logger) { l.With(slog.String("detail", text)).Info("m") },
				"group":   func(l *slog.Logger) { l.WithGroup("g").Info("m", slog.String("detail", text)) },
				"list":    func(l *slog.Logger) { l.Info("m", slog.Any("detail", []string{text})) },
				"map":     func(l *slog.Logger) { l.Info("m", slog.Any("detail", map[string]string{text: "a"})) },
				"secret":  func(l *slog.Logger) { l.Info("m", slog.String("detail", text+" fb_service_"+marker)) },
			} {
				line, rest, ok := strings.Cut(logged(format, log), "\n")
				if !ok || rest != "" {
					t.Errorf("%q as %s: more than a line: %q", text, place, line+rest)
				}
				if strings.ContainsFunc(line, func(r rune) bool {
					return r < ' ' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u2066\u2028\u2029\ufeff", r)
				}) {
					t.Errorf("%q as %s: %q", text, place, line)
				}
				if !strings.Contains(line, "a") {
					t.Errorf("control: %q", line)
				}
			}
		}
		if line := logged(format, func(l *slog.Logger) { l.Info("größe 名前 🙂") }); !strings.Contains(line, "größe 名前") {
			t.Errorf("%q", line)
		}
	})
}

// TestLinesNameTheirTrace are found from a trace, and it from them.
func TestLinesNameTheirTrace(t *testing.T) {
	t.Parallel()
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	bothFormats(t, func(t *testing.T, format string) {
		t.Helper()
		for _, in := range []func(*slog.Logger) *slog.Logger{
			func(l *slog.Logger) *slog.Logger { return l },
			func(l *slog.Logger) *slog.Logger { return l.With(slog.Int("n", 1)) },
			func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") },
		} {
			line := logged(format, func(l *slog.Logger) { in(l).InfoContext(ctx, "m") })
			if !strings.Contains(line, "01000000000000000000000000000000") || !strings.Contains(line, "0200000000000000") || !strings.Contains(line, "trace_id") {
				t.Error(line)
			}
			if line := logged(format, func(l *slog.Logger) { in(l).Info("m") }); strings.Contains(line, "trace_id") {
				t.Errorf("without a trace: %s", line)
			}
		}
	})
}
