package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// failing has the database fail n times with an SQLSTATE before it does
// something to a table.
func failing(t *testing.T, db *pgtest.Database, n int, state, does, table, when string) {
	t.Helper()
	db.Exec(t, `create sequence if not exists public.failures`)
	db.Exec(t, fmt.Sprintf(`create or replace function public.fail() returns trigger language plpgsql as $$
		begin
			if nextval('public.failures') <= %d then
				raise exception 'no, says the test' using errcode = '%s';
			end if;
			return new;
		end $$`, n, state))
	db.Exec(t, fmt.Sprintf(`create trigger failing before %s on %s for each row when (%s) execute function public.fail()`, does, table, when))
}

func states(t *testing.T, p *program) string {
	t.Helper()
	keys, err := p.Keys.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, k := range keys {
		states = append(states, fmt.Sprint(k.Version, " ", k.State))
	}
	return strings.Join(states, ", ")
}

// TestKeyAndRunAreOne has a rotation end between the key and the note of it: the
// next attempt leaves no key behind that nobody knows of.
func TestKeyAndRunAreOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	p.put(20)
	failing(t, db, 2, "57P01", "update", "auth.encryption_runs", "new.to_version is distinct from old.to_version")
	run, err := p.Rotate(t.Context(), audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; !run.Over(); try++ {
		if run, err = p.Do(t.Context(), run.ID, func(rotation.Run) {}); try == 5 {
			t.Fatal(err)
		}
	}
	if got := states(t, p); got != "1 retired, 2 active" {
		t.Error(got)
	}
	p.check(20)
}

// TestKeyMadeInVain has a rotation fail for good before its key is active: the
// key is destroyed with it.
func TestKeyMadeInVain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	p.put(20)
	failing(t, db, 1, "XX000", "update", "auth.encryption_keys", "new.state = 'active'")
	run, err := p.Rotate(t.Context(), audit.Actor{})
	if err == nil {
		run, err = p.Do(t.Context(), run.ID, func(rotation.Run) {})
	}
	if got := states(t, p); err == nil || run.State != rotation.Failed || got != "1 active, 2 destroyed" {
		t.Errorf("%s, %v; %s", counts(run), err, got)
	}
	p.do(p.Rotate(t.Context(), audit.Actor{}))
	if got := states(t, p); got != "1 retired, 2 destroyed, 3 active" {
		t.Error(got)
	}
	p.check(20)
}

// TestRunGivesWay has a transaction change two values, the later one first: the
// run goes round what is being changed, and neither waits for the other.
func TestRunGivesWay(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(50)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	var first, last id.Sealed
	db.Scan(t, `select id from auth.sealed_values where purpose = 'test' and subject = '10'`, nil, &first)
	db.Scan(t, `select id from auth.sealed_values where purpose = 'test' and subject = '40'`, nil, &last)
	ended := make(chan rotation.Run, 1)
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if err := p.Values.Replace(t.Context(), q, last, []byte("value 40")); err != nil {
			return err
		}
		go func() {
			defer close(ended)
			ended <- p.do(p.reEncrypt(1, 2))
		}()
		for deadline := time.Now().Add(3 * time.Second); p.under(1) > 1 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		if n := p.under(1); n != 1 {
			t.Errorf("%d values are left while one is being changed", n)
		}
		return p.Values.Replace(t.Context(), q, first, []byte("value 10"))
	})
	if err != nil {
		t.Error(err)
	}
	if got := counts(<-ended); got != "succeeded: 52 = 51 + 1 + 0" {
		t.Error(got)
	}
	p.check(50)
}

// TestRunWaitsForATransaction deletes a value that a run has come to, and takes
// it back.
func TestRunWaitsForATransaction(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(5)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	ended := make(chan rotation.Run, 1)
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if _, err := q.Exec(t.Context(), `delete from auth.sealed_values`); err != nil {
			return err
		}
		go func() {
			defer close(ended)
			ended <- p.do(p.reEncrypt(1, 2))
		}()
		select {
		case run := <-ended:
			t.Errorf("%s, while it is not known whether there is a value", counts(run))
			ended <- run
		case <-time.After(time.Second):
		}
		return errors.New("the test has changed its mind")
	})
	if err == nil {
		t.Error("the values are deleted")
	}
	if got := counts(<-ended); got != "succeeded: 7 = 7 + 0 + 0" {
		t.Error(got)
	}
	p.check(5)
}

// cut ends every connection of the owner's over and over until stop is called,
// in the middle of whatever it is at. It returns how often it met a statement.
func cut(t *testing.T, db *pgtest.Database, every time.Duration) (stop func() int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		met := 0
		for ctx.Err() == nil {
			var n int
			err := conn.QueryRow(context.WithoutCancel(ctx), `
				with open as materialized (
					select pid, state from pg_stat_activity where datname = current_database() and usename = 'fluxbase')
				select count(*) filter (where state = 'active') from open where pg_terminate_backend(pid)`).Scan(&n)
			if err != nil {
				t.Errorf("cutting connections: %v", err)
				break
			}
			met += n
			time.Sleep(time.Duration(rand.Int64N(int64(2 * every))))
		}
		_ = conn.Close(context.WithoutCancel(ctx))
		done <- met
	}()
	return func() int {
		cancel()
		return <-done
	}
}

// TestConnectionsAreCut works while every connection is cut again and again.
func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1)
	f := &traffic{t: t}
	f.seed(t.Context(), p, 3000)
	patiently := func(work func() (rotation.Run, error)) (run rotation.Run) {
		t.Helper()
		err := errors.New("not yet")
		for try := 0; err != nil && try < 100; try++ { // to ask for a run is not the work on it
			run, err = work()
		}
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	stop := cut(t, db, 40*time.Millisecond)
	var runs []rotation.Run
	for range 2 {
		run := patiently(func() (rotation.Run, error) { return p.Rotate(t.Context(), audit.Actor{}) })
		runs = append(runs, p.do(run, nil))
		run = patiently(func() (rotation.Run, error) {
			return p.RollBack(t.Context(), audit.Actor{}, 1, "cut", rotation.Pace{BatchSize: 20, Concurrency: 4})
		})
		runs = append(runs, p.do(run, nil))
	}
	met := stop()
	for err := errors.New("not yet"); err != nil; {
		err = db.Ping(t.Context())
	}
	t.Logf("%d statements were cut", met)
	for _, run := range runs {
		if run.State != rotation.Succeeded || run.Scanned != 3002 || run.ReEncrypted+run.AlreadyThere != 3002 {
			t.Errorf("%s in %d attempts", counts(run), run.Attempts)
		}
	}
	if got := states(t, p); got != "1 active, 2 rolled_back, 3 rolled_back" {
		t.Error(got)
	}
	f.check(p)
}

// slow is a database that has something happen between a row and its reader.
type slow struct {
	postgres.Querier

	meanwhile func()
}

func (s *slow) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return slowRow{s.Querier.QueryRow(ctx, sql, args...), s}
}

type slowRow struct {
	pgx.Row
	*slow
}

func (r slowRow) Scan(into ...any) error {
	err := r.Row.Scan(into...)
	if r.meanwhile != nil {
		meanwhile := r.meanwhile
		r.meanwhile = nil
		meanwhile()
	}
	return err
}

// TestReaderIsOvertaken moves a value to another key, and destroys the one
// before, between the moment that somebody has read the value and the moment
// that they open it.
func TestReaderIsOvertaken(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1)
	p.Config.RetainOldKeys = 0
	kept, err := p.Values.Put(t.Context(), db.Single(), "test", "0", []byte("value 0"))
	if err != nil {
		t.Fatal(err)
	}
	p.do(p.Rotate(t.Context(), audit.Actor{}))
	for name, read := range map[string]func(postgres.Querier) ([]byte, error){
		"by id": func(q postgres.Querier) ([]byte, error) { return p.Values.Open(t.Context(), q, kept) },
		"by name": func(q postgres.Querier) ([]byte, error) {
			return p.Values.Ensure(t.Context(), q, "test", "0", func() []byte { return []byte("lost") })
		},
	} {
		text, err := read(&slow{db.Single(), func() {
			p.do(p.Rotate(t.Context(), audit.Actor{}))
			if err := p.Keys.Reload(t.Context()); err != nil {
				t.Error(err)
			}
		}})
		if err != nil || string(text) != "value 0" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if got := states(t, p); got != "1 retired, 2 destroyed, 3 destroyed, 4 active" {
		t.Error(got)
	}
}

// slowDB is slow where a statement is by itself.
type slowDB struct {
	*pgtest.Database

	q *slow
}

func (d slowDB) Single() postgres.Querier { return d.q }

// TestScheduleIsSeenLate has an instance see that a rotation is due, and come to
// starting it when another one has already done the whole rotation.
func TestScheduleIsSeenLate(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	a, b := start(t, db, 0, 1), start(t, db, 0, 1)
	for _, p := range []*program{a, b} {
		p.Config.Enabled, p.Config.Schedule = true, "0 2 1 * *"
		p.Config.Next = func(after time.Time) (time.Time, error) { return after.Add(time.Hour), nil }
	}
	a.Turn(t.Context())
	db.Exec(t, `update auth.encryption_schedule set due_at = now() - interval '1 minute'`)
	other, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.Keys.Run(other, func(context.Context) {}) })
	wg.Go(func() { hear(other, b) })
	b.DB = slowDB{db, &slow{db.Single(), func() {
		a.Turn(t.Context())
		a.Wait()
	}}}
	b.Turn(t.Context())
	b.Wait()
	stop()
	wg.Wait()
	if got := states(t, a); got != "1 retired, 2 active" {
		t.Error(got)
	}
	var runs int
	db.Scan(t, `select count(*) from auth.encryption_runs`, nil, &runs)
	if runs != 1 {
		t.Errorf("%d runs", runs)
	}
}

// absent is a key management service that is down for a number of requests.
type absent struct{ left atomic.Int32 }

func (a *absent) Wrap(_ context.Context, key []byte, _ map[string]string) (keyring.Wrapped, error) {
	if a.left.Add(-1) >= 0 {
		return keyring.Wrapped{}, errors.New("down, says the test")
	}
	return keyring.Wrapped{KeyID: "test", Ciphertext: key}, nil
}

func (a *absent) Unwrap(_ context.Context, w keyring.Wrapped, _ map[string]string) ([]byte, error) {
	return w.Ciphertext, nil
}

// TestKeyServiceIsDown begins a rotation while the key management service is
// down: whoever waits is told at once, and the run goes on when it is back.
func TestKeyServiceIsDown(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	service := &absent{}
	service.left.Store(2)
	p.Keys.Provider = "vault"
	p.Keys.Wrapper = func(context.Context, string) (keyring.Wrapper, error) { return service, nil }
	run, err := p.Rotate(t.Context(), audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	run, err = p.Do(t.Context(), run.ID, func(rotation.Run) {})
	if err == nil || !strings.Contains(err.Error(), "down, says the test") || run.Over() || time.Since(began) > 5*time.Second {
		t.Errorf("%s after %s: %v", counts(run), time.Since(began), err)
	}
	rests(t, db, 2)
	untilOver(t, p, run)
}

// TestRotationWaitsForInstances has an instance lack the key of a rotation for
// longer than an attempt waits.
func TestRotationWaitsForInstances(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	db.Exec(t, `insert into auth.instances (id, name, key_versions, seen_at) values (gen_random_uuid(), 'one that lacks it', '{1}', now() + interval '1 hour')`)
	p.HeldLimit = time.Second
	run, err := p.Rotate(t.Context(), audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	run, err = p.Do(t.Context(), run.ID, func(rotation.Run) {})
	if err == nil || !strings.Contains(err.Error(), "one that lacks it") || run.Over() {
		t.Errorf("%s, %v", counts(run), err)
	}
	rests(t, db, 2)
	db.Exec(t, `delete from auth.instances where name = 'one that lacks it'`)
	untilOver(t, p, run)
}

// rests checks that a run is to be tried again after some seconds.
func rests(t *testing.T, db *pgtest.Database, seconds float64) {
	t.Helper()
	var pause float64
	var why string
	db.Scan(t, `select extract(epoch from retry_at - now()), error from auth.encryption_runs`, nil, &pause, &why)
	if pause > seconds || pause < seconds-1.5 || why == "" {
		t.Errorf("tried again in %v s because of %q", pause, why)
	}
}

// untilOver has an instance look for work until a run has succeeded.
func untilOver(t *testing.T, p *program, run rotation.Run) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !run.Over() && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		p.Turn(t.Context())
		p.Wait()
		var err error
		if run, err = p.Get(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
	}
	if run.State != rotation.Succeeded {
		t.Errorf("%s: %s", counts(run), *run.Error)
	}
}
