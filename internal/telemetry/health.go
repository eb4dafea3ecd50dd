package telemetry

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// Check is one part of the server that has to work.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Health says whether the server lives and is ready.
type Health struct {
	Checks []Check
}

// Status is the answer of a server that is well: "ok".
type Status struct {
	Status string `json:"status"`
}

// checkLimit bounds one check.
const checkLimit = 2 * time.Second

// Ready runs the checks. The first that fails is named.
func (h *Health) Ready(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()

	for _, c := range h.Checks {
		if err := c.Run(ctx); err != nil {
			f := fault.Newf(fault.Unavailable, "not_ready", "The server is not ready: %s.", c.Name)
			f.RetryAfter = time.Second
			return Status{}, f.Because(err)
		}
	}
	return Status{"ok"}, nil
}
