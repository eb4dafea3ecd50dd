package secret_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/secret"
)

// at50 runs f fifty times at once.
func at50(f func(i int)) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// bounded is a context for what might wait for ever if it is wrong.
func (v *vault) bounded() context.Context {
	ctx, cancel := context.WithTimeout(v.t.Context(), 20*time.Second)
	v.t.Cleanup(cancel)
	return ctx
}

// TestSetAtOnce has fifty callers set a secret that nobody has made yet: each
// gets a version of its own, and the last of them is what is read.
func TestSetAtOnce(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := v.bounded()
	var mu sync.Mutex
	made, ids := map[int]string{}, map[id.Secret]bool{}
	at50(func(i int) {
		value := fmt.Sprint("of ", i)
		kept, err := v.Set(ctx, nobody, global("KEY"), secret.Input{Value: value})
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		made[kept.Version], ids[kept.ID] = value, true
	})
	if len(made) != 50 || len(ids) != 1 {
		t.Fatalf("%d versions of %d secrets", len(made), len(ids))
	}
	for version := range 50 {
		if version < 30 {
			v.refuses(global("KEY"), version+1, "secret_not_found")
			continue
		}
		v.reads(global("KEY"), version+1, made[version+1])
	}
	v.reads(global("KEY"), 0, made[50])
	if n := v.count(`select count(*) from auth.sealed_values where purpose = 'secret'`); n != 20 {
		t.Errorf("%d sealed values", n)
	}
	if n := v.count(`select count(distinct details->>'version') from auth.audit_log where action = 'secret.set'`); n != 50 {
		t.Errorf("records of %d versions", n)
	}
	v.whole()
}

// TestRestoreAtOnce restores a deleted secret fifty times at once, and then one
// of its versions.
func TestRestoreAtOnce(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.set(global("KEY"), "one")
	v.set(global("KEY"), "two")
	v.remove(global("KEY"), false)
	ctx := v.bounded()
	var mu sync.Mutex
	got := map[string]int{}
	at50(func(int) {
		kept, err := v.Restore(ctx, nobody, global("KEY"), 0)
		outcome := fmt.Sprint("version ", kept.Version)
		if err != nil {
			outcome = fault.From(err).Code
		}
		mu.Lock()
		defer mu.Unlock()
		got[outcome]++
	})
	if len(got) != 2 || got["version 2"] != 1 || got["secret_not_deleted"] != 49 {
		t.Errorf("%v", got)
	}
	v.set(global("KEY"), "three")
	at50(func(int) {
		_, err := v.Restore(ctx, nobody, global("KEY"), 2)
		if err != nil && fault.From(err).Code != "secret_not_found" { // once it is too old to be kept
			t.Error(err)
		}
	})
	v.reads(global("KEY"), 0, "two")
	v.whole()
}

// TestEverythingAtOnce sets, deletes, purges, restores and reads one secret. No
// set fails, and no value is lost or left over.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := v.bounded()
	expected := map[string]bool{"": true, "secret_not_found": true, "secret_not_deleted": true}
	at50(func(i int) {
		for range 4 {
			var err error
			switch i % 5 {
			case 0, 1:
				if _, err = v.Set(ctx, nobody, global("KEY"), secret.Input{Value: fmt.Sprint("of ", i)}); err != nil {
					t.Error("set:", err)
				}
			case 2:
				err = v.Delete(ctx, nobody, global("KEY"), i%2 == 0)
			case 3:
				_, err = v.Restore(ctx, nobody, global("KEY"), i%3)
			case 4:
				var got secret.Value
				if got, err = v.Reveal(ctx, nobody, global("KEY"), 0); err == nil && !strings.HasPrefix(got.Value, "of ") {
					t.Errorf("%q", got.Value)
				}
			}
			if err != nil && !expected[fault.From(err).Code] {
				t.Errorf("%d: %v", i%5, err)
			}
		}
	})
	v.whole()
	v.set(global("KEY"), "the last")
	v.reads(global("KEY"), 0, "the last")
}

// meddler does something before a statement of a transaction that matches.
type meddler struct {
	*pgtest.Database
	statement string
	before    func()
}

func (m meddler) InTx(ctx context.Context, f func(postgres.Querier) error) error {
	return m.Database.InTx(ctx, func(q postgres.Querier) error { return f(meddled{q, m}) })
}

type meddled struct {
	postgres.Querier
	m meddler
}

func (q meddled) see(sql string) {
	if strings.Contains(sql, q.m.statement) {
		q.m.before()
	}
}

func (q meddled) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.see(sql)
	return q.Querier.Exec(ctx, sql, args...)
}

func (q meddled) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	q.see(sql)
	return q.Querier.Query(ctx, sql, args...) //nolint:rowserrcheck // it is the caller's to check
}

func (q meddled) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	q.see(sql)
	return q.Querier.QueryRow(ctx, sql, args...)
}

// meddling returns the service with something happening before a statement.
func (v *vault) meddling(statement string, before func()) *secret.Service {
	s := *v.Service
	s.DB = meddler{v.db, statement, sync.OnceFunc(before)}
	return &s
}

// blocked waits until somebody waits for a lock.
func (v *vault) blocked() {
	v.t.Helper()
	for range 1000 {
		if v.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	v.t.Error("nobody waits")
}

// TestSetWaitsForAPurge sets a secret while it is being purged: it is a new one.
func TestSetWaitsForAPurge(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	old := v.set(global("KEY"), "old")
	v.set(global("KEY"), "old, too")
	var made secret.Secret
	var set sync.WaitGroup
	purging := v.meddling("delete from auth.secret_versions", func() {
		set.Go(func() {
			var err error
			if made, err = v.Set(context.Background(), nobody, global("KEY"), secret.Input{Value: "new"}); err != nil {
				t.Error(err)
			}
		})
		v.blocked()
	})
	if err := purging.Delete(t.Context(), nobody, global("KEY"), true); err != nil {
		t.Fatal(err)
	}
	set.Wait()
	if made.Version != 1 || made.ID == old.ID {
		t.Errorf("%+v", made)
	}
	v.reads(global("KEY"), 0, "new")
	v.refuses(global("KEY"), 2, "secret_not_found")
	v.whole()
}

// TestPurgedWhileItIsRead takes a value away between the steps of reading it.
func TestPurgedWhileItIsRead(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for _, statement := range []string{"auth.secret_versions v join auth.secrets s on s.id = v.secret_id\nwhere v.secret_id = $1 and", "from auth.sealed_values"} {
		v.set(global("KEY"), "one")
		reading := v.meddling(statement, func() { v.remove(global("KEY"), true) })
		got, err := reading.Reveal(t.Context(), nobody, global("KEY"), 0)
		v.is(err, "secret_not_found")
		if got != (secret.Value{}) {
			t.Errorf("%+v", got)
		}
		if n := v.count(`select count(*) from auth.audit_log where action = 'secret.read'`); n != 0 {
			t.Errorf("%d reads", n)
		}
	}
}
