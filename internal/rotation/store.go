package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

var errNoRun = fault.New(fault.NotFound, "run_not_found", "There is no such run.")

// No API role may lock a table of ours, as it may take any advisory lock. Runs
// that are under way go on writing how far they are.
const lockStartSQL = `lock table auth.encryption_runs in share update exclusive mode`

// lockStart lets one transaction at a time see which runs are open and add one.
func lockStart(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, lockStartSQL)
	return postgres.Fault(err)
}

const insertRunSQL = `
insert into auth.encryption_runs (id, kind, from_version, to_version, reason, batch_size, concurrency, state)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning created_at`

func insertRun(ctx context.Context, q postgres.Querier, r Run) (time.Time, error) {
	var at time.Time
	err := q.QueryRow(ctx, insertRunSQL, r.ID, r.Kind, r.FromVersion, r.ToVersion, r.Reason, r.BatchSize, r.Concurrency, r.State).Scan(&at)
	return at, postgres.Fault(err)
}

const columns = `id, kind, from_version, to_version, reason, batch_size, concurrency, state, attempts,
	total, scanned, re_encrypted, already, failed, error, created_at, started_at, finished_at`

func scanRun(row pgx.Row) (Run, error) {
	var r Run
	err := row.Scan(&r.ID, &r.Kind, &r.FromVersion, &r.ToVersion, &r.Reason, &r.BatchSize, &r.Concurrency, &r.State, &r.Attempts,
		&r.Total, &r.Scanned, &r.ReEncrypted, &r.AlreadyThere, &r.Failed, &r.Error, &r.CreatedAt, &r.StartedAt, &r.FinishedAt)
	return r, err //nolint:wrapcheck // wrapped by the callers
}

const selectRunSQL = `select ` + columns + ` from auth.encryption_runs where id = $1`

func selectRun(ctx context.Context, q postgres.Querier, runID id.Run) (Run, error) {
	r, err := scanRun(q.QueryRow(ctx, selectRunSQL, runID))
	if errors.Is(err, pgx.ErrNoRows) {
		return r, errNoRun
	}
	return r, postgres.Fault(err)
}

const selectRunsSQL = `select ` + columns + ` from auth.encryption_runs order by created_at desc, id desc limit $1`

func selectRuns(ctx context.Context, q postgres.Querier, limit int) ([]Run, error) {
	rows, err := q.Query(ctx, selectRunsSQL, limit)
	if err != nil {
		return nil, fmt.Errorf("reading runs: %w", postgres.Fault(err))
	}
	runs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Run, error) { return scanRun(row) })
	return runs, postgres.Fault(err)
}

const selectLatestSQL = `
select distinct on (kind) ` + columns + ` from auth.encryption_runs order by kind, created_at desc, id desc`

// selectLatest returns the latest run of each kind.
func selectLatest(ctx context.Context, q postgres.Querier) ([]Run, error) {
	rows, err := q.Query(ctx, selectLatestSQL)
	if err != nil {
		return nil, fmt.Errorf("reading runs: %w", postgres.Fault(err))
	}
	runs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Run, error) { return scanRun(row) })
	return runs, postgres.Fault(err)
}

// A rotation that has made its key is still the one that is asked for.
const selectOpenSQL = `
select ` + columns + ` from auth.encryption_runs
where finished_at is null and kind = $1 and from_version is not distinct from $2
	and (kind = 'rotation' or to_version is not distinct from $3)
for update`

func selectOpen(ctx context.Context, q postgres.Querier, r Run) (Run, bool, error) {
	return found(scanRun(q.QueryRow(ctx, selectOpenSQL, r.Kind, r.FromVersion, r.ToVersion)))
}

func found(r Run, err error) (Run, bool, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, postgres.Fault(err)
}

// Whoever has a login and runs SQL of their own could take this lock too: then
// the run goes on by its lease, after 15 s. A lock on a row would be ours alone,
// but it needs a transaction id, and a transaction with one that lasts as long
// as a run keeps VACUUM from removing what the run itself leaves behind.
const lockRunSQL = `select pg_try_advisory_xact_lock(hashtextextended($1::uuid::text, 7160934))`

// lockRun takes the lock of a run for a transaction, if nobody has it.
func lockRun(ctx context.Context, q postgres.Querier, runID id.Run) (locked bool, err error) {
	err = q.QueryRow(ctx, lockRunSQL, runID).Scan(&locked)
	return locked, postgres.Fault(err)
}

const selectDueSQL = `
select id from auth.encryption_runs
where finished_at is null and (retry_at is null or retry_at <= now()) order by created_at`

// selectDue finds the runs that there is something to do for.
func selectDue(ctx context.Context, q postgres.Querier) ([]id.Run, error) {
	rows, err := q.Query(ctx, selectDueSQL)
	if err != nil {
		return nil, fmt.Errorf("reading runs: %w", postgres.Fault(err))
	}
	runs, err := pgx.CollectRows(rows, pgx.RowTo[id.Run])
	return runs, postgres.Fault(err)
}

const claimSQL = `
update auth.encryption_runs
set state = 'running', runner = $1, seen_at = now(), started_at = coalesce(started_at, now()), attempts = attempts + 1, retry_at = null
where id = $2 and finished_at is null and ($3 or coalesce(seen_at, retry_at, created_at) < now() - interval '15 seconds')
returning ` + columns

// claim takes a run that nobody is at: locked says that the instance holds the
// lock of the run.
func claim(ctx context.Context, q postgres.Querier, instance id.Instance, runID id.Run, locked bool) (Run, bool, error) {
	return found(scanRun(q.QueryRow(ctx, claimSQL, instance, runID, locked)))
}

const selectAbsentSQL = `
select coalesce(i.name, r.runner::text) from auth.encryption_runs r left join auth.instances i on i.id = r.runner
where r.id = $1 and r.finished_at is null and r.seen_at < now() - interval '5 seconds'`

// selectAbsent names the runner of a run that has missed two of its beats.
func selectAbsent(ctx context.Context, q postgres.Querier, runID id.Run) (name string, err error) {
	err = q.QueryRow(ctx, selectAbsentSQL, runID).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return name, postgres.Fault(err)
}

const keepSQL = `
update auth.encryption_runs
set seen_at = now(), total = $3, scanned = $4, re_encrypted = $5, already = $6, failed = $7
where id = $1 and runner = $2 and finished_at is null`

// keep says that the runner is still there. It returns false for one that has
// lost the run.
func keep(ctx context.Context, q postgres.Querier, r Run, instance id.Instance) (bool, error) {
	tag, err := q.Exec(ctx, keepSQL, r.ID, instance, r.Total, r.Scanned, r.ReEncrypted, r.AlreadyThere, r.Failed)
	return tag.RowsAffected() == 1, postgres.Fault(err)
}

const releaseSQL = `
update auth.encryption_runs
set runner = null, seen_at = null, error = nullif($4, ''), retry_at = now() + make_interval(secs => $3)
where id = $1 and runner = $2 and finished_at is null`

// release lets go of a run that is to go on after a pause.
func release(ctx context.Context, q postgres.Querier, runID id.Run, instance id.Instance, pause time.Duration, why string) error {
	_, err := q.Exec(ctx, releaseSQL, runID, instance, pause.Seconds(), why)
	return postgres.Fault(err)
}

const setToVersionSQL = `
update auth.encryption_runs set to_version = $3 where id = $1 and runner = $2 and to_version is null`

func setToVersion(ctx context.Context, q postgres.Querier, runID id.Run, instance id.Instance, version uint32) (bool, error) {
	tag, err := q.Exec(ctx, setToVersionSQL, runID, instance, version)
	return tag.RowsAffected() == 1, postgres.Fault(err)
}

const finishSQL = `
update auth.encryption_runs
set state = $3, error = $4, total = $5, scanned = $6, re_encrypted = $7, already = $8, failed = $9,
	finished_at = now(), runner = null, seen_at = null
where id = $1 and runner = $2 and finished_at is null
returning finished_at`

func finish(ctx context.Context, q postgres.Querier, r *Run, instance id.Instance) (bool, error) {
	err := q.QueryRow(ctx, finishSQL, r.ID, instance, r.State, r.Error, r.Total, r.Scanned, r.ReEncrypted, r.AlreadyThere, r.Failed).
		Scan(&r.FinishedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, postgres.Fault(err)
}

const selectValuesSQL = `
select v.id, v.purpose, v.subject, s.name, n.version
from auth.sealed_values v
left join auth.secret_versions n on n.sealed_id = v.id
left join auth.secrets s on s.id = n.secret_id
where v.id = any ($1) order by v.id`

// selectValues names values; those that are gone are left out.
func selectValues(ctx context.Context, q postgres.Querier, ids []id.Sealed) ([]Value, error) {
	return collectValues(q.Query(ctx, selectValuesSQL, ids))
}

const selectFirstSQL = `
select v.id, v.purpose, v.subject, s.name, n.version
from (select id, purpose, subject from auth.sealed_values where key_version = $1 order by id limit $2) v
left join auth.secret_versions n on n.sealed_id = v.id
left join auth.secrets s on s.id = n.secret_id
order by v.id`

// selectFirst names the first values of a key version.
func selectFirst(ctx context.Context, q postgres.Querier, version uint32) ([]Value, error) {
	return collectValues(q.Query(ctx, selectFirstSQL, version, shownValues))
}

func collectValues(rows pgx.Rows, err error) ([]Value, error) {
	if err != nil {
		return nil, fmt.Errorf("reading sealed values: %w", postgres.Fault(err))
	}
	values, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Value, error) {
		var v Value
		err := row.Scan(&v.ID, &v.Purpose, &v.Subject, &v.Secret, &v.Version)
		return v, err
	})
	return values, postgres.Fault(err)
}

const clockSQL = `select now()`

func clock(ctx context.Context, q postgres.Querier) (time.Time, error) {
	var now time.Time
	err := q.QueryRow(ctx, clockSQL).Scan(&now)
	return now, postgres.Fault(err)
}

const selectScheduleSQL = `
select coalesce(s.schedule, ''), coalesce(s.due_at, now()), now()
from (select) one left join auth.encryption_schedule s on true`

func selectSchedule(ctx context.Context, q postgres.Querier) (dueAt, error) {
	var d dueAt
	err := q.QueryRow(ctx, selectScheduleSQL).Scan(&d.schedule, &d.at, &d.now)
	return d, postgres.Fault(err)
}

const putScheduleSQL = `
insert into auth.encryption_schedule (schedule, due_at) values ($1, $2)
on conflict (one) do update set schedule = excluded.schedule, due_at = least(encryption_schedule.due_at, excluded.due_at)
returning due_at`

// putSchedule returns when a rotation is due: no later than it was.
func putSchedule(ctx context.Context, q postgres.Querier, schedule string, at time.Time) (due time.Time, err error) {
	err = q.QueryRow(ctx, putScheduleSQL, schedule, at).Scan(&due)
	return due, postgres.Fault(err)
}

const forgetScheduleSQL = `
delete from auth.encryption_schedule where due_at < now() - make_interval(secs => $1)`

// forgetSchedule removes a schedule that nobody has kept to for a time.
func forgetSchedule(ctx context.Context, q postgres.Querier, after time.Duration) error {
	_, err := q.Exec(ctx, forgetScheduleSQL, after.Seconds())
	return postgres.Fault(err)
}

const advanceScheduleSQL = `
update auth.encryption_schedule set due_at = $3 where schedule = $1 and due_at = $2`

func advanceSchedule(ctx context.Context, q postgres.Querier, seen dueAt, next time.Time) (bool, error) {
	tag, err := q.Exec(ctx, advanceScheduleSQL, seen.schedule, seen.at, next)
	return tag.RowsAffected() == 1, postgres.Fault(err)
}
