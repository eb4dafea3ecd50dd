package totp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

type record struct {
	Factor

	sealed   id.Sealed
	lastStep int64
}

const columns = `id, name, created_at, last_used_at, sealed_id, last_used_step`

func scanRecord(row pgx.Row) (record, error) {
	var r record
	err := row.Scan(&r.ID, &r.Name, &r.CreatedAt, &r.LastUsedAt, &r.sealed, &r.lastStep)
	return r, err //nolint:wrapcheck // wrapped by the callers
}

// Whoever changes the factors of a user, or uses one, has the user's row: so
// they come one after the other, and before or after the user is deleted.
const lockUserSQL = `select from auth.users where id = $1 for no key update`

func lockUser(ctx context.Context, q postgres.Querier, userID id.User) error {
	tag, err := q.Exec(ctx, lockUserSQL, userID)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNoFactor
	}
	return postgres.Fault(err)
}

const deleteStaleSQL = `
delete from auth.totp_factors where user_id = $1 and verified_at is null and created_at <= $2`

func deleteStale(ctx context.Context, q postgres.Querier, userID id.User, upTo time.Time) error {
	_, err := q.Exec(ctx, deleteStaleSQL, userID, upTo)
	return postgres.Fault(err)
}

const countFactorsSQL = `select count(*) from auth.totp_factors where user_id = $1`

func countFactors(ctx context.Context, q postgres.Querier, userID id.User) (int, error) {
	var n int
	err := q.QueryRow(ctx, countFactorsSQL, userID).Scan(&n)
	return n, postgres.Fault(err)
}

const insertFactorSQL = `
insert into auth.totp_factors (id, user_id, name, sealed_id, last_used_step, created_at, verified_at)
values ($1, $2, $3, $4, $5, $6, case when $7::boolean then $6::timestamptz end)`

func insertFactor(ctx context.Context, q postgres.Querier, userID id.User, r record, verified bool) error {
	_, err := q.Exec(ctx, insertFactorSQL, r.ID, userID, r.Name, r.sealed, r.lastStep, r.CreatedAt, verified)
	return postgres.Fault(err)
}

const isEnabledSQL = `
select exists (select from auth.totp_factors where user_id = $1 and verified_at is not null)`

func isEnabled(ctx context.Context, q postgres.Querier, userID id.User) (bool, error) {
	var enabled bool
	err := q.QueryRow(ctx, isEnabledSQL, userID).Scan(&enabled)
	return enabled, postgres.Fault(err)
}

const selectVerifiedSQL = `
select ` + columns + ` from auth.totp_factors
where user_id = $1 and verified_at is not null order by created_at, id`

func selectVerified(ctx context.Context, q postgres.Querier, userID id.User) ([]record, error) {
	rows, err := q.Query(ctx, selectVerifiedSQL, userID)
	if err != nil {
		return nil, fmt.Errorf("reading factors: %w", postgres.Fault(err))
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (record, error) { return scanRecord(row) })
	return records, postgres.Fault(err)
}

const selectUnverifiedSQL = `
select ` + columns + ` from auth.totp_factors
where user_id = $1 and verified_at is null and created_at > $3 and ($2::uuid is null or id = $2)
order by created_at desc, id desc limit 1`

func selectUnverified(ctx context.Context, q postgres.Querier, userID id.User, factor *id.Factor, after time.Time) (record, error) {
	r, err := scanRecord(q.QueryRow(ctx, selectUnverifiedSQL, userID, factor, after))
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrNoFactor
	}
	return r, postgres.Fault(err)
}

const verifySQL = `
update auth.totp_factors set verified_at = $4, last_used_at = $4, last_used_step = $3
where id = $2 and user_id = $1 and verified_at is null
returning not exists (select from auth.totp_factors other where other.user_id = $1 and other.verified_at is not null)`

// verify says whether it is the first factor of the user that is confirmed.
func verify(ctx context.Context, q postgres.Querier, userID id.User, factor id.Factor, step int64, now time.Time) (first bool, err error) {
	err = q.QueryRow(ctx, verifySQL, userID, factor, step, now).Scan(&first)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, ErrNoFactor
	}
	return first, postgres.Fault(err)
}

const moveStepSQL = `
update auth.totp_factors set last_used_step = $3, last_used_at = $4
where id = $2 and user_id = $1 and verified_at is not null and last_used_step < $3`

// moveStep says whether the step had not been used, nor a later one.
func moveStep(ctx context.Context, q postgres.Querier, userID id.User, factor id.Factor, step int64, now time.Time) (bool, error) {
	tag, err := q.Exec(ctx, moveStepSQL, userID, factor, step, now)
	return tag.RowsAffected() == 1, postgres.Fault(err)
}

const deleteFactorsSQL = `
delete from auth.totp_factors where user_id = $1 and ($2::uuid is null or id = $2)`

func deleteFactors(ctx context.Context, q postgres.Querier, userID id.User, factor *id.Factor) (int, error) {
	tag, err := q.Exec(ctx, deleteFactorsSQL, userID, factor)
	return int(tag.RowsAffected()), postgres.Fault(err)
}
