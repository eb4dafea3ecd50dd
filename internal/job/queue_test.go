package job_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// patience is work that waits for somebody.
type patience struct{}

func (patience) Kind() string { return "test.patience" }

// TestOwnQueue has more jobs of one kind wait for something that does not come
// than an instance works at a time. Work of another kind does not wait for them,
// and of theirs only as many run as the kind says.
func TestOwnQueue(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 10)
	s, _ := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
		ran <- n.Text
		return nil
	}})
	var at, most atomic.Int64
	come := make(chan struct{})
	job.Register(s, job.Kind[patience]{AtOnce: 3, Handle: func(ctx context.Context, _ patience) error {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		select {
		case <-come:
		case <-ctx.Done():
		}
		return nil
	}})
	for range 40 {
		if err := db.InTx(t.Context(), func(q postgres.Querier) error { return s.Insert(t.Context(), q, patience{}, job.Options{}) }); err != nil {
			t.Fatal(err)
		}
	}
	run(t, s)
	for deadline := time.Now().Add(wait); at.Load() < 3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d run", at.Load())
		}
	}
	insert(t, db.DB, s, "meanwhile", "")
	if got := receive(t, ran); got != "meanwhile" {
		t.Errorf("ran %q", got)
	}
	close(come)
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		var left int
		if db.Scan(t, "select count(*) from auth.river_job where state <> 'completed'", nil, &left); left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are left", left)
		}
	}
	if most.Load() != 3 {
		t.Errorf("%d ran at once", most.Load())
	}
}

// TestEvery has a job that runs at an interval, worked by two instances.
func TestEvery(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var runs, at atomic.Int64
	for range 2 {
		s, _ := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
			if at.Add(1) > 1 || n != (note{}) {
				t.Errorf("another runs, or with arguments: %q", n)
			}
			defer at.Add(-1)
			runs.Add(1)
			time.Sleep(20 * time.Millisecond)
			return nil
		}})
		job.Every[note](s, 100*time.Millisecond)
		run(t, s)
	}
	for deadline := time.Now().Add(wait); runs.Load() < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it ran %d times", runs.Load())
		}
	}
}
