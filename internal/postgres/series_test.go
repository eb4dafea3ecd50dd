package postgres_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// batches is a series of statements without results.
func batches(all ...[]string) postgres.Series {
	i := 0
	return postgres.Series{
		Begin: func() error { i = 0; return nil },
		Check: func() error { return nil },
		Next: func() ([]postgres.Step, error) {
			if i == len(all) {
				return nil, io.EOF
			}
			var steps []postgres.Step
			for _, sql := range all[i] {
				steps = append(steps, postgres.Step{SQL: sql, Scan: func(rows pgx.Rows) error {
					rows.Close()
					return nil
				}})
			}
			i++
			return steps, nil
		},
	}
}

// TestSeriesIsTheCallers: each statement finds the settings of the caller, also
// after one that has changed them.
func TestSeriesIsTheCallers(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, `create function public.pose() returns text language sql as $$ select
		set_config('role', 'anonymous', true) || set_config('app.user_id', '00000000-0000-7000-8000-000000000000', true) || set_config('request.jwt.claims', '{"role":"service_role"}', true)
		|| set_config('statement_timeout', '0', true) $$`)
	db := open(t, d, 7*time.Second)
	a := alice()
	want := []string{"authenticated", "fluxbase_user", a.Claims, "authenticated", a.User.String(), a.Email, a.Session.String(), "", "off", "7s"}
	var got [][]string
	look := postgres.Step{SQL: settings, Scan: func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]string, error) {
			values, err := row.Values()
			line := make([]string, len(values))
			for i, v := range values {
				line[i], _ = v.(string)
			}
			return line, err
		})
		got = append(got, all...)
		return err
	}}
	pose := batches([]string{"select public.pose()"})
	steps, _ := pose.Next()
	series := [][]postgres.Step{{look, look}, {steps[0], look}, {look, steps[0]}, {look}}
	i := 0
	err := db.InSeries(t.Context(), a, postgres.Series{Begin: func() error { return nil }, Check: func() error { return nil }, Next: func() ([]postgres.Step, error) {
		if i++; i > len(series) {
			return nil, io.EOF
		}
		return series[i-1], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{want, want, want, want, want}, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	// Nothing of it stays.
	if row := as(t, db, &principal.Principal{Role: principal.Authenticated, Claims: `{}`}, "select auth.uid()::text, current_setting('request.jwt.claims')"); row[0] != "NULL" || row[1] != "{}" {
		t.Errorf("on the same connection afterwards: %q", row)
	}
}

// TestSeriesIsOneTransaction: all of it is done, or nothing, and the connection
// is as it was.
func TestSeriesIsOneTransaction(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded+`; create table parents (id int primary key);
		create table children (id int references parents deferrable initially deferred); grant all on children to authenticated`)
	const one, two = "insert into notes values (1)", "insert into notes values (2)"
	fails := func() error { return errOnPurpose }
	db := open(t, d, 5*time.Second)
	pid := as(t, db, alice(), "select pg_backend_pid()::text")[0]
	for name, c := range map[string]struct {
		batches [][]string
		change  func(*postgres.Series)
		state   string // of PostgreSQL's refusal
		err     error
		rows    int
	}{
		"done":                        {batches: [][]string{{one}, {two, "insert into notes values (3)"}}, rows: 3},
		"nothing":                     {rows: 0},
		"refused in the first":        {batches: [][]string{{one, one}, {two}}, state: "23505"},
		"refused in the last":         {batches: [][]string{{one}, {two, one}}, state: "23505"},
		"refused, and goes on":        {batches: [][]string{{one, one, two}}, state: "23505"},
		"a policy":                    {batches: [][]string{{one}, {"insert into notes values (3, '00000000-0000-7000-8000-000000000000')"}}, state: "42501"},
		"refused at the end":          {batches: [][]string{{one}, {"insert into children values (1)"}}, state: "23503"},
		"check":                       {batches: [][]string{{one}, {two}}, change: func(s *postgres.Series) { s.Check = fails }, err: errOnPurpose},
		"rolled back":                 {batches: [][]string{{one}, {two}}, change: func(s *postgres.Series) { s.Rollback = true }},
		"would be refused at the end": {batches: [][]string{{one}, {"insert into children values (1)"}}, change: func(s *postgres.Series) { s.Rollback = true }, state: "23503"},
		"the next one fails": {batches: [][]string{{one}}, err: errOnPurpose, change: func(s *postgres.Series) {
			next := s.Next
			s.Next = func() ([]postgres.Step, error) {
				steps, err := next()
				if err != nil {
					err = errOnPurpose
				}
				return steps, err
			}
		}},
		"a scan fails": {batches: [][]string{{one}, {two, "insert into notes values (3)"}}, err: errOnPurpose, change: func(s *postgres.Series) {
			next := s.Next
			s.Next = func() ([]postgres.Step, error) {
				steps, err := next()
				if len(steps) > 1 {
					steps[0].Scan = func(pgx.Rows) error { return errOnPurpose }
				}
				return steps, err
			}
		}},
	} {
		s := batches(c.batches...)
		if c.change != nil {
			c.change(&s)
		}
		err := db.InSeries(t.Context(), alice(), s)
		switch {
		case c.state != "":
			refused(t, name, err, c.state)
		case !errors.Is(err, c.err):
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
		if again := as(t, db, alice(), "select pg_backend_pid()::text")[0]; again != pid {
			t.Errorf("%s: the connection is lost", name)
		}
		var n int
		if d.Scan(t, "with gone as (delete from notes returning 1) select (select count(*) from notes) + (select count(*) from children)", nil, &n); n != c.rows {
			t.Errorf("%s: %d rows, want %d", name, n, c.rows)
		}
		d.Exec(t, "delete from children")
	}
}

// TestSeriesBeginsAgain where somebody has taken away what was prepared.
func TestSeriesBeginsAgain(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, 5*time.Second)
	a := alice()
	for i := range 3 {
		begun := 0
		s := batches([]string{"insert into notes select coalesce(max(id), 0) + 1 from notes"}, []string{"insert into notes select max(id) + 1 from notes"})
		begin := s.Begin
		s.Begin = func() error { begun++; return begin() }
		if err := db.InSeries(t.Context(), a, s); err != nil {
			t.Fatal(err)
		}
		var n int
		if d.Scan(t, "select count(*) from notes", nil, &n); n != 2*(i+1) || begun != 1+min(i, 1) {
			t.Errorf("%d rows, begun %d times", n, begun)
		}
		if err := run(t.Context(), db, alice(), postgres.Statement{SQL: "deallocate all"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSeriesBehindAPooler prepares nothing.
func TestSeriesBehindAPooler(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 1, StatementTimeout: 5 * time.Second, Pooled: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.OpenRoles(t.Context(), d.UserURL, d.ServiceURL); err != nil {
		t.Fatal(err)
	}
	if err := db.InSeries(t.Context(), alice(), batches([]string{"insert into notes values (1)"}, []string{"insert into notes values (2)"})); err != nil {
		t.Error(err)
	}
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 2 {
		t.Errorf("%d rows", n)
	}
	if row := as(t, db, alice(), "select count(*)::text from pg_prepared_statements"); row[0] != "0" {
		t.Errorf("%s statements stay prepared", row[0])
	}
}

// TestSeriesIsGivenUp by whoever asked for it: between two batches, and while a
// statement runs.
func TestSeriesIsGivenUp(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, 20*time.Second)
	for name, second := range map[string]string{"between": "", "within": "select pg_sleep(20)"} {
		pid := as(t, db, alice(), "select pg_backend_pid()::text")[0]
		ctx, cancel := context.WithCancel(t.Context())
		s := batches([]string{"insert into notes values (1)"}, []string{"insert into notes values (2)"})
		if second != "" {
			s = batches([]string{"insert into notes values (1)"}, []string{second})
		}
		next, n := s.Next, 0
		s.Next = func() ([]postgres.Step, error) {
			if n++; n == 2 && second == "" {
				cancel()
			} else if n == 2 {
				time.AfterFunc(30*time.Millisecond, cancel)
			}
			return next()
		}
		if err := db.InSeries(ctx, alice(), s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		if again := as(t, db, alice(), "select pg_backend_pid()::text")[0]; second == "" && again != pid {
			t.Errorf("%s: the connection is lost", name)
		}
		within(t, 10*time.Second, "no transaction is open", func() bool {
			var open int
			d.Scan(t, "select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()", nil, &open)
			return open == 0
		})
		var n1 int
		if d.Scan(t, "select count(*) from notes", nil, &n1); n1 != 0 {
			t.Errorf("%s: %d rows", name, n1)
		}
	}
	isKind(t, "a role without a pool", db.InSeries(t.Context(), &principal.Principal{Role: "postgres"}, batches()), fault.Internal)
}

// TestSeriesWithALargeAnswer is undone: no answer can say that it was done.
func TestSeriesWithALargeAnswer(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, 20*time.Second)
	err := db.InSeries(t.Context(), alice(), batches([]string{"insert into notes values (1)", "select repeat('x', 33 << 20)"}))
	isKind(t, "a large answer", err, fault.TooLarge)
	var n int
	if d.Scan(t, "select count(*) from notes", nil, &n); n != 0 || as(t, db, alice(), "select 'here'")[0] != "here" {
		t.Errorf("%d rows", n)
	}
}
