package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
)

// bulkRows is how many rows one request inserts. Their JSON stays below the
// 1 MiB that the server takes by default.
const bulkRows = 10_000

// bulkBody is what a person inserts with one request.
func bulkBody(p *person) string {
	var s strings.Builder
	for n := range bulkRows {
		_, _ = fmt.Fprintf(&s, `,{"user_id":"%s","title":"a row among ten thousand, number %d"}`, p.id, n)
	}
	return "[" + s.String()[1:] + "]"
}

func bulkInserts(b *rig, w *worker, p *person) func() error {
	request := b.request("POST", "/api/v1/tables/bench_bulk", p.access, bulkBody(p), "Prefer: return=minimal")
	return func() error {
		status, body, err := w.conn.Do(request)
		if err != nil {
			return err //nolint:wrapcheck // says what it was doing
		}
		if status != 201 || len(body) > 0 {
			return unexpected(status, body)
		}
		atomic.AddInt64(&b.bulked, bulkRows)
		return nil
	}
}

// emptyBulk removes what a turn has inserted, after a look whether all is there.
func emptyBulk(ctx context.Context, b *rig) error {
	want := atomic.SwapInt64(&b.bulked, 0)
	var got int64
	if err := b.conn.QueryRow(ctx, "select count(*) from public.bench_bulk").Scan(&got); err != nil {
		return fmt.Errorf("counting rows: %w", err)
	}
	if got != want {
		return fmt.Errorf("%d rows were to be inserted in bulk, and there are %d", want, got)
	}
	if _, err := b.conn.Exec(ctx, "truncate public.bench_bulk"); err != nil {
		return fmt.Errorf("emptying a table: %w", err)
	}
	return nil
}

// bulkFloors sends the body as the parameter of the server's own statement. It
// is too long for the command line, so each client reads it from a table first.
func bulkFloors(b *rig) []floor {
	s := b.callerScript(pipelined, b.plans.bulk, false,
		`\if :fetched = 0`, `select body as a1 from public.bench_body \gset`, `\set fetched 1`, `\endif`)
	s.bind("fetched", 0)
	return []floor{{name: pipelined, target: targetBulk, run: func(ctx context.Context, workers, seconds int) (float64, error) {
		report, err := b.pgbench(ctx, b.caller, s, workers, seconds)
		atomic.AddInt64(&b.bulked, bulkRows*report.Transactions)
		return report.Throughput, err
	}}}
}
