package rotation_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// halfOpen is a database of which no answer comes to the first statements that
// hold a text.
type halfOpen struct {
	rotation.Database

	text string
	left atomic.Int32
}

func (h *halfOpen) Single() postgres.Querier { return silent{h.Database.Single(), h} }

func (h *halfOpen) InTx(ctx context.Context, f func(postgres.Querier) error) error {
	return h.Database.InTx(ctx, func(q postgres.Querier) error { return f(silent{q, h}) })
}

type silent struct {
	postgres.Querier
	*halfOpen
}

func (s silent) wait(ctx context.Context, sql string) {
	if strings.Contains(sql, s.text) && s.left.Add(-1) >= 0 {
		<-ctx.Done()
	}
}

func (s silent) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	s.wait(ctx, sql)
	return s.Querier.Exec(ctx, sql, args...)
}

func (s silent) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	s.wait(ctx, sql)
	return s.Querier.Query(ctx, sql, args...) //nolint:rowserrcheck // the caller does
}

func (s silent) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	s.wait(ctx, sql)
	return s.Querier.QueryRow(ctx, sql, args...)
}

// TestStatementsHang has no answer come to the statements of a run, each kind
// in turn: they are given up, and the run comes to its end.
func TestStatementsHang(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"claim":  "set state = 'running'",
		"lock":   "pg_try_advisory_xact_lock",
		"read":   "where key_version = $1 and id > $2",
		"move":   "update auth.sealed_values v",
		"keep":   "set seen_at = now()",
		"pace":   "pg_stat_database",
		"finish": "finished_at = now()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			p := start(t, db, 0, 1)
			p.put(20)
			run, err := p.Rotate(t.Context(), audit.Actor{})
			if err != nil {
				t.Fatal(err)
			}
			h := &halfOpen{Database: db, text: text}
			h.left.Store(2)
			p.DB, p.StepLimit = h, 200*time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			run, err = p.Do(ctx, run.ID, func(rotation.Run) {})
			if got := counts(run); err != nil || got != "succeeded: 22 = 22 + 0 + 0" {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// TestTurnHangs has no answer come to what an instance looks for.
func TestTurnHangs(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"schedule": "encryption_schedule",
		"latest":   "distinct on (kind)",
		"due":      "retry_at <= now()",
		"lock":     "pg_try_advisory_xact_lock",
		"claim":    "set state = 'running'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			p := start(t, db, 0, 1)
			p.Config.Enabled, p.Config.Schedule = true, "0 2 1 * *"
			p.Config.Next = func(after time.Time) (time.Time, error) { return after.Add(time.Hour), nil }
			run, err := p.Rotate(t.Context(), audit.Actor{})
			if err != nil {
				t.Fatal(err)
			}
			h := &halfOpen{Database: db, text: text}
			h.left.Store(1)
			p.DB, p.StepLimit = h, 200*time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for !run.Over() && ctx.Err() == nil {
				p.Turn(ctx)
				p.Wait()
				if run, err = p.Get(t.Context(), run.ID); err != nil {
					t.Fatal(err)
				}
			}
			if run.State != rotation.Succeeded {
				t.Errorf("%+v", run)
			}
		})
	}
}

// TestInterruptedWhileItHangs ends a command that no answer comes to, long
// before it would give the statement up.
func TestInterruptedWhileItHangs(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	p := start(t, db, 0, 1)
	run, err := p.Rotate(t.Context(), audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	h := &halfOpen{Database: db, text: "pg_try_advisory_xact_lock"}
	h.left.Store(1000)
	p.DB, p.StepLimit = h, time.Hour
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.Do(ctx, run.ID, func(rotation.Run) {})
		ended <- err
	}()
	until(t, "it hangs", func() bool { return h.left.Load() < 1000 })
	interrupt()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it cannot be interrupted")
	}
}
