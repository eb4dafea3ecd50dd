package telemetry

import (
	"context"
	"errors"
	"strings"
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
	h := &Health{Checks: []Check{pass("a"), pass("b")}}
	if status, err := h.Ready(t.Context()); err != nil || status.Status != "ok" || strings.Join(ran, "") != "ab" {
		t.Errorf("%+v, %v, ran %v", status, err, ran)
	}
	if status, err := (&Health{}).Ready(t.Context()); err != nil || status.Status != "ok" {
		t.Errorf("without checks: %+v, %v", status, err)
	}
}

// The answer names the part, and keeps its reason for the log.
func TestNotReadyNamesThePart(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial postgres://u:" + marker + "@db")
	h := &Health{Checks: []Check{
		{"one", func(context.Context) error { return nil }},
		{"the database does not answer", func(context.Context) error { return cause }},
		{"three", func(context.Context) error { t.Error("went on after a failure"); return nil }},
	}}
	status, err := h.Ready(t.Context())
	f := fault.From(err)
	if status.Status != "" || f.Kind != fault.Unavailable || f.Code != "not_ready" || f.RetryAfter <= 0 || !errors.Is(err, cause) {
		t.Errorf("%+v, %+v", status, f)
	}
	if f.Detail != "The server is not ready: the database does not answer." {
		t.Errorf("%s", f.Detail)
	}
}

func TestChecksAreBounded(t *testing.T) {
	t.Parallel()
	h := &Health{Checks: []Check{{"slow", func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		if !ok || time.Until(deadline) > checkLimit {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
		return nil
	}}}}
	if _, err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	h.Checks[0].Run = func(ctx context.Context) error { return ctx.Err() }
	if _, err := h.Ready(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
