package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// floor is the same work without the server.
type floor struct {
	name   string
	target float64                                                          // the ratio to reach; 0 for none
	run    func(ctx context.Context, workers, seconds int) (float64, error) // throughput
}

// scenario is something that clients do all day.
type scenario struct {
	name   string
	slow   bool                                    // takes a good part of a second for each worker
	after  func(ctx context.Context, b *rig) error // each turn, server's or floor's, unmeasured; nil for nothing
	open   func(ctx context.Context, b *rig, workers int) ([]worker, error)
	floors func(b *rig) []floor
}

// plan is how a scenario is measured: rounds, and seconds in each.
func (s *scenario) rounds(seconds int) (n, each int) {
	n = min(5, seconds)
	if s.slow {
		n = min(3, seconds)
	}
	return n, seconds / n
}

// compare measures a scenario beside its floors, in turns, and returns one run
// for each floor. The order of the turns alternates, so that whatever drifts on
// the machine does not favour one.
func (b *rig) compare(ctx context.Context, s *scenario, count int) ([]Run, error) {
	workers, err := s.open(ctx, b, count)
	defer closeAll(workers)
	if err != nil {
		return nil, err
	}
	if !s.slow {
		if _, err := drive(ctx, workers, time.Second/2); err != nil {
			return nil, err
		}
	}
	floors := s.floors(b)
	under := make([][]float64, len(floors))
	n, seconds := s.rounds(b.options.seconds)
	var above []float64
	total := &load{}
	for round := range n {
		turns := []func() error{func() error {
			l, err := b.watched(ctx, workers, time.Duration(seconds)*time.Second)
			above = append(above, l.throughput())
			total.add(l)
			return err
		}}
		for i, f := range floors {
			turns = append(turns, func() error {
				throughput, err := f.run(ctx, count, seconds)
				under[i] = append(under[i], throughput)
				return err
			})
		}
		if err := b.inTurn(ctx, s, turns, round%2 == 1); err != nil {
			return nil, err
		}
	}
	var runs []Run
	for i, f := range floors {
		runs = append(runs, newRun(s.name, count, total, above, f, under[i]))
	}
	return runs, nil
}

func (b *rig) inTurn(ctx context.Context, s *scenario, turns []func() error, backwards bool) error {
	if backwards {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return err
		}
		if s.after == nil {
			continue
		}
		if err := s.after(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// watched is drive with an eye on the processor time.
func (b *rig) watched(ctx context.Context, workers []worker, d time.Duration) (*load, error) {
	before := b.spent()
	l, err := drive(ctx, workers, d)
	l.spent = b.spent().since(before)
	return l, err
}

func closeAll(workers []worker) {
	for _, w := range workers {
		if w.conn != nil {
			_ = w.conn.Close()
		}
	}
}

// measure does all that was asked for, printing as it goes.
func (b *rig) measure(ctx context.Context, out io.Writer, results *Results) error {
	printHeader(out, &results.Machine)
	if err := b.transactions(ctx, out, results); err != nil {
		return err
	}
	for i := range scenarios {
		s := &scenarios[i]
		if !b.options.wants(s.name) {
			continue
		}
		for _, count := range b.options.workers {
			runs, err := b.compare(ctx, s, count)
			if err != nil {
				return fmt.Errorf("%s with %d workers: %w", s.name, count, err)
			}
			printRuns(out, runs)
			results.Runs = append(results.Runs, runs...)
		}
	}
	for _, step := range []func(context.Context, io.Writer, *Results) error{
		b.storms, b.slow, b.policyHelper, b.apiKeys, b.planning, b.footprint, b.wrongPasswords, b.scale, b.cleanUp, b.sealing, b.reEncryption, b.requestsMeanwhile, b.limits,
	} {
		if err := step(ctx, out, results); err != nil {
			return err
		}
	}
	return nil
}

// median of some values; 0 of none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// ratios of pairs; a pair without a divisor is left out.
func ratios(above, under []float64) []float64 {
	var r []float64
	for i := range min(len(above), len(under)) {
		if under[i] > 0 {
			r = append(r, above[i]/under[i])
		}
	}
	return r
}
