package encryption

import (
	"context"
	"sync"
	"time"
)

// Traffic returns how many requests a second all running programs answer: this
// one now, the others at their latest beat.
func (s *Service) Traffic(ctx context.Context) (float64, error) {
	others, err := selectTraffic(ctx, s.DB.Single(), s.instance)
	return others + s.requests.now(s.Requests), err
}

// rate turns a count into how many a second.
type rate struct {
	mu    sync.Mutex
	count int64
	at    time.Time
	last  float64
}

// shortest is the shortest time that a rate is taken over.
const shortest = 500 * time.Millisecond

func (r *rate) now(count func() int64) float64 {
	if count == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, at := count(), time.Now() //nolint:forbidigo // a stopwatch
	if passed := at.Sub(r.at); passed >= shortest {
		if !r.at.IsZero() {
			r.last = float64(n-r.count) / passed.Seconds()
		}
		r.count, r.at = n, at
	}
	return r.last
}
