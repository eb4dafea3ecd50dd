package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const insertSQL = `
insert into auth.audit_log (action, outcome, actor_kind, actor_id, target_kind, target_id, ip, request_id, details)
values ($1, $2, $3, $4, nullif($5, ''), $6, $7, nullif($8, ''), $9)`

func insert(ctx context.Context, q postgres.Querier, e Event) error {
	outcome := "success"
	if e.Failed {
		outcome = "failure"
	}
	details := e.Details
	if details == nil {
		details = map[string]string{}
	}
	var address any
	if e.Address.IsValid() {
		address = e.Address
	}
	_, err := q.Exec(ctx, insertSQL, string(e.Action), outcome, e.ActorKind, e.Actor.Nullable(),
		e.TargetKind, e.Target.Nullable(), address, e.RequestID, details)
	return postgres.Fault(err)
}

const columns = `l.sequence, l.id, l.at, l.action, l.outcome, l.actor_kind, l.actor_id, l.target_kind, l.target_id, l.ip, l.request_id, l.details::text`

// read is a record while it is read.
type read struct {
	Record

	details string
}

// targets are for the columns.
func (r *read) targets() []any {
	return []any{
		&r.Sequence, &r.ID, &r.At, &r.Action, &r.Outcome, &r.ActorKind, &r.ActorID, &r.TargetKind, &r.TargetID, &r.network, &r.RequestID, &r.details,
	}
}

// record is what has been read.
func (r *read) record() Record {
	record := r.Record
	record.At, record.Details = r.At.UTC(), []byte(r.details)
	if r.network != nil {
		address := r.network.Addr()
		record.IP = &address
	}
	return record
}

const selectBetweenSQL = `
select ` + columns + ` from auth.audit_log l where l.sequence > $1 and l.sequence <= $2 order by l.sequence limit $3`

// selectBetween returns records in their order.
func selectBetween(ctx context.Context, q postgres.Querier, after, through int64, limit int) ([]Record, error) {
	return collect(q.Query(ctx, selectBetweenSQL, after, through, limit))
}

func collect(rows pgx.Rows, err error) ([]Record, error) {
	if err != nil {
		return nil, fmt.Errorf("reading audit records: %w", postgres.Fault(err))
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Record, error) {
		var r read
		err := row.Scan(r.targets()...)
		return r.record(), err
	})
	return records, postgres.Fault(err)
}

const selectEachSQL = `
select ` + columns + ` from auth.audit_log l where l.sequence > $1 and l.sequence <= $2 order by l.sequence`

// each hands records to f in their order, one at a time.
func each(ctx context.Context, q postgres.Querier, after, through int64, f func(*Record) error) error {
	rows, err := q.Query(ctx, selectEachSQL, after, through) //nolint:rowserrcheck // ForEachRow does
	if err != nil {
		return fmt.Errorf("reading audit records: %w", postgres.Fault(err))
	}
	var r read
	_, err = pgx.ForEachRow(rows, r.targets(), func() error {
		record := r.record()
		return f(&record)
	})
	return postgres.Fault(err)
}

const conditions = `
where l.at >= coalesce($1, '-infinity'::timestamptz) and l.at < coalesce($2, 'infinity'::timestamptz)
	and ($3 = '' or l.action = $3) and ($4 = '' or l.outcome = $4) and ($5 = '' or l.request_id = $5)`

const (
	before      = ` and (l.at, l.sequence) < ($6, $7)`
	newestFirst = ` order by l.at desc, l.sequence desc limit $8`
)

const selectNewestSQL = `select ` + columns + ` from auth.audit_log l` + conditions + before + newestFirst

const selectNewestOfActorSQL = `
select ` + columns + ` from auth.audit_log l` + conditions + before + ` and l.actor_id = $9` + newestFirst

const selectNewestOfTargetSQL = `
select ` + columns + ` from auth.audit_log l` + conditions + before + ` and l.target_id = $9` + newestFirst

const selectNewestOfBothSQL = `
select ` + columns + ` from auth.audit_log l` + conditions + before + ` and l.actor_id = $9 and l.target_id = $10` + newestFirst

// selectNewest returns records before an instant and a sequence, newest first.
func selectNewest(ctx context.Context, q postgres.Querier, f Filter, at time.Time, sequence int64, limit int) ([]Record, error) {
	sql, args := selectNewestSQL, []any{f.Since, f.Until, string(f.Action), f.Outcome, f.RequestID, at, sequence, limit}
	switch {
	case f.Actor != nil && f.Target != nil:
		sql, args = selectNewestOfBothSQL, append(args, *f.Actor, *f.Target)
	case f.Actor != nil:
		sql, args = selectNewestOfActorSQL, append(args, *f.Actor)
	case f.Target != nil:
		sql, args = selectNewestOfTargetSQL, append(args, *f.Target)
	}
	return collect(q.Query(ctx, sql, args...))
}

const selectOldestSQL = `select ` + columns + ` from auth.audit_log l` + conditions + `
	and l.sequence > $6 and l.sequence <= (select max(last_sequence) from auth.audit_seals)
	and ($7::uuid is null or l.actor_id = $7) and ($8::uuid is null or l.target_id = $8)
order by l.sequence limit $9`

// selectOldest returns sealed records after a sequence, in their order.
func selectOldest(ctx context.Context, q postgres.Querier, f Filter, after int64, limit int) ([]Record, error) {
	return collect(q.Query(ctx, selectOldestSQL, f.Since, f.Until, string(f.Action), f.Outcome, f.RequestID, after, f.Actor, f.Target, limit))
}
