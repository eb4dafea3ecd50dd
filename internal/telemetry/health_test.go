package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
)

func TestReadyIfEveryCheckPasses(t *testing.T) {
	t.Parallel()
	var ran []string
	pass := func(name string) Check {
		return Check{name, func(context.Context) error { ran = append(ran, name); return nil }}
	}
	h := health(pass("a"), pass("b"))
	if status, err := h.Ready(t.Context()); err != nil || status.Status != "ok" || strings.Join(ran, "") != "ab" {
		t.Errorf("%+v, %v, ran %v", status, err, ran)
	}
	if status, err := health().Ready(t.Context()); err != nil || status.Status != "ok" {
		t.Errorf("without checks: %+v, %v", status, err)
	}
}

// The answer names the part, and keeps its reason for the log.
func TestNotReadyNamesThePart(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial postgres://u:" + marker + "@db")
	h := health(Check{"one", func(context.Context) error { return nil }},
		Check{"the database does not answer", func(context.Context) error { return cause }},
		Check{"three", func(context.Context) error { t.Error("went on after a failure"); return nil }})
	status, err := h.Ready(t.Context())
	f := fault.From(err)
	if status.Status != "" || f.Kind != fault.Unavailable || f.Code != "not_ready" || f.RetryAfter <= 0 || !errors.Is(err, cause) {
		t.Errorf("%+v, %+v", status, f)
	}
	if f.Detail != "The server is not ready: the database does not answer." {
		t.Errorf("%s", f.Detail)
	}
}

// health has checks, a clock that stands still, and a log that nobody reads.
func health(checks ...Check) *Health {
	at := time.Now()
	return &Health{Checks: checks, Now: func() time.Time { return at }, Logger: slog.New(slog.DiscardHandler)}
}

func TestChecksAreBounded(t *testing.T) {
	t.Parallel()
	h := health(Check{"slow", func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) > checkLimit {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
		return nil
	}})
	if _, err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// Somebody who hangs up does not decide what the others are told.
func TestHangingUpIsNoFailure(t *testing.T) {
	t.Parallel()
	h := health(Check{"gone", func(ctx context.Context) error { return ctx.Err() }})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Ready(gone); err != nil {
		t.Error(err)
	}
}

// TestAskingOftenCostsNothing has many ask at once and again and again: the checks
// run once a second.
func TestAskingOftenCostsNothing(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	var failure atomic.Pointer[error]
	h := health(Check{"a part", func(context.Context) error {
		runs.Add(1)
		if f := failure.Load(); f != nil {
			return *f
		}
		return nil
	}})
	var log bytes.Buffer
	h.Logger = NewLogger(&log, "info", "json")
	at := time.Now()
	h.Now = func() time.Time { return at }
	ask := func() (failed int64) {
		var asking sync.WaitGroup
		var n atomic.Int64
		for range 50 {
			asking.Go(func() {
				if _, err := h.Ready(t.Context()); err != nil {
					n.Add(1)
				}
			})
		}
		asking.Wait()
		return n.Load()
	}
	if failed := ask(); failed != 0 || runs.Load() != 1 {
		t.Errorf("%d failed, %d runs", failed, runs.Load())
	}
	cause := errors.New("the cause")
	failure.Store(&cause)
	if failed := ask(); failed != 0 || runs.Load() != 1 {
		t.Errorf("within a second: %d failed, %d runs", failed, runs.Load())
	}
	at = at.Add(checkInterval)
	if failed := ask(); failed != 50 || runs.Load() != 2 {
		t.Errorf("a second later: %d failed, %d runs", failed, runs.Load())
	}
	at = at.Add(checkInterval)
	ask()
	failure.Store(nil)
	at = at.Add(checkInterval)
	if failed := ask(); failed != 0 || runs.Load() != 4 {
		t.Errorf("after that: %d failed, %d runs", failed, runs.Load())
	}
	if strings.Count(log.String(), "\n") != 2 || strings.Count(log.String(), "the cause") != 1 || !strings.Contains(log.String(), "ready again") {
		t.Errorf("the log: %s", log.String())
	}
}

func TestDrainingIsNotReady(t *testing.T) {
	t.Parallel()
	h := health(Check{"a part", func(context.Context) error { return nil }})
	if _, err := h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Drain()
	if _, err := h.Ready(t.Context()); fault.From(err).Code != "not_ready" || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("%v", err)
	}
}
