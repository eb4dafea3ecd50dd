package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Slow senders: half of them dribble header fields, half a body, and none ever
// ends. What other clients notice of it, and how long it takes to be rid of them.
const (
	slowSenders    = 5000
	slowWorkers    = 8
	targetSlow     = 2.0 // times the quiet p99 of others
	targetSlowGone = 60.0
	turns          = 100                   // in which all of them say a byte, so that they do not all at once
	turn           = 10 * time.Millisecond // so a byte a second each
)

// slow measures clients who read beside clients who dribble.
func (b *rig) slow(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("slow") {
		return nil
	}
	people, err := opener(currentUsers)(ctx, b, slowWorkers)
	defer closeAll(people)
	if err != nil {
		return err
	}
	if _, err := drive(ctx, people, time.Second/2); err != nil {
		return err
	}
	each := time.Duration(b.options.seconds) * time.Second
	quiet, err := b.watched(ctx, people, each)
	if err != nil {
		return err
	}
	crowd, err := b.crowd(ctx)
	defer crowd.close()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, each+2*targetSlowGone*time.Second)
	defer cancel()
	gone := make(chan error, 1)
	began := now()
	go func() { gone <- crowd.dribble(ctx) }()
	beside, err := b.watched(ctx, people, each)
	left := crowd.open.Load()
	if err != nil {
		cancel()
	}
	if err := first([]error{err, <-gone}); err != nil { // who dribbles has the connections until then
		return err
	}
	name := fmt.Sprintf("slow, %d senders (%d left at the end), %d workers", slowSenders, left, slowWorkers)
	before := micros(quiet.latencies.Quantile(0.99))
	figures := []Figure{
		newFigure(fmt.Sprintf("%s: p99, times the quiet %.2f ms", name, before/1000), micros(beside.latencies.Quantile(0.99))/before, "", targetSlow),
		newFigure("slow: until the last of them is gone", now().Sub(began).Seconds(), "s", targetSlowGone),
	}
	for _, f := range figures {
		printFigure(out, f)
	}
	results.Figures = append(results.Figures, figures...)
	return nil
}

// crowd is connections that are never done with what they say.
type crowd struct {
	conns []net.Conn // nil where the server has ended one
	open  atomic.Int64
}

// crowd opens the connections, each with a beginning.
func (b *rig) crowd(ctx context.Context) (*crowd, error) {
	c := &crowd{}
	head := "GET /livez HTTP/1.1\r\nHost: " + b.address() + "\r\nX-Slow: "
	body := "POST /api/v1/tables/bench_inserts HTTP/1.1\r\nHost: " + b.address() + "\r\nAuthorization: Bearer " + b.people[0].access +
		"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
	for i := range slowSenders {
		conn, err := (&net.Dialer{Timeout: grace}).DialContext(ctx, "tcp", b.address())
		if err != nil {
			return c, fmt.Errorf("opening slow connection %d: %w", i, err)
		}
		c.conns = append(c.conns, conn)
		c.open.Add(1)
		if _, err := io.WriteString(conn, []string{head, body}[i%2]); err != nil {
			return c, fmt.Errorf("beginning slow connection %d: %w", i, err)
		}
	}
	return c, nil
}

// dribble says a byte on each connection every now and then, until the server
// has ended them all.
func (c *crowd) dribble(ctx context.Context) error {
	ticks := time.NewTicker(turn)
	defer ticks.Stop()
	for n := 0; c.open.Load() > 0; n++ {
		for i := n % turns; i < len(c.conns); i += turns {
			if conn := c.conns[i]; conn == nil {
				continue
			} else if _, err := conn.Write([]byte{' '}); err != nil {
				_ = conn.Close()
				c.conns[i] = nil
				c.open.Add(-1)
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("slow senders are still listened to")
		case <-ticks.C:
		}
	}
	return nil
}

func (c *crowd) close() {
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}
