package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// TestRoundTrips holds the promise that a request for a row is one network
// round trip: settings, role, statement and commit together.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	p := newProxy(t, d.OwnerURL)
	db := openOn(t, p.url(d.OwnerURL), p.url(d.UserURL), p.url(d.ServiceURL), time.Second)
	a := alice()

	read := postgres.Statement{SQL: "select id from notes where id = $1", Args: []any{int64(1)}, ReadOnly: true}
	write := postgres.Statement{SQL: "insert into notes values ($1) on conflict do nothing", Args: []any{int64(1)}}
	single := func() {
		var email *string
		if err := db.Single().QueryRow(t.Context(), "select max(email) from auth.users where id = $1", a.User).Scan(&email); err != nil {
			t.Error(err)
		}
	}
	statement := func(who *principal.Principal, st postgres.Statement) func() {
		return func() {
			if err := run(t.Context(), db, who, st); err != nil {
				t.Error(err)
			}
		}
	}
	inTx := func() {
		err := db.InTx(t.Context(), func(q postgres.Querier) error {
			_, err := q.Exec(t.Context(), "select 1")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	beside := read
	beside.Before, beside.After = []postgres.Step{{SQL: "select 1"}}, []postgres.Step{{SQL: "select 2"}}
	asked := beside
	asked.Before = []postgres.Step{{SQL: "select 1", Decides: true}}
	fresh := 0
	unmet := func() {
		fresh++
		statement(a, postgres.Statement{SQL: fmt.Sprintf("select %d", fresh)})()
	}
	for name, tt := range map[string]struct {
		want int
		f    func()
	}{
		"what no connection met":   {1, unmet},
		"with steps beside it":     {1, statement(a, beside)},
		"with a step that decides": {3, statement(a, asked)},
		"a read of somebody's":     {1, statement(a, read)},
		"a write of somebody's":    {1, statement(a, write)},
		"a read of nobody's":       {1, statement(principal.Nobody(), read)},
		"a read of a service's":    {1, statement(service(), read)},
		"the current user":         {1, single},
		"begin, select, commit":    {3, inTx}, // shows that the counter counts
		"a read of somebody else":  {1, statement(alice(), read)},
	} {
		tt.f() // connects and prepares
		for range 3 {
			if got := p.count(tt.f); got != tt.want {
				t.Errorf("%s: %d round trips, want %d", name, got, tt.want)
			}
		}
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	p := newProxy(t, d.OwnerURL)
	db := openOn(t, p.url(d.OwnerURL), p.url(d.UserURL), p.url(d.ServiceURL), 5*time.Second)
	as(t, db, alice(), "select 'before'")

	// In the middle of a statement.
	broken := make(chan error, 1)
	go func() { broken <- run(t.Context(), db, alice(), postgres.Statement{SQL: "select pg_sleep(4)"}) }()
	within(t, 5*time.Second, "a statement under way", func() bool {
		var n int
		d.Scan(t, "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'", nil, &n)
		return n == 1
	})
	p.hangUp()
	unavailable(t, "in the middle of a statement", <-broken)

	// With nobody there, on every door.
	for range 3 {
		unavailable(t, "as somebody", run(t.Context(), db, alice(), postgres.Statement{SQL: "select 1"}))
		unavailable(t, "as a service", run(t.Context(), db, service(), postgres.Statement{SQL: "select 1"}))
		unavailable(t, "in a transaction", db.InTx(t.Context(), func(postgres.Querier) error { return nil }))
		unavailable(t, "a ping", db.Ping(t.Context()))
	}
	p.listen()
	recovers(t, db)

	// The same as an administrator who ends all connections.
	if _, err := connect(t, d.AdminURL).Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), db, alice(), postgres.Statement{SQL: "select 1"}); err != nil {
		unavailable(t, "after the end of the connection", err)
	}
	recovers(t, db)
}

// TestDatabaseIsGone takes the database itself away for a while.
func TestDatabaseIsGone(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := open(t, d, time.Second)
	as(t, db, alice(), "select 'before'")
	u, err := url.Parse(d.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/postgres"
	admin := connect(t, u.String())
	rename := func(from, to string) {
		t.Helper()
		for range 100 {
			_, err = admin.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", from)
			if err == nil {
				_, err = admin.Exec(t.Context(), "alter database "+from+" rename to "+to)
			}
			if err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal(err)
	}
	rename(d.Name, d.Name+"_gone")
	for range 2 {
		unavailable(t, "as somebody", run(t.Context(), db, alice(), postgres.Statement{SQL: "select 1"}))
		unavailable(t, "a ping", db.Ping(t.Context()))
	}
	rename(d.Name+"_gone", d.Name)
	recovers(t, db)
}

func unavailable(t *testing.T, what string, err error) {
	t.Helper()
	isKind(t, what, err, fault.Unavailable)
	if f := fault.From(err); f != nil && (!errors.Is(err, postgres.ErrUnavailable) || f.RetryAfter < time.Second) {
		t.Errorf("%s: does not say when to come back: %v", what, err)
	}
}

// recovers checks that a database is there again for all doors, though a
// connection that broke unnoticed may cost a request.
func recovers(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	within(t, 10*time.Second, "recovery", func() bool {
		return run(ctx, db, alice(), postgres.Statement{SQL: "select 1"}) == nil &&
			run(ctx, db, service(), postgres.Statement{SQL: "select 1"}) == nil && db.Ping(ctx) == nil
	})
}
