package keyring

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// plain wraps nothing at all, or fails.
type plain struct{ err error }

func (p plain) Wrap(_ context.Context, key []byte, _ map[string]string) (Wrapped, error) {
	return Wrapped{Ciphertext: key}, p.err
}

func (p plain) Unwrap(_ context.Context, w Wrapped, _ map[string]string) ([]byte, error) {
	return w.Ciphertext, p.err
}

// TestTracedCalls are spans in a trace and nothing outside of one, and hold no key.
func TestTracedCalls(t *testing.T) {
	t.Parallel()
	const key = "hunter2hunter2"
	spans := tracetest.NewSpanRecorder()
	in, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "root")
	failed := errors.New("not opened: " + key)
	for _, c := range []struct {
		ctx context.Context
		err error
	}{{in, nil}, {in, failed}, {t.Context(), nil}} {
		w := Traced(plain{c.err}, "vault")
		wrapped, err := w.Wrap(c.ctx, []byte(key), map[string]string{"a": key})
		if string(wrapped.Ciphertext) != key || !errors.Is(err, c.err) {
			t.Errorf("wrap: %q %v", wrapped.Ciphertext, err)
		}
		if opened, err := w.Unwrap(c.ctx, wrapped, nil); string(opened) != key || !errors.Is(err, c.err) {
			t.Errorf("unwrap: %q %v", opened, err)
		}
	}
	root.End()
	ended := spans.Ended()
	if len(ended) != 5 || ended[0].Name() != "wrap" || ended[1].Name() != "unwrap" || ended[0].Status().Code != codes.Unset || ended[2].Status().Code != codes.Error {
		t.Fatalf("%v", ended)
	}
	for _, span := range ended {
		if strings.Contains(span.Status().Description, key) || len(span.Events()) > 0 || len(span.Attributes()) > 1 {
			t.Errorf("%v %v", span.Status(), span.Attributes())
		}
	}
}
