package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// The storm: so many sign-ins at once that every hashing worker is busy, and
// what refreshing must keep of its quiet self.
const (
	stormWorkers    = 8
	targetStorm     = 0.5
	targetStormTail = 3.0
)

// storms measures refreshing while sign-ins saturate the hashing workers,
// beside refreshing in peace.
func (b *rig) storms(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("storm") {
		return nil
	}
	for _, count := range b.options.workers {
		if err := b.storm(ctx, count, out, results); err != nil {
			return fmt.Errorf("storm with %d workers: %w", count, err)
		}
	}
	return nil
}

func (b *rig) storm(ctx context.Context, count int, out io.Writer, results *Results) error {
	people, err := opener(refreshes)(ctx, b, count)
	defer closeAll(people)
	if err != nil {
		return err
	}
	if _, err := drive(ctx, people, time.Second/2); err != nil {
		return err
	}
	rounds := min(3, b.options.seconds)
	each := time.Duration(b.options.seconds) * time.Second / time.Duration(rounds)
	var quiet, stormy []float64
	inPeace, inStorm := &load{}, &load{}
	for range rounds {
		l, err := b.watched(ctx, people, each)
		if err != nil {
			return err
		}
		quiet = append(quiet, l.throughput())
		inPeace.add(l)
		if l, err = b.under(ctx, people, each); err != nil {
			return err
		}
		stormy = append(stormy, l.throughput())
		inStorm.add(l)
	}
	run := newRun("storm", count, inStorm, stormy, floor{name: "refresh in peace", target: targetStorm}, quiet)
	before := inPeace.latencies.Quantile(0.99)
	tail := newFigure(fmt.Sprintf("storm, %d workers: p99 of refresh, times the quiet %.2f ms", count, micros(before)/1000),
		micros(inStorm.latencies.Quantile(0.99))/micros(before), "", targetStormTail)
	results.Runs, results.Figures = append(results.Runs, run), append(results.Figures, tail)
	printRuns(out, []Run{run})
	printFigure(out, tail)
	return nil
}

// under measures people while others sign in, without a pause.
func (b *rig) under(ctx context.Context, people []worker, d time.Duration) (*load, error) {
	const ahead = 500 * time.Millisecond
	others, err := opener(signIns)(ctx, b, min(stormWorkers, maxUsers))
	defer closeAll(others)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := drive(ctx, others, d+ahead)
		if err != nil {
			cancel()
		}
		ended <- err
	}()
	time.Sleep(ahead)
	l, err := b.watched(ctx, people, d)
	return l, first([]error{err, <-ended})
}
