package rotation

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// pacer lets a run go as fast as it can while the database has nothing else to
// do, and keeps it to one statement at a time, with long pauses, while it has.
// It begins gently: nobody knows yet.
type pacer struct {
	fast atomic.Bool
	own  atomic.Int64 // transactions of the run itself

	turn sync.Mutex // one at a time, unless fast
}

const (
	// lookEvery is how often the pacer looks. PostgreSQL's sessions report what
	// they have done once a second.
	lookEvery = time.Second
	// quietRate is up to how many transactions a second of others the database
	// counts as having nothing to do; servers that are idle make a few each.
	quietRate = 100
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
	p.own.Add(1)
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
func (p *pacer) watch(ctx context.Context, transactions func(context.Context) (int64, error)) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	all, own, at := int64(-1), int64(0), time.Time{}
	for {
		counted, err := transactions(ctx)
		now, mine := time.Now(), p.own.Add(1) //nolint:forbidigo // a stopwatch
		if all >= 0 && err == nil {
			others := float64(counted-all-(mine-own)) / now.Sub(at).Seconds()
			p.fast.Store(others < quietRate)
		}
		if err != nil {
			counted = -1
			p.fast.Store(false)
		}
		all, own, at = counted, mine, now
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
