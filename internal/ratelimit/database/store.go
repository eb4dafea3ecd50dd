package database

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
)

const spendSQL = `select admitted, levels from auth.charge_rate_limits($1, $2, $3)`

func spend(ctx context.Context, q postgres.Querier, charges []ratelimit.Charge) (admitted bool, levels ratelimit.Levels, err error) {
	keys, intervals, bursts := make([][]byte, len(charges)), make([]int64, len(charges)), make([]int64, len(charges))
	for i, c := range charges {
		keys[i] = append([]byte{byte(c.Bucket)}, c.Key[:]...)
		intervals[i], bursts[i] = c.Rate.Interval().Microseconds(), c.Rate.Burst().Microseconds()
	}
	var micros []int64
	if err := q.QueryRow(ctx, spendSQL, keys, intervals, bursts).Scan(&admitted, &micros); err != nil {
		return false, levels, postgres.Fault(err)
	}
	for i, m := range micros {
		levels[i] = time.Duration(m) * time.Microsecond
	}
	return admitted, levels, nil
}

// cleanSQL passes over what is being charged.
const cleanSQL = `
delete from auth.rate_limits where key in (
	select key from auth.rate_limits where used_until < extract(epoch from clock_timestamp()) * 1000000
	limit $1 for update skip locked)`

func clean(ctx context.Context, q postgres.Querier, limit int) (int64, error) {
	tag, err := q.Exec(ctx, cleanSQL, limit)
	return tag.RowsAffected(), postgres.Fault(err)
}
