package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// The most that an idle server may occupy, and a start may take.
const (
	targetMemory = 40.0 // MB
	targetStart  = 1.0  // seconds
)

// footprint reports what prepare has measured of the second start, when the
// schema was in place.
func (b *rig) footprint(_ context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("idle") {
		return nil
	}
	for _, f := range []Figure{
		newFigure("idle: memory of the server (VmRSS)", b.idle[0], "MB", targetMemory),
		newFigure("idle: of which not the program file (RssAnon)", b.idle[1], "MB", 0),
		newFigure("start to ready, schema in place, from outside", b.server.wall.Seconds(), "s", targetStart),
		newFigure("start to ready, schema in place, as the server says", float64(b.server.ready.ElapsedMS)/1000, "s", 0),
	} {
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// requestsCounted is how many requests are made to count transactions.
const requestsCounted = 3000

// transactions counts the transactions of PostgreSQL's that a request costs.
// The server's own polling is among them, which is why it is never quite a
// whole number.
func (b *rig) transactions(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("transactions") {
		return nil
	}
	for _, s := range scenarios {
		if s.slow {
			continue
		}
		n, err := b.transactionsOf(ctx, &s)
		if err != nil {
			return fmt.Errorf("counting the transactions of %s: %w", s.name, err)
		}
		f := newFigure("transactions a request: "+s.name, n, "", 0)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

func (b *rig) transactionsOf(ctx context.Context, s *scenario) (float64, error) {
	workers, err := s.open(ctx, b, 1)
	defer closeAll(workers)
	if err != nil {
		return 0, err
	}
	w := workers[0]
	steps := func(n int) error {
		for range n {
			if err := w.step(); err != nil {
				return err
			}
		}
		return nil
	}
	// A connection reports what it has done when it is used a second after its last report.
	settle := func() (int64, error) {
		time.Sleep(1100 * time.Millisecond)
		if err := steps(1); err != nil {
			return 0, err
		}
		time.Sleep(100 * time.Millisecond)
		var n int64
		err := b.conn.QueryRow(ctx, "select xact_commit from pg_stat_database where datname = current_database()").Scan(&n)
		return n, err //nolint:wrapcheck // the caller says what it was doing
	}
	if err := steps(1); err != nil {
		return 0, err
	}
	before, err := settle()
	if err != nil {
		return 0, err
	}
	if err := steps(requestsCounted - 1); err != nil {
		return 0, err
	}
	after, err := settle()
	return float64(after-before) / requestsCounted, err
}
