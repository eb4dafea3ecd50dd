package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open opens the doors of a database once more, with one connection in each
// pool.
func open(t *testing.T, d *pgtest.Database, timeout time.Duration) *postgres.DB {
	t.Helper()
	return openOn(t, d.OwnerURL, d.UserURL, d.ServiceURL, timeout)
}

func openOn(t *testing.T, owner, user, service string, timeout time.Duration) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: owner, MaxConns: 1, StatementTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.OpenRoles(t.Context(), user, service); err != nil {
		t.Fatal(err)
	}
	return db
}

// alice is somebody who is signed in.
func alice() *principal.Principal {
	return &principal.Principal{
		Role: principal.Authenticated, Email: "alice@example.com",
		User: id.User(id.New(time.Now())), Session: id.Session(id.New(time.Now())),
		Claims: `{"role":"authenticated","roles":["editor"],"permissions":["notes.write"],"name":"Alice \"A\" 'O''Neil' \\ ü"}`,
	}
}

func service() *principal.Principal {
	return &principal.Principal{Role: principal.Service, Claims: `{"role":"service_role"}`}
}

// as runs a statement as somebody and returns the text of its one row.
func as(t *testing.T, db *postgres.DB, p *principal.Principal, sql string) []string {
	t.Helper()
	row, err := try(t.Context(), db, p, postgres.Statement{SQL: sql})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return row
}

func try(ctx context.Context, db *postgres.DB, p *principal.Principal, st postgres.Statement) ([]string, error) {
	var row []string
	err := db.As(ctx, p, st, func(rows pgx.Rows) error {
		var err error
		row, err = pgx.CollectExactlyOneRow(rows, texts)
		return err
	})
	return row, err
}

// texts are the values of a row, with NULL for one that is null.
func texts(row pgx.CollectableRow) ([]string, error) {
	values, err := row.Values()
	line := make([]string, len(values))
	for i, v := range values {
		line[i] = "NULL"
		if text, ok := v.(string); ok {
			line[i] = text
		}
	}
	return line, err
}

// run runs a statement without a result as somebody.
func run(ctx context.Context, db *postgres.DB, p *principal.Principal, st postgres.Statement) error {
	return db.As(ctx, p, st, func(rows pgx.Rows) error {
		rows.Close()
		return nil
	})
}

// refused checks that an error is PostgreSQL's with that SQLSTATE.
func refused(t *testing.T, what string, err error, state string) {
	t.Helper()
	if report := postgres.Report(err); report == nil || report.State != state {
		t.Errorf("%s: %v, want SQLSTATE %s", what, err, state)
	}
}

// isKind checks the kind of a fault.
func isKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("%s: %v of kind %d, want kind %d", what, err, fault.KindOf(err), kind)
	}
}

// within waits for what happens elsewhere.
func within(t *testing.T, limit time.Duration, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// connect makes a connection that goes around the doors.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// guarded makes a table in which people see their own rows.
const guarded = `
create table public.notes (id int primary key, owner uuid default auth.uid(), body text);
alter table public.notes enable row level security;
create policy own on public.notes using (owner = (select auth.uid()))`

// script runs several statements as the owner.
func script(t *testing.T, d *pgtest.Database, sql string) {
	t.Helper()
	if _, err := connect(t, d.OwnerURL).PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

var errOnPurpose = errors.New("on purpose")
