package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// What refreshing may feel of a clean-up, in times of its p99 in peace.
const targetCleanUp = 1.5

// sweep is the server's own job, which removes what is long over. It is put into
// the queue as the server does every ten minutes, and worked by the server.
type sweep struct{}

// Kind implements job.Args.
func (sweep) Kind() string { return "auth.sweep" }

// cleanUp measures refreshing at an even pace before, during and after the
// removal of sessions that are long over, beside as many that are alive.
func (b *rig) cleanUp(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("clean-up") {
		return nil
	}
	began := now()
	if err := b.seed(ctx, max(fewUsers, b.options.over/2)); err != nil {
		return err
	}
	if err := b.seedOver(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "clean-up: seeded %d sessions that are alive and %d that are over in %s\n",
		2*b.seeded, b.options.over, now().Sub(began).Round(time.Second))
	people, err := b.memberWorkers(ctx, pacedWorkers)
	defer func() { closeAll(people) }()
	if err != nil {
		return err
	}
	d := time.Duration(b.options.seconds) * time.Second
	quiet, busy := &load{}, &load{}
	if err := paced(people, time.Second, &load{}); err != nil {
		return err
	}
	if err := paced(people, d, quiet); err != nil {
		return err
	}
	swept := make(chan error, 1)
	var taken time.Duration
	go func() {
		var err error
		taken, err = b.sweepNow(ctx)
		swept <- err
	}()
	if err := pacedUntil(people, swept, busy); err != nil {
		return err
	}
	if err := paced(people, d, quiet); err != nil {
		return err
	}
	left, err := b.countOver(ctx)
	if err != nil {
		return err
	}
	before, during := micros(quiet.latencies.Quantile(0.99)), micros(busy.latencies.Quantile(0.99))
	for _, f := range []Figure{
		newFigure(fmt.Sprintf("clean-up: p99 of refresh meanwhile (%.2f ms), times in peace (%.2f ms)", during/1000, before/1000), during/before, "", targetCleanUp),
		newFigure(fmt.Sprintf("clean-up: sessions removed a second, %d in %.1f s", int64(b.options.over)-left, taken.Seconds()),
			float64(int64(b.options.over)-left)/taken.Seconds(), "/s", 0),
		newFigure("clean-up: sessions that are over and still there", float64(left), "", 0),
	} {
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// seedOver makes sessions that are long over. Those of the floor of refreshing
// go: by their identifiers they are the oldest of all, and a clean-up ends at
// sessions that are young.
func (b *rig) seedOver(ctx context.Context) error {
	if _, err := b.conn.Exec(ctx, "delete from auth.sessions where user_agent = 'bench'"); err != nil {
		return fmt.Errorf("removing the floor's sessions: %w", err)
	}
	if err := b.script(ctx, seedOverSQL, map[string]string{"bench.over": strconv.Itoa(b.options.over)}); err != nil {
		return fmt.Errorf("seeding sessions: %w", err)
	}
	return b.tidy(ctx)
}

func (b *rig) countOver(ctx context.Context) (n int64, err error) {
	if err = b.conn.QueryRow(ctx, "select count(*) from auth.sessions where user_agent = 'over'").Scan(&n); err != nil {
		return 0, fmt.Errorf("counting sessions: %w", err)
	}
	return n, nil
}

// memberWorkers refresh sessions that are drawn from all.
func (b *rig) memberWorkers(ctx context.Context, count int) ([]worker, error) {
	pool, err := b.members(ctx, membersAsked)
	if err != nil {
		return nil, err
	}
	workers := make([]worker, count)
	for i := range workers {
		if workers[i].conn, err = b.dial(ctx); err != nil {
			return workers, err
		}
		chance := random(i)
		workers[i].step = memberRefreshes(b, &workers[i], share(pool, i, count), &chance)
	}
	return workers, nil
}

// sweepNow has the server clean up, and returns how long that took.
func (b *rig) sweepNow(ctx context.Context) (time.Duration, error) {
	db, err := postgres.Open(ctx, postgres.Config{OwnerURL: b.server.ready.DatabaseURL, MaxConns: 2})
	if err != nil {
		return 0, err //nolint:wrapcheck // says what it was doing
	}
	defer db.Close()
	jobs, err := job.New(db, slog.New(slog.DiscardHandler), 0, now)
	if err != nil {
		return 0, err //nolint:wrapcheck // says what it was doing
	}
	job.Register(jobs, job.Kind[sweep]{Attempts: 1, Handle: func(context.Context, sweep) error {
		return errors.New("jobs are not worked here")
	}})
	err = db.InTx(ctx, func(q postgres.Querier) error { return jobs.Insert(ctx, q, sweep{}, job.Options{}) })
	if err != nil {
		return 0, err //nolint:wrapcheck // says what it was doing
	}
	return awaitSweep(ctx, db.Single())
}

const sweepStateSQL = `
select state::text, coalesce(extract(epoch from finalized_at - attempted_at), 0)::float8
from auth.river_job where kind = 'auth.sweep' and args ->> 'key' is distinct from 'periodic' order by id desc limit 1`

func awaitSweep(ctx context.Context, q postgres.Querier) (time.Duration, error) {
	for {
		var state string
		var seconds float64
		switch err := q.QueryRow(ctx, sweepStateSQL).Scan(&state, &seconds); {
		case errors.Is(err, pgx.ErrNoRows):
			return 0, errors.New("the clean-up is not in the queue")
		case err != nil:
			return 0, fmt.Errorf("waiting for the clean-up: %w", err)
		case state == "completed":
			return time.Duration(seconds * float64(time.Second)), nil
		case state == "discarded" || state == "cancelled":
			return 0, fmt.Errorf("the clean-up was %s", state)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err() //nolint:wrapcheck // the sentinel of an interruption
		case <-time.After(100 * time.Millisecond):
		}
	}
}
