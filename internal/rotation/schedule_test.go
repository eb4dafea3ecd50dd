package rotation_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

func (p *program) scheduled(schedule string, period time.Duration) {
	p.Config.Enabled, p.Config.Schedule = true, schedule
	p.Config.Next = func(after time.Time) (time.Time, error) { return after.Add(period), nil }
}

func (p *program) turn() {
	p.Turn(p.t.Context())
	p.Wait()
}

func (p *program) rotations() (n int) {
	p.t.Helper()
	p.db.Scan(p.t, `select count(*) from auth.encryption_runs where kind = 'rotation'`, nil, &n)
	return n
}

// TestScheduleIsSwitchedOff comes round while rotation is disabled: nobody is
// warned for ever, and enabled again it begins anew. While no server runs at
// all, it is made up for.
func TestScheduleIsSwitchedOff(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	p.scheduled("monthly", time.Hour)
	p.turn()
	p.Config.Enabled = false
	p.turn()
	var kept int
	if db.Scan(t, `select count(*) from auth.encryption_schedule`, nil, &kept); kept != 1 {
		t.Error("an instance that does not rotate has forgotten the schedule of those that do")
	}
	const late = `update auth.encryption_schedule set due_at = now() - interval '3 days'`
	db.Exec(t, late)
	if got := found(t, p); got != "" {
		t.Error(got)
	}
	p.Config.Enabled = true
	if got := found(t, p); !strings.Contains(got, "A rotation was due") {
		t.Errorf("enabled: %q", got)
	}
	p.Config.Enabled = false
	p.turn()
	p.Config.Enabled = true
	p.turn()
	if n := p.rotations(); n != 0 {
		t.Errorf("%d rotations as soon as it was enabled", n)
	}
	db.Exec(t, late)
	p.turn()
	if n := p.rotations(); n != 1 {
		t.Errorf("%d rotations for one that nobody started", n)
	}
}

// TestSchedulesDiffer has two instances with a schedule each: what is due first
// is started.
func TestSchedulesDiffer(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := start(t, db, 0, 1), start(t, db, 0, 1)
	a.scheduled("monthly", time.Hour)
	b.scheduled("yearly", 10*time.Hour)
	var log bytes.Buffer
	a.Logger = slog.New(slog.NewTextHandler(leaktest.Tee(&log), nil))
	for range 3 {
		a.turn()
		b.turn()
	}
	var soon bool
	if db.Scan(t, `select due_at <= now() + interval '1 hour' from auth.encryption_schedule`, nil, &soon); !soon {
		t.Error("the later schedule counts")
	}
	if n := strings.Count(log.String(), "another instance has another schedule"); n != 1 {
		t.Errorf("warned %d times: %s", n, &log)
	}
	db.Exec(t, `update auth.encryption_schedule set due_at = now() - interval '1 second'`)
	hearing, deaf := context.WithCancel(t.Context()) // or each would wait until the other counts as gone
	var wg sync.WaitGroup
	for _, p := range []*program{a, b} {
		wg.Go(func() { p.Keys.Run(hearing, func(context.Context) {}) })
		wg.Go(func() { hear(hearing, p) })
	}
	for range 3 {
		a.turn()
		b.turn()
	}
	deaf()
	wg.Wait()
	if n := a.rotations(); n != 1 {
		t.Errorf("%d rotations", n)
	}
}
