package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/bench/wire"
)

// Wrong passwords at a pace that does not heed how long answers take, and what
// other routes may feel of them, in times of their p99 in peace.
const (
	targetWrong      = 2.0
	wrongEvery       = time.Second / 200
	wrongOutstanding = 1024 // more than the queue of the hashing workers is long
)

// guesses is a storm of wrong passwords.
type guesses struct {
	mu                      sync.Mutex
	idle                    []*wire.Conn
	rejected, busy, skipped int // 401, 503, and not sent because too many were under way
	err                     error
}

// wrongPasswords measures the current user and a read of one row at an even pace
// in peace and in a storm of wrong passwords, in turn.
func (b *rig) wrongPasswords(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("wrong-passwords") {
		return nil
	}
	d := time.Duration(b.options.seconds) * time.Second
	for _, route := range []struct {
		name string
		step func(*rig, *worker, *person) func() error
	}{{"current user", currentUsers}, {"one row", oneRow}} {
		people, err := opener(route.step)(ctx, b, pacedWorkers)
		defer closeAll(people)
		if err != nil {
			return err
		}
		quiet, stormy, g := &load{}, &load{}, &guesses{}
		defer g.close()
		if err := paced(people, time.Second, &load{}); err != nil {
			return err
		}
		for range 2 {
			if err := paced(people, d, quiet); err != nil {
				return err
			}
			if err := b.amid(ctx, g, people, d, stormy); err != nil {
				return err
			}
		}
		before, during := micros(quiet.latencies.Quantile(0.99)), micros(stormy.latencies.Quantile(0.99))
		f := newFigure(fmt.Sprintf("wrong-passwords: p99 of %s in 200 a second (%.2f ms; answered 401: %d, 503: %d, not sent: %d), times in peace (%.2f ms)",
			route.name, during/1000, g.rejected, g.busy, g.skipped, before/1000), during/before, "", targetWrong)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// amid measures people while passwords are guessed. The queue of the hashing
// workers is full before it begins.
func (b *rig) amid(ctx context.Context, g *guesses, people []worker, d time.Duration, l *load) error {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		b.guess(ctx, g)
		close(over)
	}()
	time.Sleep(time.Second)
	err := paced(people, d, l)
	cancel()
	<-over
	return errors.Join(err, g.err)
}

// guess sends wrong passwords until the context is done, and waits for the
// answers. Three of four are those of people who exist.
func (b *rig) guess(ctx context.Context, g *guesses) {
	var all sync.WaitGroup
	slots := make(chan struct{}, wrongOutstanding)
	tick := time.NewTicker(wrongEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			all.Wait()
			return
		case <-tick.C:
		}
		email := fmt.Sprintf("nobody-%d@bench.example", n)
		if n%4 > 0 {
			email = b.people[n%len(b.people)].email
		}
		request := b.request("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":"wrong guess %d"}`, email, n))
		select {
		case slots <- struct{}{}:
		default:
			g.note(nil, 0, nil)
			continue
		}
		all.Go(func() {
			conn, err := g.conn(context.WithoutCancel(ctx), b)
			status := 0
			if err == nil {
				status, err = sendGuess(conn, request)
			}
			g.note(conn, status, err)
			<-slots
		})
	}
}

func sendGuess(conn *wire.Conn, request []byte) (int, error) {
	if err := conn.SetDeadline(now().Add(4 * grace)); err != nil {
		return 0, err //nolint:wrapcheck // of an open connection
	}
	status, body, err := conn.Do(request)
	if err == nil && status != 401 && status != 503 {
		err = unexpected(status, body)
	}
	return status, err //nolint:wrapcheck // says what it was doing
}

// conn returns a connection that nobody uses.
func (g *guesses) conn(ctx context.Context, b *rig) (*wire.Conn, error) {
	g.mu.Lock()
	if n := len(g.idle); n > 0 {
		c := g.idle[n-1]
		g.idle = g.idle[:n-1]
		g.mu.Unlock()
		return c, nil
	}
	g.mu.Unlock()
	return b.dial(ctx)
}

// note counts an answer and takes its connection back. Without a status and an
// error it counts a guess that was not sent.
func (g *guesses) note(conn *wire.Conn, status int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil:
		g.err = errors.Join(g.err, err)
	case status == 401:
		g.rejected++
	case status == 503:
		g.busy++
	default:
		g.skipped++
	}
	if conn != nil {
		g.idle = append(g.idle, conn)
	}
}

func (g *guesses) close() {
	for _, c := range g.idle {
		_ = c.Close()
	}
}
