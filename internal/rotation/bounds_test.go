package rotation_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// weighed is a database that notes how much is read of it at once.
type weighed struct {
	rotation.Database

	most atomic.Int64
	all  atomic.Int64  // that was read in all
	shut chan struct{} // no value is moved until it is closed; nil for no gate
}

func (w *weighed) Single() postgres.Querier { return scale{w.Database.Single(), w} }

type scale struct {
	postgres.Querier
	*weighed
}

func (s scale) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := s.Querier.Query(ctx, sql, args...) //nolint:rowserrcheck // the caller does
	return &weighedRows{Rows: rows, weighed: s.weighed}, err
}

func (s scale) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if s.shut != nil && strings.Contains(sql, "update auth.sealed_values v") {
		select {
		case <-s.shut:
		case <-ctx.Done():
		}
	}
	return s.Querier.Exec(ctx, sql, args...)
}

type weighedRows struct {
	pgx.Rows
	*weighed

	size int64
}

func (r *weighedRows) Next() bool {
	next := r.Rows.Next()
	if next {
		for _, column := range r.RawValues() {
			r.size += int64(len(column))
			r.all.Add(int64(len(column)))
		}
		r.most.Store(max(r.most.Load(), r.size))
	}
	return next
}

// putLong puts n values of the largest size that a secret has.
func (p *program) putLong(n int) {
	p.t.Helper()
	err := p.db.InTx(p.t.Context(), func(q postgres.Querier) error {
		for i := range n {
			if _, err := p.Values.Put(p.t.Context(), q, "test", fmt.Sprint(i), bytes.Repeat([]byte("x"), 65536)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestReadsAreBounded moves long values with the largest batch.
func TestReadsAreBounded(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.putLong(300)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	// It begins gently, and takes long enough to see that it need not.
	db.Exec(t, `create function slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(0.005); return new; end $$`)
	db.Exec(t, `create trigger slowly before update on auth.sealed_values for each row execute function slowly()`)
	w := &weighed{Database: db}
	p.DB = w
	run := p.do(p.ReEncrypt(t.Context(), audit.Actor{}, 1, 2, rotation.Pace{BatchSize: 10_000, Concurrency: 1}))
	if got := counts(run); got != "succeeded: 302 = 302 + 0 + 0" {
		t.Error(got)
	}
	if most := w.most.Load(); most < 4<<20 || most > 9<<20 {
		t.Errorf("%d bytes were read at once", most)
	}
}

// TestHeldIsBounded has nothing be moved for a while, in a run of the largest
// batches and of as many workers as there can be: it does not go on reading.
func TestHeldIsBounded(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.putLong(1000)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	w := &weighed{Database: db, shut: make(chan struct{})}
	p.DB = w
	ended := make(chan rotation.Run, 1)
	go func() {
		defer close(ended)
		ended <- p.do(p.ReEncrypt(t.Context(), audit.Actor{}, 1, 2, rotation.Pace{BatchSize: 10_000, Concurrency: 64}))
	}()
	before, still := int64(0), 0
	until(t, "reading pauses", func() bool {
		now := w.all.Load()
		if still++; now != before {
			before, still = now, 0
		}
		return before > 24<<20 && still == 50
	})
	close(w.shut)
	if before > 44<<20 {
		t.Errorf("%d bytes are held", before)
	}
	if got := counts(<-ended); got != "succeeded: 1002 = 1002 + 0 + 0" {
		t.Error(got)
	}
}

// TestInstanceWithoutTheKey meets a run over values whose key it lacks: it
// leaves the run to one that has it.
func TestInstanceWithoutTheKey(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := start(t, db, 0, 1, 2)
	a.put(10)
	db.Exec(t, `create table public.backup as select * from auth.sealed_values where purpose = 'test'`)
	if err := a.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	a.do(a.reEncrypt(1, 2))
	b := start(t, db, 0, 2)
	db.Exec(t, `update auth.sealed_values v set envelope = b.envelope, key_version = 1 from public.backup b where b.id = v.id`)
	run, err := a.reEncrypt(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if run, err = b.Do(t.Context(), run.ID, func(rotation.Run) {}); err == nil || run.Over() {
		t.Errorf("%s, %v", counts(run), err)
	}
	untilOver(t, a, run)
	a.check(10)
}

// TestMovesAreUndone puts values back that a run has moved, as a crash of
// PostgreSQL does with the last moves before it: they are moved again, and each
// is counted once.
func TestMovesAreUndone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1, 2)
	p.put(20)
	db.Exec(t, `create table public.lost as select id, envelope from auth.sealed_values where purpose = 'test' and subject < '15'`)
	db.Exec(t, `create function public.crash() returns trigger language plpgsql as $$
		begin
			if not exists (select from auth.sealed_values where key_version = 1) then
				update auth.sealed_values v set envelope = l.envelope, key_version = 1 from public.lost l where l.id = v.id;
				delete from public.lost;
			end if;
			return new;
		end $$`)
	db.Exec(t, `create trigger crash before update on auth.encryption_runs for each row execute function public.crash()`)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if got := counts(p.do(p.reEncrypt(1, 2))); got != "succeeded: 22 = 22 + 0 + 0" || p.under(1) != 0 {
		t.Errorf("%s, and %d are left", got, p.under(1))
	}
	var lost int
	if db.Scan(t, `select count(*) from public.lost`, nil, &lost); lost != 0 {
		t.Error("nothing was undone")
	}
	p.check(20)
}
