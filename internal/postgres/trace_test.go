package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// TestSpansOfStatements have the statement and no value, on either door; and there
// are none outside of a trace.
func TestSpansOfStatements(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 2, Traced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.OpenRoles(t.Context(), d.UserURL, d.ServiceURL); err != nil {
		t.Fatal(err)
	}
	const value = "hunter2"
	all := func(ctx context.Context) {
		var text string
		_ = db.Single().QueryRow(ctx, "select $1::text || 'it''s "+value+"'", value).Scan(&text)
		_, _ = db.Single().Exec(ctx, "select 1/0 where $1 = '"+value+"'", value)
		_ = db.InTx(ctx, func(q postgres.Querier) error {
			_, err := q.Exec(ctx, "update auth.users set updated_at = updated_at where false")
			return err
		})
		for _, sql := range []string{"select $1::text", "select ('" + value + "' || $1)::int"} {
			_ = db.As(ctx, principal.Nobody(), postgres.Statement{SQL: sql, Args: []any{value}}, func(rows pgx.Rows) error {
				for rows.Next() {
				}
				return nil
			})
		}
	}
	spans := tracetest.NewSpanRecorder()
	all(t.Context())
	if n := len(spans.Started()); n != 0 {
		t.Errorf("%d spans outside of a trace", n)
	}
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "root")
	all(ctx)
	root.End()

	want := []string{
		"SELECT select $1::text || '?' ", "SELECT select 1/0 where $1 = '?' 22012", "BEGIN begin ", "UPDATE update auth.users set updated_at = updated_at where false ", "COMMIT commit ",
		"SELECT select $1::text anonymous ", "SELECT select ('?' || $1)::int anonymous 22P02", "root ",
	}
	ended := spans.Ended()
	if len(ended) != len(want) || len(spans.Started()) != len(want) {
		t.Fatalf("%d spans begun, %d ended", len(spans.Started()), len(ended))
	}
	for i, span := range ended {
		a := map[string]string{}
		for _, kv := range span.Attributes() {
			a[string(kv.Key)] = kv.Value.String()
			if strings.Contains(kv.Value.String(), value) {
				t.Errorf("%s: %s", kv.Key, kv.Value.String())
			}
		}
		got := span.Name() + " "
		for _, part := range []string{a["db.query.text"], a["fluxbase.role"]} {
			if part != "" {
				got += part + " "
			}
		}
		if got += a["db.response.status_code"]; got != want[i] || (a["error.type"] != "") != (span.Status().Code == codes.Error) {
			t.Errorf("%q, want %q", got, want[i])
		}
		if span.Status().Description != "" || len(span.Events()) > 0 {
			t.Errorf("%v %v", span.Status(), span.Events())
		}
	}
}
