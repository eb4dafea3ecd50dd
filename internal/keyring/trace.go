package keyring

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Traced is a Wrapper whose calls are spans, where the context has one that is
// recorded. Neither keys nor bindings are part of them.
func Traced(w Wrapper, provider string) Wrapper { return traced{w, provider} }

type traced struct {
	next     Wrapper
	provider string
}

// Wrap implements Wrapper.
func (t traced) Wrap(ctx context.Context, dataKey []byte, binding map[string]string) (wrapped Wrapped, err error) {
	ctx, end := t.start(ctx, "wrap")
	defer func() { end(err) }()
	return t.next.Wrap(ctx, dataKey, binding)
}

// Unwrap implements Wrapper.
func (t traced) Unwrap(ctx context.Context, wrapped Wrapped, binding map[string]string) (dataKey []byte, err error) {
	ctx, end := t.start(ctx, "unwrap")
	defer func() { end(err) }()
	return t.next.Unwrap(ctx, wrapped, binding)
}

func (t traced) start(ctx context.Context, name string) (context.Context, func(error)) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, func(error) {}
	}
	ctx, span := parent.TracerProvider().Tracer("fluxbase/keyring").Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("fluxbase.kms.provider", t.provider)))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
