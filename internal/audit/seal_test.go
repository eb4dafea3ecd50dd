package audit_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

var errUndone = errors.New("undone")

// TestSealingWaitsForWhoWrites has a record written, and not committed yet, when
// a later one is there: sealed before the first is, the seal would be wrong.
func TestSealingWaitsForWhoWrites(t *testing.T) {
	t.Parallel()
	for name, commits := range map[string]bool{"who commits": true, "who does not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			err := l.db.InTx(t.Context(), func(q postgres.Querier) error {
				if err := audit.Write(t.Context(), q, signedIn(1)); err != nil {
					return err
				}
				l.write(1)
				brief, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				if err := l.Seal(brief); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("sealing beside an open transaction: %v", err)
				}
				if n := l.number(`select count(*) from auth.audit_seals`); n != 0 {
					t.Errorf("%d seals while a transaction is open", n)
				}
				if !commits {
					return errUndone
				}
				return nil
			})
			if commits == (err != nil) {
				t.Fatal(err)
			}
			l.seal()
			want := 1
			if commits {
				want = 2
			}
			l.intact(want)
		})
	}
}

// TestSealingWaitsForNobodyElse leaves a transaction open that writes to another
// table.
func TestSealingWaitsForNobodyElse(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	err := l.db.InTx(t.Context(), func(q postgres.Querier) error {
		if _, err := q.Exec(t.Context(), `update auth.audit_cursors set number = 0 where name = 'syslog'`); err != nil {
			return err
		}
		l.write(3)
		l.seal()
		l.intact(3)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestManyWriters has fifty write, half of whose transactions are undone, while
// two instances seal: each record that stays is sealed once, in its place.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	const writers, each = 50, 12
	l := newLog(t)
	wide := many(t, l.db, writers+4)
	ctx, done := context.WithCancel(t.Context())
	var sealers, working sync.WaitGroup
	for range 2 {
		s := instance(l.db)
		s.DB = wide
		sealers.Go(func() {
			for ctx.Err() == nil {
				if err := s.Seal(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for range writers {
		working.Go(func() {
			for n := range each {
				err := wide.InTx(t.Context(), func(q postgres.Querier) error {
					for range 1 + n%3 {
						if err := audit.Write(t.Context(), q, signedIn(n)); err != nil {
							return err
						}
						if _, err := q.Exec(t.Context(), `select pg_sleep(random() * 0.005)`); err != nil {
							return err
						}
					}
					if n%2 == 1 {
						return errUndone
					}
					return nil
				})
				if err != nil && !errors.Is(err, errUndone) {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	done()
	sealers.Wait()
	l.seal()
	v := l.intact(writers * (1 + 3 + 2 + 1 + 3 + 2)) // n = 0, 2, 4, 6, 8, 10
	if v.Seals < 2 {                                 // the last one comes after all
		t.Errorf("control: %d seals; they were not made meanwhile", v.Seals)
	}
}

// TestLeaderDiesWhileSealing ends the connection of an instance in the middle of
// a seal; another one goes on from where it began.
func TestLeaderDiesWhileSealing(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(5000) // two seals
	first := instance(l.db)
	first.DB = many(t, l.db, 2)
	admin := connect(t, l.db.AdminURL)
	begin := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	begin(`begin; lock table auth.audit_seals in share row exclusive mode`)
	died := make(chan error, 1)
	go func() { died <- first.Seal(t.Context()) }()
	const sealing = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%insert into auth.audit_seals%' and pid <> pg_backend_pid()`
	looking, until := connect(t, l.db.AdminURL), time.Now().Add(20*time.Second) // within a transaction, statistics stand still
	for n := 0; n == 0; {
		if err := looking.QueryRow(t.Context(), `select count(*) `+sealing).Scan(&n); err != nil || time.Now().After(until) {
			t.Fatalf("nobody seals: %v", err)
		}
	}
	l.seal() // somebody else is at it: this one leaves it alone
	if _, err := looking.Exec(t.Context(), `select pg_terminate_backend(pid) `+sealing); err != nil {
		t.Fatal(err)
	}
	if err := <-died; err == nil {
		t.Error("sealing went on without a connection")
	}
	begin(`commit`)
	if n := l.number(`select count(*) from auth.audit_seals`); n != 0 {
		t.Errorf("%d seals of the one who died", n)
	}
	l.seal()
	if v := l.intact(5000); v.Seals != 2 || v.Newest != 2 {
		t.Errorf("%+v", v)
	}
}

// TestClocksJump writes in the past, the future, and across the end of a month.
// Records are sealed in the order they were written in, whatever their instants.
func TestClocksJump(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	for _, instant := range []string{
		"now()", "now() + interval '30 years'", "now() - interval '30 years'", "now()",
		"date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' + interval '1 month' - interval '1 microsecond'",
		"date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' + interval '1 month'",
		"now() - interval '1 day'",
	} {
		l.at(2, instant)
	}
	l.seal()
	l.intact(14)
	if stray := l.number(`select count(*) from auth.audit_log_default`); stray != 4 {
		t.Errorf("%d records in the default partition", stray)
	}
	if err := l.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.intact(14) // records have moved to partitions of their own, and are the same
	if stray := l.number(`select count(*) from auth.audit_log_default`); stray != 0 {
		t.Errorf("%d records are left in the default partition", stray)
	}
	l.at(1, "now() + interval '30 years'")
	if stray := l.number(`select count(*) from auth.audit_log_default`); stray != 0 {
		t.Error("the month that was made is not used")
	}
}

// TestLargeLog verifies a hundred thousand records in parts, of which none is
// kept in memory.
func TestLargeLog(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	l := newLog(t)
	l.write(100_000)
	l.seal()
	runtime.GC()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := heap(), uint64(0)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			most = max(most, heap())
			time.Sleep(2 * time.Millisecond)
		}
	})
	v := l.verify("")
	stop()
	watching.Wait()
	if v.Finding != nil || v.Records != 100_000 || v.Seals != 25 {
		t.Errorf("%+v", v)
	}
	if used := int64(most) - int64(before); used > 32<<20 {
		t.Errorf("it took %d MiB", used>>20)
	}
}
