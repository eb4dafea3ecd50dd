package postgres

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/principal"
)

// maxTracedText bounds the text of a statement in a span, in bytes.
const maxTracedText = 2 << 10

// operations are the names that spans of statements have; all else is OTHER.
var operations = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"}

// constant is a text between quotes in a statement. Values of callers are
// parameters and never in there; a span has no constants all the same.
var constant = regexp.MustCompile(`'(?:[^']|'')*(?:'|$)`)

// startSpan begins a span for a statement if the context has one that is
// recorded, and costs next to nothing if not. Arguments are no part of it.
func startSpan(ctx context.Context, sql string, role principal.Role) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, parent
	}
	operation := "OTHER"
	if first := strings.ToUpper(firstWord.FindString(sql)); slices.Contains(operations, first) {
		operation = first
	}
	text := constant.ReplaceAllString(sql, "'?'")
	attributes := []attribute.KeyValue{
		attribute.String("db.system.name", "postgresql"), attribute.String("db.operation.name", operation),
		attribute.String("db.query.text", strings.ToValidUTF8(text[:min(len(text), maxTracedText)], "?")),
	}
	if role != "" {
		attributes = append(attributes, attribute.String("fluxbase.role", string(role)))
	}
	return parent.TracerProvider().Tracer("fluxbase/postgres").Start(ctx, operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
}

var firstWord = regexp.MustCompile(`[A-Za-z]+`)

// endSpan ends a span of startSpan's. What PostgreSQL says about values stays
// out. Where nothing is recorded that is the caller's span, and is left alone.
func endSpan(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	if err != nil {
		kind := "_OTHER"
		if report := Report(err); report != nil {
			kind = report.State
			span.SetAttributes(attribute.String("db.response.status_code", kind))
		}
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// tracer is pgx's, for the statements of the owner.
type tracer struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	ctx, _ = startSpan(ctx, data.SQL, "")
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	endSpan(trace.SpanFromContext(ctx), data.Err)
}
