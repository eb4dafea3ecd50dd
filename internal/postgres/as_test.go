package postgres_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// settings is everything that a statement of a caller finds.
const settings = `select current_user::text, session_user::text,
	current_setting('request.jwt.claims', true), current_setting('app.role', true), current_setting('app.user_id', true),
	current_setting('app.user_email', true), current_setting('app.session_id', true), current_setting('app.sub_tenant_id', true),
	current_setting('transaction_read_only'), current_setting('statement_timeout')`

// helpers is what policies read the caller from.
const helpers = `select auth.uid()::text, auth.role(), auth.email(), auth.session_id()::text, auth.sub_tenant_id(), auth.jwt()->>'role',
	auth.has_role('editor')::text, auth.has_role('admin')::text, auth.has_permission('notes.write')::text, auth.has_permission('notes')::text,
	auth.jwt()->>'name'`

func TestCallerIsSeen(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), 7*time.Second)
	a := alice()
	tests := map[string]struct {
		p                  *principal.Principal
		settings, policies []string
	}{
		"nobody": {
			principal.Nobody(),
			[]string{"anonymous", "fluxbase_user", `{"role":"anonymous"}`, "anonymous", "", "", "", "", "off", "7s"},
			[]string{"NULL", "anonymous", "NULL", "NULL", "NULL", "anonymous", "false", "false", "false", "false", "NULL"},
		},
		"somebody": {
			a,
			[]string{"authenticated", "fluxbase_user", a.Claims, "authenticated", a.User.String(), a.Email, a.Session.String(), "", "off", "7s"},
			[]string{
				a.User.String(), "authenticated", a.Email, a.Session.String(), "NULL", "authenticated",
				"true", "false", "true", "false", `Alice "A" 'O''Neil' \ ü`,
			},
		},
		"a service": {
			service(),
			[]string{"service_role", "fluxbase_service", `{"role":"service_role"}`, "service_role", "", "", "", "", "off", "7s"},
			[]string{"NULL", "service_role", "NULL", "NULL", "NULL", "service_role", "false", "false", "false", "false", "NULL"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // on a fresh connection, where settings are NULL, and on a used one, where they are ''
				if diff := cmp.Diff(tt.settings, as(t, db, tt.p, settings)); diff != "" {
					t.Errorf("settings (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.policies, as(t, db, tt.p, helpers)); diff != "" {
					t.Errorf("helpers (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestHelpersAreNullOutside(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	conn := connect(t, d.OwnerURL)
	const all = `select num_nonnulls(auth.uid(), auth.role(), auth.email(), auth.session_id(), auth.sub_tenant_id(), auth.jwt()),
		auth.has_role('editor') or auth.has_permission('notes.write')`
	check := func(when string) {
		var known int
		var may bool
		if err := conn.QueryRow(t.Context(), all).Scan(&known, &may); err != nil || known > 0 || may {
			t.Errorf("%s: %d are known, may %t, %v", when, known, may, err)
		}
	}
	check("on a fresh connection")
	for _, name := range []string{"request.jwt.claims", "app.role", "app.user_id", "app.user_email", "app.session_id", "app.sub_tenant_id"} {
		if _, err := conn.Exec(t.Context(), "select set_config($1, '', false)", name); err != nil {
			t.Fatal(err)
		}
	}
	check("where a transaction has been before")
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, time.Second)
	const who = `select pg_backend_pid()::text, auth.uid()::text, auth.email(), auth.session_id()::text, current_setting('request.jwt.claims')`

	a := alice()
	backend := as(t, db, a, who)[0]
	empty := &principal.Principal{Role: principal.Authenticated, Claims: `{}`}
	if diff := cmp.Diff([]string{backend, "NULL", "NULL", "NULL", "{}"}, as(t, db, empty, who)); diff != "" {
		t.Errorf("after somebody else, on the same connection (-want +got):\n%s", diff)
	}
	if err := run(t.Context(), db, a, postgres.Statement{SQL: "select 1/0", ReadOnly: true}); err == nil {
		t.Error("divided by zero")
	}
	if diff := cmp.Diff([]string{backend, "NULL", "NULL", "NULL", "{}"}, as(t, db, empty, who)); diff != "" {
		t.Errorf("after somebody else's error, on the same connection (-want +got):\n%s", diff)
	}
	// Read-only and the time limit are those of one statement too.
	if err := run(t.Context(), db, a, postgres.Statement{SQL: "insert into notes values (1)"}); err != nil {
		t.Errorf("after a read-only statement: %v", err)
	}
	as(t, db, service(), who)
	if row := as(t, db, principal.Nobody(), who); row[1] != "NULL" || row[4] != `{"role":"anonymous"}` {
		t.Errorf("nobody, after a service: %q", row)
	}
}

// TestOneConnectionIsLeftAlone looks at a connection between two requests.
func TestOneConnectionIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := open(t, d, time.Second)
	pid := as(t, db, alice(), "select pg_backend_pid()::text")[0]
	within(t, 5*time.Second, "an idle connection without a transaction or a role", func() bool {
		var idle bool
		d.Scan(t, "select state = 'idle' and xact_start is null from pg_stat_activity where pid = $1::text::int", []any{pid}, &idle)
		return idle
	})
}

func TestErrorUndoesEverything(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, time.Second)
	a := alice()
	const pid = "select pg_backend_pid()::text"
	backend := as(t, db, a, pid)[0]
	if err := run(t.Context(), db, a, postgres.Statement{SQL: "insert into notes values (1)"}); err != nil {
		t.Fatal(err)
	}
	failures := map[string]struct {
		sql  string
		args []any
		kind fault.Kind
	}{
		"the second row":  {"insert into notes values (2), (1)", nil, fault.Conflict},
		"a policy":        {"insert into notes values (3, '00000000-0000-7000-8000-000000000000')", nil, fault.Forbidden},
		"syntax":          {"insert into notes valeus (4)", nil, fault.Invalid},
		"no such table":   {"insert into nothing values (4)", nil, fault.NotFound},
		"a bad parameter": {"insert into notes values ($1::text::int)", []any{"four"}, fault.Invalid},
		"the result":      {"with w as (insert into notes values (4) returning id) select 1 / (id - 4) from w", nil, fault.Invalid},
	}
	for name, f := range failures {
		isKind(t, name, run(t.Context(), db, a, postgres.Statement{SQL: f.sql, Args: f.args}), f.kind)
		if got := as(t, db, a, pid)[0]; got != backend {
			t.Errorf("%s: costs the connection", name)
		}
	}
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 1 {
		t.Errorf("%d rows, want the first one only", n)
	}
}

// TestScanThatFails: the statement has been committed by the time that anybody
// sees its result, since it travels together with its commit.
func TestScanThatFails(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, time.Second)
	err := db.As(t.Context(), alice(), postgres.Statement{SQL: "insert into notes values (1) returning id"},
		func(pgx.Rows) error { return errOnPurpose })
	if !errors.Is(err, errOnPurpose) {
		t.Errorf("the error is %v", err)
	}
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 1 {
		t.Errorf("%d rows", n)
	}
	if as(t, db, alice(), "select 'here'")[0] != "here" {
		t.Error("the connection is lost")
	}
}

// TestHeld statements are undone by an error of the scan, and in any case if
// that was asked for.
func TestHeld(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded+"; create table parents (id int primary key); create table children (id int references parents deferrable initially deferred); grant all on children to authenticated")
	db := open(t, d, time.Second)
	fine := func(pgx.Rows) error { return nil }
	backend := as(t, db, alice(), "select pg_backend_pid()::text")[0]
	for name, c := range map[string]struct {
		st    postgres.Statement
		scan  postgres.Scan
		fails bool
		rows  int
	}{
		"held":                        {postgres.Statement{SQL: "insert into notes values (1)", Held: true}, fine, false, 1},
		"the scan fails":              {postgres.Statement{SQL: "insert into notes values (1)", Held: true}, func(pgx.Rows) error { return errOnPurpose }, true, 0},
		"rolled back":                 {postgres.Statement{SQL: "insert into notes values (1)", Rollback: true}, fine, false, 0},
		"rolled back, the scan too":   {postgres.Statement{SQL: "insert into notes values (1)", Rollback: true}, func(pgx.Rows) error { return errOnPurpose }, true, 0},
		"refused":                     {postgres.Statement{SQL: "insert into notes values (1), (1)", Held: true}, fine, true, 0},
		"refused at the end":          {postgres.Statement{SQL: "insert into children values (1)", Held: true}, fine, true, 0},
		"would be refused at the end": {postgres.Statement{SQL: "insert into children values (1)", Rollback: true}, fine, true, 0},
	} {
		if err := db.As(t.Context(), alice(), c.st, c.scan); (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		var n int
		if d.Scan(t, "select (select count(*) from notes) + (select count(*) from children)", nil, &n); n != c.rows {
			t.Errorf("%s: %d rows", name, n)
		}
		script(t, d, "delete from notes")
		if as(t, db, alice(), "select pg_backend_pid()::text")[0] != backend {
			t.Errorf("%s: costs the connection", name)
		}
	}
}

// TestScanThatPanics must not cost a connection: the server recovers from a
// panic and goes on.
func TestScanThatPanics(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 1, StatementTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.OpenRoles(t.Context(), d.UserURL, d.ServiceURL); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("did not panic")
			}
		}()
		_ = db.As(t.Context(), alice(), postgres.Statement{SQL: "select 1"}, func(pgx.Rows) error { panic("on purpose") })
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := try(ctx, db, alice(), postgres.Statement{SQL: "select 'here'"}); err != nil {
		t.Fatalf("the only connection is gone: %v", err) // and Close would wait for it for ever
	}
	db.Close()
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded+`;
		create function public.hidden() returns int language sql volatile as 'insert into public.notes values (1) returning id';
		create function public.unlock() returns int language plpgsql as $$ begin
			perform set_config('transaction_read_only', 'off', true); return public.hidden(); end $$;
		create function public.unlock_all() returns int language plpgsql as $$ begin
			set transaction read write; return public.hidden(); end $$;
		create sequence public.counter`)
	db := open(t, d, time.Second)
	a := alice()
	for sql, state := range map[string]string{
		"insert into notes values (1)":                                           "25006",
		"with w as (insert into notes values (1) returning id) select id from w": "25006",
		"select hidden()":            "25006",
		"select unlock()":            "25001",
		"select unlock_all()":        "25001",
		"select nextval('counter')":  "25006",
		"create table more (id int)": "25006",
	} {
		refused(t, sql, run(t.Context(), db, a, postgres.Statement{SQL: sql, ReadOnly: true}), state)
	}
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 0 {
		t.Errorf("%d rows", n)
	}
	isKind(t, "a write", run(t.Context(), db, a, postgres.Statement{SQL: "select hidden()", ReadOnly: true}), fault.MethodNotAllowed)
	if err := run(t.Context(), db, a, postgres.Statement{SQL: "select hidden()"}); err != nil {
		t.Errorf("the same function, not read-only: %v", err)
	}
	if row := as(t, db, a, "select count(*)::text from notes"); row[0] != "1" {
		t.Errorf("%s rows", row)
	}
}

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), 150*time.Millisecond)
	a := alice()
	const pid = "select pg_backend_pid()::text"
	backend := as(t, db, a, pid)[0]
	began := time.Now()
	err := run(t.Context(), db, a, postgres.Statement{SQL: "select pg_sleep(20)"})
	isKind(t, "a slow statement", err, fault.Timeout)
	refused(t, "a slow statement", err, "57014")
	if !errors.Is(err, postgres.ErrStatementTimeout) || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if got := as(t, db, a, pid)[0]; got != backend {
		t.Error("a slow statement costs the connection")
	}
	// A function cannot give itself more time.
	err = run(t.Context(), db, a, postgres.Statement{SQL: "select set_config('statement_timeout', '0', true), pg_sleep(20)"})
	isKind(t, "a statement that lifts its limit", err, fault.Timeout)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	isKind(t, "a request out of time", run(ctx, db, a, postgres.Statement{SQL: "select pg_sleep(20)"}), fault.Timeout)
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if err := run(ctx, db, a, postgres.Statement{SQL: "select pg_sleep(20)"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that nobody waits for: %v", err)
	}
	if as(t, db, a, "select 'here'")[0] != "here" {
		t.Error("nothing works afterwards")
	}
}

func TestInTx(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	insert := func(n int, result error) error {
		return d.InTx(t.Context(), func(q postgres.Querier) error {
			if _, err := q.Exec(t.Context(), "insert into notes values ($1)", n); err != nil {
				return err
			}
			return result
		})
	}
	if err := insert(1, nil); err != nil {
		t.Error(err)
	}
	if err := insert(2, errOnPurpose); !errors.Is(err, errOnPurpose) {
		t.Errorf("its own error comes back as %v", err)
	}
	isKind(t, "a conflict that nobody expects", insert(1, nil), fault.Internal)
	own := fault.New(fault.Forbidden, "own", "")
	if err := insert(3, own); !errors.Is(err, own) {
		t.Errorf("its own fault comes back as %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = d.InTx(t.Context(), func(q postgres.Querier) error {
			_, _ = q.Exec(t.Context(), "insert into notes values (4)")
			panic("on purpose")
		})
	}()
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestUnknownRole(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), time.Second)
	for _, role := range []principal.Role{"", "fluxbase", "postgres", "SERVICE_ROLE"} {
		p := &principal.Principal{Role: role, User: id.User(id.New(time.Now())), Claims: "{}"}
		if err := run(t.Context(), db, p, postgres.Statement{SQL: "select 1"}); err == nil || !strings.Contains(err.Error(), "no pool") {
			t.Errorf("role %q: %v", role, err)
		}
	}
}

// TestSessionsAreTheServers: what a function sets for its session, and not for
// its transaction, meets nobody else on the same connection.
func TestSessionsAreTheServers(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, `create schema elsewhere; grant usage on schema elsewhere to authenticated;
		create function public.careless() returns text language sql as $$ select
			set_config('search_path', 'elsewhere', false) || set_config('app.tenant', 'alice', false) || set_config('TimeZone', 'Asia/Tokyo', false)
			|| set_config('app.user_id', '00000000-0000-7000-8000-000000000000', false) $$`)
	const found = `select current_setting('search_path'), nullif(current_setting('app.tenant', true), ''), current_setting('TimeZone'), auth.uid()::text, pg_backend_pid()::text`
	for _, pooled := range []bool{false, true} {
		db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 1, StatementTimeout: 5 * time.Second, Pooled: pooled})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.OpenRoles(t.Context(), d.UserURL, d.ServiceURL); err != nil {
			t.Fatal(err)
		}
		a, b := alice(), &principal.Principal{Role: principal.Authenticated, Claims: `{}`}
		want := as(t, db, b, found)
		careless := postgres.Statement{SQL: "select public.careless()"}
		var inSeries []string
		look := postgres.Series{
			Begin: func() error { inSeries = nil; return nil }, Check: func() error { return nil },
			Next: func() ([]postgres.Step, error) {
				if inSeries != nil {
					return nil, io.EOF
				}
				return []postgres.Step{{SQL: found, Scan: func(rows pgx.Rows) (err error) {
					inSeries, err = pgx.CollectExactlyOneRow(rows, texts)
					return err
				}}}, nil
			},
		}
		for name, use := range map[string]func() error{
			"a read":   func() error { return run(t.Context(), db, a, postgres.Statement{SQL: careless.SQL, ReadOnly: true}) },
			"a write":  func() error { return run(t.Context(), db, a, careless) },
			"one held": func() error { return run(t.Context(), db, a, postgres.Statement{SQL: careless.SQL, Held: true}) },
			"a series": func() error { return db.InSeries(t.Context(), a, batches([]string{careless.SQL})) },
		} {
			for range 2 {
				if err := use(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := run(t.Context(), db, b, postgres.Statement{SQL: "select 1/0"}); err == nil {
					t.Error("divided by zero") // which takes the undoing back
				}
				if diff := cmp.Diff(want, as(t, db, b, found)); diff != "" {
					t.Errorf("pooled %v, after %s (-want +got):\n%s", pooled, name, diff)
				}
				if err := use(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := db.InSeries(t.Context(), b, look); err != nil || !slices.Equal(want, inSeries) {
					t.Errorf("pooled %v, after %s, in a series: %q, %v", pooled, name, inSeries, err)
				}
			}
		}
		if got := as(t, db, a, `select public.careless(), current_setting('app.tenant')`); got[1] != "alice" {
			t.Errorf("control: %q", got)
		}
	}
}
