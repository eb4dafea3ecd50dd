package rotation_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// TestStrangersLocks has a login of no rights take every advisory lock that a run
// could want: runs are started all the same, and go on by their leases.
func TestStrangersLocks(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(5)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	stranger, err := pgx.Connect(t.Context(), db.UserURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close(context.WithoutCancel(t.Context())) }()
	if _, err := stranger.Exec(t.Context(), `select pg_advisory_lock(n) from generate_series(7160930, 7160940) n`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	run, err := p.ReEncrypt(ctx, audit.Actor{}, 1, 2, rotation.DefaultPace)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Exec(t.Context(), `select pg_advisory_lock(hashtextextended($1::uuid::text, 7160934))`, run.ID); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `update auth.encryption_runs set created_at = now() - interval '16 seconds'`)
	if got := counts(p.do(run, nil)); got != "succeeded: 7 = 7 + 0 + 0" {
		t.Error(got)
	}
	if _, err := stranger.Exec(t.Context(), `lock table auth.encryption_runs in share update exclusive mode`); err == nil {
		t.Error("a stranger locks the table")
	}
}

// TestGhost has a program vanish together with its machine, so that PostgreSQL
// goes on holding its connections open: whoever wants to go on is told why
// there is a wait, and does not wait for ever.
func TestGhost(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(20)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	run, err := p.reEncrypt(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	ghost, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ghost.Close(context.WithoutCancel(t.Context())) }()
	if _, err := ghost.Exec(t.Context(), `select pg_advisory_lock(hashtextextended($1::uuid::text, 7160934))`, run.ID); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `insert into auth.instances (id, name, key_versions) values ('00000000-0000-7000-8000-000000000009', 'the ghost', '{1,2}')`)
	db.Exec(t, `update auth.encryption_runs set state = 'running', attempts = 1, runner = '00000000-0000-7000-8000-000000000009', seen_at = now()`)
	log := listen(p)
	ended, looks := make(chan rotation.Run, 1), atomic.Int32{}
	go func() {
		defer close(ended)
		run, err := p.Do(t.Context(), run.ID, func(rotation.Run) { looks.Add(1) })
		if err != nil {
			t.Error(err)
		}
		ended <- run
	}()
	until(t, "somebody has looked twice", func() bool { return looks.Load() >= 2 })
	if p.under(1) != 22 || log.has("the ghost") {
		t.Error("the run is taken from somebody who was seen just now")
	}
	db.Exec(t, `update auth.encryption_runs set seen_at = now() - interval '6 seconds'`)
	until(t, "it is said what the wait is for", func() bool { return log.has("the ghost") })
	if p.under(1) != 22 {
		t.Error("the run is taken from somebody who was seen lately")
	}
	db.Exec(t, `update auth.encryption_runs set seen_at = now() - interval '16 seconds'`)
	if run := <-ended; counts(run) != "succeeded: 22 = 22 + 0 + 0" || run.Attempts != 2 {
		t.Errorf("%s in %d attempts", counts(run), run.Attempts)
	}
	p.check(20)
}

// TestNothingIsLeft has a value appear under the old version behind the last
// look of a run: the run has not succeeded then, looks again, and moves it.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	first := start(t, db, 0, 1)
	first.put(20)
	if _, err := first.Keys.Generate(t.Context(), nil); err != nil { // which is wrapped under 1
		t.Fatal(err)
	}
	first.Keys.Close(t.Context())
	p := start(t, db, 0, 1, 3)
	if err := p.Keys.Activate(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `create table public.hidden as select * from auth.sealed_values where purpose = 'test' and subject = '7'`)
	db.Exec(t, `delete from auth.sealed_values where purpose = 'test' and subject = '7'`)
	db.Exec(t, `create function public.appear() returns trigger language plpgsql as $$
		begin
			insert into auth.sealed_values select * from public.hidden;
			delete from public.hidden;
			return new;
		end $$`)
	db.Exec(t, `create trigger appear before update on auth.encryption_keys for each row when (new.wrapped <> old.wrapped) execute function public.appear()`)
	if run := p.do(p.reEncrypt(1, 3)); run.State != rotation.Succeeded || p.under(1) != 0 {
		t.Errorf("%s, and %d are left", counts(run), p.under(1))
	}
	p.check(20)
}

// blind is a database of which a run reads nothing.
type blind struct{ rotation.Database }

func (b blind) Single() postgres.Querier { return blindQuerier{b.Database.Single()} }

type blindQuerier struct{ postgres.Querier }

func (q blindQuerier) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if strings.Contains(sql, "where key_version = $1 and id > $2") {
		args[0] = 0
	}
	return q.Querier.Query(ctx, sql, args...) //nolint:rowserrcheck // the caller does
}

// TestSomethingIsLeft has a run come to its end without the values that it is
// about: it has not succeeded, and goes on later.
func TestSomethingIsLeft(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.put(20)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	run, err := p.reEncrypt(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	p.DB = blind{db}
	left, err := p.Do(t.Context(), run.ID, func(rotation.Run) {})
	if err == nil || !strings.Contains(err.Error(), "under an old key version") || left.Over() {
		t.Errorf("%s, %v", counts(left), err)
	}
	p.DB = db
	if got := counts(p.do(run, nil)); got != "succeeded: 22 = 22 + 0 + 0" || p.under(1) != 0 {
		t.Errorf("%s, and %d are left", got, p.under(1))
	}
}

// TestLostRunIsLeftAlone has somebody else take a run over: who was at it stops.
func TestLostRunIsLeftAlone(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(1000)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `create function public.slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return new; end $$`)
	db.Exec(t, `create trigger slowly before update on auth.sealed_values for each row execute function public.slowly()`)
	run, err := p.ReEncrypt(t.Context(), audit.Actor{}, 1, 2, rotation.Pace{BatchSize: 1, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.Do(ctx, run.ID, func(rotation.Run) {})
		ended <- err
	}()
	until(t, "the run is under way", func() bool { return p.under(2) > 0 })
	db.Exec(t, `insert into auth.instances (id, name, key_versions) values ('00000000-0000-7000-8000-000000000009', 'another', '{1,2}')`)
	db.Exec(t, `update auth.encryption_runs set runner = '00000000-0000-7000-8000-000000000009', seen_at = now() + interval '1 minute'`)
	other, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
	if _, err := other.Exec(t.Context(), `select pg_advisory_lock(hashtextextended($1::uuid::text, 7160934))`, run.ID); err != nil { // when it is free
		t.Fatal(err)
	}
	if p.under(1) == 0 {
		t.Error("the run was done by somebody who had lost it")
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
