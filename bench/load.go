package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/bench/histogram"
	"github.com/fluxbase/fluxbase/bench/wire"
)

// worker is one client: it does one thing after the other.
type worker struct {
	conn *wire.Conn   // nil where there is no server
	step func() error // does one thing, and checks the outcome
}

// load is what workers have done.
type load struct {
	latencies histogram.Histogram
	elapsed   time.Duration // up to the end of the last thing done
	spent     usage         // meanwhile; see rig.watched
}

// add joins what was done in another round.
func (l *load) add(other *load) {
	l.latencies.Merge(&other.latencies)
	l.elapsed += other.elapsed
	l.spent = l.spent.add(other.spent)
}

// throughput is in things done a second.
func (l *load) throughput() float64 {
	if l.elapsed <= 0 {
		return 0
	}
	return float64(l.latencies.Count()) / l.elapsed.Seconds()
}

// grace is how long the last things may take beyond the end of a load.
const grace = 30 * time.Second

// drive lets all workers work for some time. What is under way then is finished
// and counted, and so is the time it takes: slow work is not cut off at the end
// of a round. The first error ends it.
func drive(ctx context.Context, workers []worker, d time.Duration) (*load, error) {
	began := now()
	until := began.Add(d)
	histograms := make([]histogram.Histogram, len(workers))
	ends := make([]time.Time, len(workers))
	err := together(ctx, len(workers), func(ctx context.Context, i int) (err error) {
		ends[i], err = workers[i].work(ctx, until, &histograms[i])
		return err
	})
	l := &load{}
	for i := range workers {
		l.latencies.Merge(&histograms[i])
		l.elapsed = max(l.elapsed, ends[i].Sub(began))
	}
	return l, err
}

// together does several things at once. The first error ends all.
func together(ctx context.Context, count int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, count)
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			if failures[i] = do(ctx, i); failures[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	return first(failures)
}

func (w *worker) work(ctx context.Context, until time.Time, h *histogram.Histogram) (end time.Time, err error) {
	if w.conn != nil {
		if err := w.conn.SetDeadline(until.Add(grace)); err != nil {
			return until, err //nolint:wrapcheck // of an open connection
		}
	}
	last := now()
	for last.Before(until) {
		if err := ctx.Err(); err != nil {
			return last, err //nolint:wrapcheck // the sentinel of an interruption
		}
		if err := w.step(); err != nil {
			return last, err
		}
		t := now()
		h.Record(t.Sub(last))
		last = t
	}
	return last, nil
}

// first returns the error that ended a load, rather than an interruption that
// it caused.
func first(failures []error) error {
	var interrupted error
	for _, err := range failures {
		switch {
		case errors.Is(err, context.Canceled):
			interrupted = err
		case err != nil:
			return err
		}
	}
	return interrupted
}

// random is a small generator of numbers that need not surprise anybody
// (splitmix64). Each worker has its own.
type random uint64

// below returns a number from 0 to n-1.
func (r *random) below(n int) int {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n)) //nolint:gosec // n is positive, and the result below it
}
