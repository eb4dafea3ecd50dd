package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// targetLimits is what rate limits in memory may add to the server's processor
// time of a read by key, as a ratio.
const targetLimits = 1.03

// withLimits are settings under which every request is counted, by address and
// by user, and none is refused.
var withLimits = []string{
	"FLUXBASE_RATELIMIT_ENABLED=true", "FLUXBASE_RATELIMIT_GLOBAL_RATE_LIMIT=true", "FLUXBASE_RATELIMIT_WINDOW=1s",
	"FLUXBASE_RATELIMIT_LIMITS_AUTHENTICATED=1000000", "FLUXBASE_RATELIMIT_ADDRESS=1000000/1s",
}

// limits compares the server's processor time of a read by key with rate limits
// and without. It starts the server anew for each turn, so it comes last: the
// connections of the rig are gone then.
func (b *rig) limits(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("limits") {
		return nil
	}
	for _, count := range b.options.workers {
		var times [2][]float64
		n, seconds := (&scenario{}).rounds(b.options.seconds)
		for round := range n {
			for turn := range times {
				i := (turn + round) % len(times)
				spent, err := b.readsBy(ctx, count, seconds, withLimits[:i*len(withLimits)])
				if err != nil {
					return fmt.Errorf("limits with %d workers: %w", count, err)
				}
				times[i] = append(times[i], spent)
			}
		}
		f := newFigure(fmt.Sprintf("limits, %d workers: the server's processor time of a read by key with rate limits in memory (%.1f us), times without (%.1f us)",
			count, median(times[1]), median(times[0])), median(ratios(times[1], times[0])), "", targetLimits)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// readsBy starts the server with settings, and returns the microseconds of
// processor time that a read by key takes of it.
func (b *rig) readsBy(ctx context.Context, count, seconds int, settings []string) (float64, error) {
	before := b.server
	b.server = nil
	if err := before.stop(); err != nil {
		return 0, err
	}
	if err := b.start(ctx, settings...); err != nil {
		return 0, err
	}
	workers, err := opener(oneRow)(ctx, b, count)
	defer closeAll(workers)
	if err != nil {
		return 0, err
	}
	if _, err := drive(ctx, workers, time.Second/2); err != nil {
		return 0, err
	}
	l, err := b.watched(ctx, workers, time.Duration(seconds)*time.Second)
	if err != nil {
		return 0, err
	}
	spent := perRequest(l.spent, l.latencies.Count()).Server
	if spent == 0 {
		return 0, errors.New("this system does not tell how much processor time a process takes")
	}
	return spent, nil
}
