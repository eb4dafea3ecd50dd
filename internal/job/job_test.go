package job_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestTogetherWithTheDeed has a deed that is undone after its job was written.
func TestTogetherWithTheDeed(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 10)
	s, _ := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
		ran <- n.Text
		return nil
	}})
	run(t, s)
	undone := errors.New("undone")
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if err := s.Insert(t.Context(), q, note{"undone"}, job.Options{}); err != nil {
			t.Error(err)
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	insert(t, db.DB, s, "done", "")
	if got := receive(t, ran); got != "done" {
		t.Errorf("ran %q", got)
	}
	var rows int
	if db.Scan(t, "select count(*) from auth.river_job", nil, &rows); rows != 1 || len(ran) > 0 {
		t.Errorf("%d rows, %d more ran", rows, len(ran))
	}
}

// TestInsertOnly is a process that runs no workers, as the operator's commands
// are, beside one that does.
func TestInsertOnly(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 10)
	command, _ := queue(t, db.DB, job.Kind[note]{Handle: func(context.Context, note) error {
		t.Error("ran where nothing is run")
		return nil
	}})
	insert(t, db.DB, command, "before", "")
	server, _ := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
		ran <- n.Text
		return nil
	}})
	run(t, server)
	if got := receive(t, ran); got != "before" {
		t.Errorf("ran %q", got)
	}
	begun := time.Now()
	insert(t, db.DB, command, "after", "")
	if got := receive(t, ran); got != "after" || time.Since(begun) > 5*time.Second {
		t.Errorf("ran %q after %s", got, time.Since(begun))
	}
}

type unknown struct{}

func (unknown) Kind() string { return "test.unknown" }

func TestInsertRefuses(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, _ := queue(t, db.DB, job.Kind[note]{})
	if err := s.Insert(t.Context(), db.Single(), note{"x"}, job.Options{}); err == nil || !strings.Contains(err.Error(), "no transaction") {
		t.Errorf("without a transaction: %v", err)
	}
	err := db.InTx(t.Context(), func(q postgres.Querier) error { return s.Insert(t.Context(), q, unknown{}, job.Options{}) })
	if err == nil || !strings.Contains(err.Error(), `"test.unknown" is not a registered kind`) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestUnique inserts jobs of one key, one after the other and all at once.
func TestUnique(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 100)
	s, _ := queue(t, db.DB, job.Kind[note]{Handle: func(_ context.Context, n note) error {
		ran <- n.Text
		return nil
	}})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() { insert(t, db.DB, s, "a", "one") })
	}
	all.Wait()
	insert(t, db.DB, s, "b", "other")
	for range 3 {
		insert(t, db.DB, s, "c", "")
	}
	var rows int
	if db.Scan(t, "select count(*) from auth.river_job", nil, &rows); rows != 5 {
		t.Errorf("%d jobs", rows)
	}
	run(t, s)
	for range 5 {
		receive(t, ran)
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		var left int
		if db.Scan(t, "select count(*) from auth.river_job where state <> 'completed'", nil, &left); left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are left", left)
		}
	}
	insert(t, db.DB, s, "again", "one") // the first is finished
	if got := receive(t, ran); got != "again" {
		t.Errorf("ran %q", got)
	}
}

func TestRetriesUntilItSucceeds(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var mu sync.Mutex
	var at []time.Time
	s, log := queue(t, db.DB, job.Kind[note]{Pause: 200 * time.Millisecond, Handle: func(context.Context, note) error {
		mu.Lock()
		defer mu.Unlock()
		if at = append(at, time.Now()); len(at) < 3 {
			return errors.New("not yet")
		}
		return nil
	}})
	run(t, s)
	insert(t, db.DB, s, "x", "")
	if state, attempt := finished(t, db); state != "completed" || attempt != 3 {
		t.Errorf("%s after %d attempts", state, attempt)
	}
	if a, b := at[1].Sub(at[0]), at[2].Sub(at[1]); a < 150*time.Millisecond || b < 600*time.Millisecond {
		t.Errorf("pauses %s, %s", a, b)
	}
	if n := log.lines(t, "a job failed and will be tried again"); len(n) != 2 || n[0]["error"] != "not yet" || n[0]["kind"] != "test.note" {
		t.Errorf("the log has %v", n)
	}
}

func TestGivesUp(t *testing.T) {
	t.Parallel()
	failed := errors.New("no such luck")
	for name, c := range map[string]struct {
		kind     job.Kind[note]
		handle   func() error
		state    string
		attempts int
		says     string
	}{
		"attempts":        {job.Kind[note]{Attempts: 3, Pause: time.Millisecond}, func() error { return failed }, "discarded", 3, "no such luck"},
		"permanent":       {job.Kind[note]{}, func() error { return job.Permanent(failed) }, "cancelled", 1, "no such luck"},
		"panic":           {job.Kind[note]{Attempts: 2, Pause: time.Millisecond}, func() error { panic("at the disco") }, "discarded", 2, "it panicked"},
		"timeout":         {job.Kind[note]{Attempts: 1, Timeout: 50 * time.Millisecond}, nil, "discarded", 1, "deadline exceeded"},
		"expiry":          {job.Kind[note]{Expiry: time.Nanosecond}, func() error { return nil }, "cancelled", 1, "it is"},
		"within expiry":   {job.Kind[note]{Expiry: time.Hour}, func() error { return nil }, "completed", 1, ""},
		"control: it ran": {job.Kind[note]{Attempts: 1}, func() error { return nil }, "completed", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			var ran atomic.Int64
			c.kind.Handle = func(ctx context.Context, _ note) error {
				ran.Add(1)
				if c.handle == nil {
					<-ctx.Done()
					return ctx.Err()
				}
				return c.handle()
			}
			s, log := queue(t, db.DB, c.kind)
			run(t, s)
			insert(t, db.DB, s, "x", "")
			if state, attempts := finished(t, db); state != c.state || attempts != c.attempts {
				t.Errorf("%s after %d attempts", state, attempts)
			}
			if name == "expiry" && ran.Load() > 0 {
				t.Error("it ran")
			}
			said := log.lines(t, "gave up a job")
			if c.says == "" && len(said) > 0 || c.says != "" && (len(said) != 1 || !strings.Contains(said[0]["error"].(string), c.says)) {
				t.Errorf("the log says %v", said)
			}
		})
	}
}

// TestRetryAfter asks for a longer pause than that of the kind, and for a
// shorter one.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, time.Second: 10 * time.Minute} {
		db := pgtest.New(t)
		s, _ := queue(t, db.DB, job.Kind[note]{Pause: 10 * time.Minute, Handle: func(context.Context, note) error {
			return job.RetryAfter(errors.New("busy"), asked)
		}})
		run(t, s)
		insert(t, db.DB, s, "x", "")
		for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
			var state string
			var in float64
			db.Scan(t, "select state::text, extract(epoch from scheduled_at - now())::float8 from auth.river_job", nil, &state, &in)
			if got := time.Duration(in * float64(time.Second)); state == "retryable" {
				if got < want*7/10 || got > want*13/10 {
					t.Errorf("asked for %s: %s", asked, got)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(state)
			}
		}
	}
}
