package outbound

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins a span for a request, from its beginning to the fields of the
// answer, if its context has one that is recorded. The URL is no part of it: a
// path or a query may be a secret, or part of one. Nor is the other side told of
// our trace.
func startSpan(r *http.Request) (*http.Request, trace.Span) {
	parent := trace.SpanFromContext(r.Context())
	if !parent.IsRecording() {
		return r, parent
	}
	ctx, span := parent.TracerProvider().Tracer("fluxbase/outbound").Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname())))
	return r.WithContext(ctx), span
}

// endSpan ends a span of startSpan's. Where nothing is recorded that is the
// caller's span, and is left alone.
func endSpan(span trace.Span, answer *http.Response, err error) {
	if !span.IsRecording() {
		return
	}
	if err != nil {
		span.SetAttributes(attribute.String("error.type", "_OTHER"))
		span.SetStatus(codes.Error, "")
	} else {
		span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
		if answer.StatusCode >= http.StatusBadRequest {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
