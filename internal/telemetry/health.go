package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// Check is one part of the server that has to work. Its name is half a sentence
// that strangers may read: what is wrong with that part.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Health says whether the server lives and is ready. It is safe for concurrent
// use.
type Health struct {
	Checks []Check
	Logger *slog.Logger // is told when the server stops being ready, and why, and when it is again
	Now    func() time.Time

	draining atomic.Bool
	mu       sync.Mutex // held while the checks run: whoever asks meanwhile waits for them
	checked  time.Time
	failed   error
}

// Status is the answer of a server that is well: "ok".
type Status struct {
	Status string `json:"status"`
}

const (
	// checkLimit bounds all checks together.
	checkLimit = 2 * time.Second
	// checkInterval is how long an answer holds, so that asking often costs the
	// database nothing.
	checkInterval = time.Second
)

// Drain has the server be ready no more, because it is about to end.
func (h *Health) Drain() { h.draining.Store(true) }

// Ready says whether every part works, as of at most a second ago. The first
// that does not is named, and no more is said: why is in the log.
func (h *Health) Ready(ctx context.Context) (Status, error) {
	if h.draining.Load() {
		return Status{}, notReady("it is stopping")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.Now(); h.checked.IsZero() || now.Sub(h.checked) >= checkInterval {
		was := h.failed
		h.failed = h.check(context.WithoutCancel(ctx)) // others get the answer too
		h.checked = h.Now()
		h.tell(ctx, was)
	}
	if h.failed != nil {
		return Status{}, h.failed
	}
	return Status{"ok"}, nil
}

func (h *Health) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	for _, c := range h.Checks {
		if err := c.Run(ctx); err != nil {
			return notReady(c.Name).Because(err)
		}
	}
	return nil
}

// tell logs what has changed since the checks ran before.
func (h *Health) tell(ctx context.Context, was error) {
	switch {
	case h.failed == nil && was != nil:
		h.Logger.InfoContext(ctx, "ready again")
	case h.failed != nil && (was == nil || was.Error() != h.failed.Error()):
		h.Logger.WarnContext(ctx, "not ready", slog.Any("error", h.failed))
	}
}

func notReady(because string) *fault.Error {
	f := fault.Newf(fault.Unavailable, "not_ready", "The server is not ready: %s.", because)
	f.RetryAfter = time.Second
	return f
}
