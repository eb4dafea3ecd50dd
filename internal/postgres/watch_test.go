package postgres_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// watched is what a watcher has been told.
type watched struct {
	mu       sync.Mutex
	payloads []string
	polls    atomic.Int64
	rows     atomic.Int64 // that the last poll found
	fails    atomic.Bool
}

// notified asks for a poll if the payload says so.
func (w *watched) notified(payload string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.payloads = append(w.payloads, payload)
	return payload == "poll"
}

func (w *watched) got(payload string) func() bool {
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range w.payloads {
			if p == payload {
				return true
			}
		}
		return false
	}
}

func (w *watched) poll(ctx context.Context, q postgres.Querier) error {
	if w.fails.Load() {
		return errOnPurpose
	}
	var n int64
	err := q.QueryRow(ctx, "select count(*) from notes").Scan(&n)
	w.rows.Store(n)
	w.polls.Add(1)
	return err
}

// watch watches a database until the test ends, and until the first poll.
func watch(t *testing.T, url string, interval time.Duration) *watched {
	t.Helper()
	return watchOf(t, postgres.Config{OwnerURL: url}, interval)
}

func watchOf(t *testing.T, c postgres.Config, interval time.Duration) *watched {
	t.Helper()
	w := &watched{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		postgres.Watch(ctx, c, interval, slog.New(slog.DiscardHandler),
			postgres.Watcher{Channel: `odd "channel"`, Notified: w.notified, Poll: w.poll},
			postgres.Watcher{Channel: "another", Notified: func(string) bool { return false }})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Error("the watch does not end")
		}
	})
	within(t, 10*time.Second, "the first poll", func() bool { return w.polls.Load() > 0 })
	return w
}

func notify(t *testing.T, d *pgtest.Database, payload string) {
	t.Helper()
	d.Exec(t, `select pg_notify('odd "channel"', $1)`, payload)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	p := newProxy(t, d.OwnerURL)
	const interval = 50 * time.Millisecond
	w := watch(t, p.url(d.OwnerURL), interval)

	// A poll in each interval, however many notifications there are.
	notify(t, d, "one")
	within(t, 2*time.Second, "a notification", w.got("one"))
	before, began := w.polls.Load(), time.Now()
	for time.Since(began) < 5*interval {
		notify(t, d, "many")
	}
	within(t, 2*time.Second, "polls in between", func() bool { return w.polls.Load() >= before+3 })

	// The connection ends: what is said meanwhile is lost, what is done is found.
	p.hangUp()
	notify(t, d, "lost")
	d.Exec(t, "insert into notes values (1)")
	time.Sleep(4 * interval) // a poll that was under way finds out
	before = w.polls.Load()
	time.Sleep(2 * interval)
	if w.polls.Load() != before {
		t.Error("a poll without a connection")
	}
	p.listen()
	within(t, 5*time.Second, "what happened meanwhile", func() bool { return w.rows.Load() == 1 })
	if w.got("lost")() {
		t.Error("the notification was not lost; the test tests nothing")
	}
	notify(t, d, "again")
	within(t, 2*time.Second, "a notification on the new connection", w.got("again"))

	// An administrator ends it.
	d.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike '%notes%' and pid <> pg_backend_pid()")
	d.Exec(t, "insert into notes values (2)")
	within(t, 5*time.Second, "what happened meanwhile", func() bool { return w.rows.Load() == 2 })

	// A poll that fails is repeated.
	w.fails.Store(true)
	time.Sleep(2 * interval)
	d.Exec(t, "insert into notes values (3)")
	w.fails.Store(false)
	within(t, 5*time.Second, "what happened meanwhile", func() bool { return w.rows.Load() == 3 })
}

// TestNotificationsDoNotWait: they arrive when they are sent and not when the
// next poll is due.
func TestNotificationsDoNotWait(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	w := watch(t, d.OwnerURL, time.Hour)
	notify(t, d, "at once")
	within(t, 2*time.Second, "a notification", w.got("at once"))
	if n := w.polls.Load(); n != 1 {
		t.Errorf("%d polls", n)
	}
	notify(t, d, "poll")
	within(t, 2*time.Second, "the poll that was asked for", func() bool { return w.polls.Load() == 2 })
}

// TestPoolerIsNotListenedTo: behind one, polls are all there is.
func TestPoolerIsNotListenedTo(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	script(t, d, guarded)
	w := watchOf(t, postgres.Config{OwnerURL: d.OwnerURL, Pooled: true}, 20*time.Millisecond)
	notify(t, d, "nobody hears")
	before := w.polls.Load()
	within(t, 5*time.Second, "polls", func() bool { return w.polls.Load() > before+3 })
	if w.got("nobody hears")() {
		t.Error("it listens")
	}
}
