package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestFaultOfStates has PostgreSQL raise each SQLSTATE and looks at what becomes
// of it: in a statement that the caller wrote, and in one of ours, where what
// the caller could correct is our defect.
func TestFaultOfStates(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	ours := map[string]fault.Kind{
		"40001": fault.Conflict, "40P01": fault.Conflict, "55P03": fault.Conflict, "57014": fault.Timeout, "25006": fault.Unavailable,
		"57P01": fault.Unavailable, "57P03": fault.Unavailable, "08006": fault.Unavailable, "53100": fault.Unavailable, "53300": fault.Unavailable,
		"28000": fault.Unavailable, // everything else is internal
	}
	for state, want := range map[string]struct {
		kind fault.Kind
		code string
	}{
		"23505": {fault.Conflict, "unique_violation"},
		"23503": {fault.Conflict, "foreign_key_violation"},
		"23502": {fault.Invalid, "constraint_violation"},
		"23514": {fault.Invalid, "constraint_violation"},
		"42501": {fault.Forbidden, "insufficient_privilege"},
		"42P01": {fault.NotFound, "undefined_object"},
		"42883": {fault.NotFound, "undefined_object"},
		"42703": {fault.Invalid, "undefined_column"},
		"42601": {fault.Invalid, "invalid_statement"},
		"21000": {fault.Invalid, "invalid_statement"},
		"22P02": {fault.Invalid, "invalid_value"},
		"22003": {fault.Invalid, "invalid_value"},
		"44000": {fault.Invalid, "invalid_statement"},
		"P0001": {fault.Invalid, "invalid_statement"},
		"25006": {fault.MethodNotAllowed, "read_only_transaction"},
		"57014": {fault.Timeout, "statement_timeout"},
		"57P01": {fault.Unavailable, "database_unavailable"},
		"57P03": {fault.Unavailable, "database_unavailable"},
		"08006": {fault.Unavailable, "database_unavailable"},
		"53100": {fault.Unavailable, "database_unavailable"},
		"53300": {fault.Unavailable, "database_unavailable"},
		"28000": {fault.Forbidden, "insufficient_privilege"}, // raised by a function: a login of ours fails before
		"0L000": {fault.Forbidden, "insufficient_privilege"},
		"42P17": {fault.Misbehaved, "application_error"},
		"P0002": {fault.Misbehaved, "application_error"},
		"25001": {fault.Misbehaved, "application_error"},
		"53400": {fault.Misbehaved, "application_error"},
		"58030": {fault.Internal, "database_error"},
		"57P04": {fault.Internal, "database_error"},
		"MYAPP": {fault.Invalid, "invalid_statement"},
		"XX000": {fault.Internal, "database_error"},
		"40001": {fault.Conflict, "serialization_failure"},
		"40P01": {fault.Conflict, "serialization_failure"},
		"55P03": {fault.Conflict, "lock_not_available"},
		"54001": {fault.Misbehaved, "application_error"},
		"0A000": {fault.Invalid, "invalid_statement"},
	} {
		raise := fmt.Sprintf(`do $$ begin raise exception using errcode = '%s', message = 'said', detail = 'more', hint = 'do'; end $$`, state)
		f := fault.From(run(t.Context(), d.DB, alice(), postgres.Statement{SQL: raise}))
		if f.Kind != want.kind || f.Code != want.code {
			t.Errorf("%s: kind %d, code %s; want %d, %s", state, f.Kind, f.Code, want.kind, want.code)
		}
		_, err := d.Single().Exec(t.Context(), raise)
		refused(t, state, err, state)
		f = fault.From(postgres.Fault(err))
		if f.Kind != ours[state] || f.Kind == fault.Internal && f.Code != "database_error" {
			t.Errorf("%s in a statement of ours: kind %d, code %s; want %d", state, f.Kind, f.Code, ours[state])
		}
		if !errors.Is(f, err) {
			t.Errorf("%s: the cause is lost", state)
		}
		report := postgres.Report(f)
		if report != nil {
			report.Context = "" // says where the test raised it
		}
		if want := (&fault.SQL{State: state, Message: "said", Details: "more", Hint: "do"}); !reflect.DeepEqual(report, want) {
			t.Errorf("%s: the report is %+v", state, report)
		}
		if f.Kind == fault.Unavailable && f.RetryAfter == 0 {
			t.Errorf("%s: does not say when to come back", state)
		}
	}
}

func TestFaultOfErrors(t *testing.T) {
	t.Parallel()
	own := fault.New(fault.TooMany, "own", "")
	for name, tt := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a fault":                {fmt.Errorf("doing: %w", own), fault.TooMany},
		"out of time":            {fmt.Errorf("doing: %w", context.DeadlineExceeded), fault.Timeout},
		"the end of a stream":    {fmt.Errorf("doing: %w", io.ErrUnexpectedEOF), fault.Unavailable},
		"a reset":                {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, fault.Unavailable},
		"a broken pipe":          {fmt.Errorf("doing: %w", syscall.EPIPE), fault.Unavailable},
		"nobody at the address":  {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, fault.Unavailable},
		"an error of PostgreSQL": {&pgconn.PgError{Code: "40001"}, fault.Conflict},
		"a state that is short":  {&pgconn.PgError{Code: "2"}, fault.Internal},
		"anything else":          {errOnPurpose, fault.Internal},
	} {
		isKind(t, name, postgres.Fault(tt.err), tt.kind)
		if !errors.Is(postgres.Fault(tt.err), tt.err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
	if postgres.Fault(nil) != nil || postgres.Report(nil) != nil || postgres.Report(errOnPurpose) != nil {
		t.Error("something of nothing")
	}
	if err := postgres.Fault(context.Canceled); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Internal {
		t.Errorf("nobody waits: %v", err)
	}
	var f *fault.Error
	if errors.As(postgres.Fault(context.Canceled), &f) {
		t.Error("a request that nobody waits for is a fault")
	}
}

// TestURLsKeepTheirSecrets: an error about a URL does not repeat it.
func TestURLsKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	got, err := postgres.WithLogin("postgres://owner:old@db.example.com/app?sslmode=require", "somebody", "p@ss/word")
	if err != nil || got != "postgres://somebody:p%40ss%2Fword@db.example.com/app?sslmode=require" {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"postgres://owner:hunter2@[::1/app", "postgres://owner:hunter2%zz@db/app"} {
		if _, err := postgres.WithLogin(bad, "somebody", "x"); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
		if _, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: bad, MaxConns: 1}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}
