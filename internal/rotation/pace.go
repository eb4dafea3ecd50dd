package rotation

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// pacer lets a run go as fast as it can while nobody makes requests, and keeps
// it to small statements, one at a time, with pauses, while people wait for
// answers. It begins gently: nobody knows yet.
type pacer struct {
	fast atomic.Bool
	turn sync.Mutex // one at a time, unless fast
}

const (
	lookEvery = 500 * time.Millisecond
	// quietRate is up to how many requests a second nobody is waiting to speak of.
	quietRate = 25
	// gentleSize is how many values a gentle run reads or writes at once.
	gentleSize = 10
	// rest is how long a gentle run pauses after a statement, in times that it took.
	rest = 4
)

// atOnce is how many of n values to handle in one statement.
func (p *pacer) atOnce(n int) int {
	if p.fast.Load() {
		return n
	}
	return min(n, gentleSize)
}

// do runs one statement at the pace of the moment.
func (p *pacer) do(ctx context.Context, f func() error) error {
	if p.fast.Load() {
		return f()
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	began := time.Now() //nolint:forbidigo // a stopwatch
	err := f()
	select {
	case <-ctx.Done():
	case <-time.After(rest * time.Since(began)):
	}
	return err
}

// watch sets the pace until ctx is done. What it cannot see is no reason to
// hurry.
func (p *pacer) watch(ctx context.Context, traffic func(context.Context) (float64, error)) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		rate, err := traffic(ctx)
		p.fast.Store(err == nil && rate < quietRate)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
