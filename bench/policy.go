package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

// What a policy may cost that asks who the caller is, in times of one that has
// the answer written into it.
const targetPolicyHelper = 1.3

// policyTablesSQL makes two tables of the same rows, without an index, so that
// their policies decide each row. They differ in who says whose rows are seen.
const policyTablesSQL = `
create table public.bench_by_helper as table public.bench_rows;
create table public.bench_by_literal as table public.bench_rows;
alter table public.bench_by_helper enable row level security;
alter table public.bench_by_literal enable row level security;
create policy own on public.bench_by_helper to authenticated using (user_id = (select auth.uid()));
create policy own on public.bench_by_literal to authenticated using (user_id = '%s');
grant select on public.bench_by_helper, public.bench_by_literal to authenticated`

// policyHelper compares a count over a table whose policy calls auth.uid() with
// the same over one whose policy has the user's id as a literal, both by pgbench
// with the server's own settings.
func (b *rig) policyHelper(ctx context.Context, out io.Writer, results *Results) error {
	if !b.options.wants("policy-helper") {
		return nil
	}
	if _, err := b.conn.Exec(ctx, fmt.Sprintf(policyTablesSQL, b.people[0].id)); err != nil {
		return fmt.Errorf("making tables: %w", err)
	}
	var turns [2]floor
	for i, table := range []string{"public.bench_by_literal", "public.bench_by_helper"} {
		if _, err := b.conn.Exec(ctx, "vacuum analyze "+table); err != nil {
			return fmt.Errorf("analysing tables: %w", err)
		}
		count := plan.Statement{SQL: "select count(*) from " + table}
		if err := b.sees(ctx, count.SQL, rows/len(b.people)); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		turns[i] = b.byPgbench(table, 0, b.caller, b.callerScript(pipelined, count, true))
	}
	for _, workers := range b.options.workers {
		rates, err := b.alternate(ctx, turns, workers)
		if err != nil {
			return err
		}
		f := newFigure(fmt.Sprintf("policy-helper, %d workers: a count over %d rows by (select auth.uid()) (%.0f/s), times one by a literal (%.0f/s)",
			workers, rows, median(rates[1]), median(rates[0])), median(ratios(rates[0], rates[1])), "", targetPolicyHelper)
		printFigure(out, f)
		results.Figures = append(results.Figures, f)
	}
	return nil
}

// alternate runs two floors in turns and returns the throughputs of each.
func (b *rig) alternate(ctx context.Context, floors [2]floor, workers int) (rates [2][]float64, err error) {
	n, seconds := (&scenario{}).rounds(b.options.seconds)
	for round := range n {
		for turn := range floors {
			i := (turn + round) % len(floors)
			rate, err := floors[i].run(ctx, workers, seconds)
			if err != nil {
				return rates, err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	return rates, nil
}

// sees checks that the first person counts so many rows.
func (b *rig) sees(ctx context.Context, sql string, want int) error {
	config, p := b.conn.Config(), b.people[0]
	config.User, config.Password = b.caller.User, b.caller.Password
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("counting rows: %w", err)
	}
	if _, err := tx.Exec(ctx, b.plans.settings, "authenticated", p.claims, p.id, p.email, p.session, "on", "10000", ""); err != nil {
		return fmt.Errorf("counting rows: %w", err)
	}
	var got int
	if err := tx.QueryRow(ctx, sql).Scan(&got); err != nil {
		return fmt.Errorf("counting rows: %w", err)
	}
	if got != want {
		return fmt.Errorf("a person sees %d rows instead of %d", got, want)
	}
	return nil
}
