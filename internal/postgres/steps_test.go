package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// text returns a Scan of one value, and where it goes.
func text(into *string) postgres.Scan {
	return func(rows pgx.Rows) error {
		var err error
		*into, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		return err
	}
}

// TestSteps runs statements around the one that was asked for: as the caller,
// and undone with it.
func TestSteps(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	db := open(t, d, time.Second)
	a := alice()
	const note = "insert into notes values ($1)"
	count := func() (n int) {
		d.Scan(t, "select count(*) from notes", nil, &n)
		return n
	}
	steps := func(st postgres.Statement, middle postgres.Scan) (before, after string, err error) {
		st.Before = append([]postgres.Step{{SQL: "select concat(current_user, set_config('app.x', $1, true))", Args: []any{"y"}, Scan: text(&before)}}, st.Before...)
		st.After = append(st.After, postgres.Step{SQL: "select concat(current_user, current_setting('app.x'))", Scan: text(&after)})
		return before, after, db.As(t.Context(), a, st, middle)
	}
	drop := func(rows pgx.Rows) error { rows.Close(); return rows.Err() }
	for range 2 {
		before, after, err := steps(postgres.Statement{SQL: note, Args: []any{int64(1)}}, drop)
		if err != nil || before != "authenticatedy" || after != before || count() != 1 {
			t.Fatalf("%q, %q, %v; %d notes", before, after, err, count())
		}
		d.Exec(t, "delete from notes")
	}
	decide := func(with error) postgres.Step {
		return postgres.Step{SQL: note, Args: []any{int64(2)}, Decides: true, Scan: func(rows pgx.Rows) error { rows.Close(); return with }}
	}
	for name, st := range map[string]postgres.Statement{
		"a step that decides against it": {SQL: note, Args: []any{int64(1)}, Before: []postgres.Step{decide(errOnPurpose)}},
		"a step before that fails":       {SQL: note, Args: []any{int64(1)}, Before: []postgres.Step{{SQL: note, Args: []any{int64(2)}}, {SQL: "select 1/0"}}},
		"a step after that fails":        {SQL: note, Args: []any{int64(1)}, After: []postgres.Step{{SQL: "select 1/0"}}},
		"an argument of another type":    {SQL: note, Args: []any{1}, Before: []postgres.Step{decide(nil)}},
	} {
		if _, _, err := steps(st, drop); err == nil || count() != 0 {
			t.Errorf("%s: %v; %d notes", name, err, count())
		}
		if _, _, err := steps(postgres.Statement{SQL: "select 1"}, drop); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if _, _, err := steps(postgres.Statement{SQL: note, Args: []any{int64(1)}, Before: []postgres.Step{decide(nil)}}, drop); err != nil || count() != 2 {
		t.Errorf("control: a step that decides for it: %v; %d notes", err, count())
	}
	d.Exec(t, "delete from notes")
	if err := db.As(t.Context(), a, postgres.Statement{SQL: note, Args: []any{int64(9)}, Before: []postgres.Step{decide(errOnPurpose)}}, drop); !errors.Is(err, errOnPurpose) {
		t.Errorf("the decision is lost: %v", err)
	}
}

func TestIsolationAndTimeout(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), 7*time.Second)
	for level, want := range map[postgres.Isolation]string{
		"": "read committed", postgres.ReadCommitted: "read committed", postgres.RepeatableRead: "repeatable read", postgres.Serializable: "serializable",
	} {
		var got string
		err := db.As(t.Context(), alice(), postgres.Statement{SQL: "select current_setting('transaction_isolation')", Isolation: level, ReadOnly: true}, text(&got))
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", level, got, err)
		}
	}
	for limit, want := range map[time.Duration]string{0: "7s", 1500 * time.Millisecond: "1500ms"} {
		var got string
		if err := db.As(t.Context(), alice(), postgres.Statement{SQL: "select current_setting('statement_timeout')", Timeout: limit}, text(&got)); err != nil || got != want {
			t.Errorf("%s: %q, %v", limit, got, err)
		}
	}
}

// TestPreparedAsTheCaller: names are looked up with the privileges of the
// caller's role. The login has none.
func TestPreparedAsTheCaller(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, `create schema api; create table api.things (id int); grant usage on schema api to authenticated;
		grant select on api.things to authenticated`)
	db := open(t, d, time.Second)
	st := postgres.Statement{SQL: "select count(*)::text from api.things"}
	var got string
	for range 2 {
		if err := db.As(t.Context(), alice(), st, text(&got)); err != nil || got != "0" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := db.As(t.Context(), principal.Nobody(), st, text(&got)); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("without the privilege: %v", err)
	}
}

// TestPreparedStatements has more statements than a connection keeps, loses all
// of them, and changes the table beneath one.
func TestPreparedStatements(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, `create table public.shapes (a int); insert into public.shapes values (1); grant select on public.shapes to authenticated`)
	db := open(t, d, 5*time.Second)
	ask := func(sql string) (got string) {
		t.Helper()
		if err := db.As(t.Context(), alice(), postgres.Statement{SQL: sql}, text(&got)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return got
	}
	kept := func() string { return ask("select count(*)::text from pg_prepared_statements where name like 'fb%'") }
	for n := range 200 {
		if got := ask(fmt.Sprintf("select '%d'", n)); got != fmt.Sprint(n) {
			t.Fatalf("%d: %q", n, got)
		}
		if n%3 == 0 { // what fails keeps nothing, and makes no room for good
			if err := run(t.Context(), db, alice(), postgres.Statement{SQL: fmt.Sprintf("select %d/0", n)}); err == nil {
				t.Fatal("divided by zero")
			}
		}
	}
	if got := kept(); got != "64" {
		t.Errorf("%s statements are kept", got)
	}
	if err := run(t.Context(), db, alice(), postgres.Statement{SQL: "deallocate all"}); err != nil {
		t.Fatal(err)
	}
	if got := ask("select '1'"); got != "1" {
		t.Errorf("after all were let go: %q", got)
	}
	before := kept()
	if long := "select '" + strings.Repeat("x", 17<<10) + "'"; len(ask(long)) != 17<<10 || kept() != before {
		t.Errorf("a long statement is kept: %s after %s", kept(), before)
	}
	const whole = "select s::text from (select * from public.shapes) s"
	if got := ask(whole); got != "(1)" {
		t.Errorf("%q", got)
	}
	d.Exec(t, "alter table public.shapes add b int default 2")
	if got := ask(whole); got != "(1,2)" {
		t.Errorf("after the table has changed: %q", got)
	}
	const star = "select * from public.shapes"
	read := func() (columns []string) {
		err := db.As(t.Context(), alice(), postgres.Statement{SQL: star}, func(rows pgx.Rows) error {
			columns = nil
			for _, f := range rows.FieldDescriptions() {
				columns = append(columns, f.Name)
			}
			rows.Close()
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		return columns
	}
	read()
	d.Exec(t, "alter table public.shapes add c int")
	if got := strings.Join(read(), ","); got != "a,b,c" {
		t.Errorf("a result of another shape: %s", got)
	}
	var stray string
	if stray = ask("select count(*)::text from pg_prepared_statements where statement = '" + star + "'"); stray != "1" {
		t.Errorf("%s statements of one text are kept", stray)
	}
}
