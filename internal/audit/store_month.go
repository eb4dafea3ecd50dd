package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const freezeSQL = `set transaction isolation level repeatable read, read only`

// freeze has a transaction see everything as it is now. It comes first.
func freeze(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, freezeSQL)
	return postgres.Fault(err)
}

// partitions are the months that there are records of, but for the default
// partition.
const partitions = `
select c.relname, to_date(right(c.relname, 7), 'YYYY_MM') as month
from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
where i.inhparent = 'auth.audit_log'::regclass and c.relname ~ '^audit_log_\d{4}_\d\d$'`

const selectDropsSQL = `select details::text from auth.audit_log where action = 'audit.month_dropped'`

// selectDrops returns the drops that are proven.
func selectDrops(ctx context.Context, q postgres.Querier, key []byte) (drops []drop, err error) {
	rows, err := q.Query(ctx, selectDropsSQL) //nolint:rowserrcheck // ForEachRow does
	if err != nil {
		return nil, fmt.Errorf("reading which months are gone: %w", postgres.Fault(err))
	}
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		var details map[string]string
		if json.Unmarshal(text, &details) == nil {
			if d := dropOf(details); d.isProven(key) {
				drops = append(drops, d)
			}
		}
		return nil
	})
	return drops, postgres.Fault(err)
}

const selectAnyStraySQL = `select exists (select from auth.audit_log_default)`

// selectAnyStray says whether a record is in the default partition.
func selectAnyStray(ctx context.Context, q postgres.Querier) (stray bool, err error) {
	err = q.QueryRow(ctx, selectAnyStraySQL).Scan(&stray)
	return stray, postgres.Fault(err)
}

const selectUnsealedSQL = `select count(*), min(at) from auth.audit_log where sequence > $1`

// selectUnsealed counts the records after a sequence.
func selectUnsealed(ctx context.Context, q postgres.Querier, sequence int64) (records int64, since *time.Time, err error) {
	err = q.QueryRow(ctx, selectUnsealedSQL, sequence).Scan(&records, &since)
	return records, since, postgres.Fault(err)
}

const selectStraySQL = `
select m.month from (
	select distinct date_trunc('month', d.at at time zone 'UTC')::date as month from auth.audit_log_default d
	union
	select (date_trunc('month', now() at time zone 'UTC') + n * interval '1 month')::date from generate_series(0, $1::int) n
) m
where not exists (select from (` + partitions + `) p where p.month = m.month) order by 1`

// selectStray returns the months that ought to have a partition and have none.
func selectStray(ctx context.Context, q postgres.Querier, ahead int) ([]time.Time, error) {
	rows, err := q.Query(ctx, selectStraySQL, ahead)
	if err != nil {
		return nil, fmt.Errorf("looking for months without a partition: %w", postgres.Fault(err))
	}
	months, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	return months, postgres.Fault(err)
}

// Whoever signs in waits for a lock on the table as long as one that waits for
// it, which therefore does not wait long.
const beBriefSQL = `select set_config('lock_timeout', '200ms', true)`

const addMonthSQL = `select auth.audit_add_month($1)`

func addMonth(ctx context.Context, q postgres.Querier, month time.Time) error {
	if _, err := q.Exec(ctx, beBriefSQL); err != nil {
		return postgres.Fault(err)
	}
	_, err := q.Exec(ctx, addMonthSQL, month)
	return postgres.Fault(err)
}

const selectOldestMonthSQL = `
select p.month from (` + partitions + `) p
where (p.month + interval '1 month') at time zone 'UTC' <= least(now(), $1::timestamptz) - $2::interval order by 1 limit 1`

// selectOldestMonth returns the first month that ended a retention ago; the zero
// time if there is none.
func selectOldestMonth(ctx context.Context, q postgres.Querier, now time.Time, retention time.Duration) (month time.Time, err error) {
	err = q.QueryRow(ctx, selectOldestMonthSQL, now, retention).Scan(&month)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return month, postgres.Fault(err)
}

const selectExtentSQL = `
select coalesce(max(sequence), 0), count(*) from auth.audit_log
where at >= $1::timestamp at time zone 'UTC' and at < ($1::timestamp + interval '1 month') at time zone 'UTC'`

// selectExtent returns the last sequence of a month, and how many records it has.
func selectExtent(ctx context.Context, q postgres.Querier, month time.Time) (last, records int64, err error) {
	err = q.QueryRow(ctx, selectExtentSQL, month).Scan(&last, &records)
	return last, records, postgres.Fault(err)
}

const selectLastSealOfSQL = `select coalesce(max(number), 0) from auth.audit_seals where month = $1`

func selectLastSealOf(ctx context.Context, q postgres.Querier, month time.Time) (number int64, err error) {
	err = q.QueryRow(ctx, selectLastSealOfSQL, month).Scan(&number)
	return number, postgres.Fault(err)
}

func dropPartition(ctx context.Context, q postgres.Querier, month time.Time) error {
	if _, err := q.Exec(ctx, beBriefSQL); err != nil {
		return postgres.Fault(err)
	}
	_, err := q.Exec(ctx, "drop table "+postgres.Quote("auth", "audit_log_"+month.Format(monthForm)))
	return postgres.Fault(err)
}

// The seal before the first one whose month is there is what the log begins
// with. What comes after it stays, also where its month is gone: months meet.
const dropSealsSQL = `
with kept as (
	select coalesce(min(s.number) filter (where to_regclass('auth.audit_log_' || to_char(s.month, 'YYYY_MM')) is not null), max(s.number) + 1) - 1 as number
	from auth.audit_seals s
),
gone as (delete from auth.audit_seals s using kept where s.number < kept.number)
select ` + sealColumns + ` from auth.audit_seals s where s.number >= (select number from kept) order by s.number limit 1`

// dropSeals lets go of the seals of months that are gone, and returns the one
// that the log begins with from now on; the genesis if there is none.
func dropSeals(ctx context.Context, q postgres.Querier) (seal, error) {
	s, err := scanSeal(q.QueryRow(ctx, dropSealsSQL))
	if errors.Is(err, pgx.ErrNoRows) {
		return genesis(), nil
	}
	return s, postgres.Fault(err)
}
