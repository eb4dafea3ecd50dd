package telemetry_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// TestSampledFollowsItsClock reads a gauge while the clock goes on, and after it
// has been set back by an hour: what was read before that is no later reading.
func TestSampledFollowsItsClock(t *testing.T) {
	t.Parallel()
	now, reads := time.Unix(2_000_000_000, 0), 0.0
	gauge := telemetry.NewSampled("looks", "Looks.", func() time.Time { return now }, func(context.Context) (float64, error) {
		reads++
		return reads, nil
	})
	for name, c := range []struct {
		step time.Duration
		want float64
	}{{0, 1}, {time.Second, 1}, {5 * time.Second, 2}, {-time.Hour, 3}, {time.Second, 3}} {
		now = now.Add(c.step)
		if got := testutil.ToFloat64(gauge); got != c.want {
			t.Errorf("step %d: %v", name, got)
		}
	}
}
