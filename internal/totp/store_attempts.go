package totp

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// errBlocked means that no attempt has been counted.
var errBlocked = errors.New("no attempt may be made now")

// The lock on the user's row makes it wait for a deletion of the user that is
// under way, and not break on it. An attempt that fills a round of $3 begins the pause after it; each round's is
// twice as long as that of the round before.
const countAttemptSQL = `
insert into auth.second_factor_attempts as a (user_id, attempts, blocked_until)
select u.id, 1, '-infinity' from auth.users u
where u.id = $1 and exists (select from auth.totp_factors f where f.user_id = u.id) for key share of u
on conflict (user_id) do update set attempts = a.attempts + 1,
	blocked_until = case when (a.attempts + 1) % $3::integer = 0
		then $2::timestamptz + least($4::interval * power(2, least((a.attempts + 1) / $3 - 1, 20)), $5::interval)
		else a.blocked_until end
where a.blocked_until <= $2
returning attempts`

// countAttempt returns the number of the attempt since the last success, or
// errBlocked.
func countAttempt(ctx context.Context, q postgres.Querier, userID id.User, now time.Time) (int, error) {
	var n int
	err := q.QueryRow(ctx, countAttemptSQL, userID, now, attemptsAtOnce, firstPause, longestPause).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, errBlocked
	}
	return n, postgres.Fault(err)
}

const selectBlockSQL = `
select coalesce((select a.blocked_until from auth.second_factor_attempts a where a.user_id = $1 and a.blocked_until > $2), $2),
	exists (select from auth.totp_factors f where f.user_id = $1)`

// selectBlock returns until when there may be no attempt. It returns ErrNoFactor
// for a user without factors.
func selectBlock(ctx context.Context, q postgres.Querier, userID id.User, now time.Time) (time.Time, error) {
	var until time.Time
	var exists bool
	err := q.QueryRow(ctx, selectBlockSQL, userID, now).Scan(&until, &exists)
	if err == nil && !exists {
		return until, ErrNoFactor
	}
	return until, postgres.Fault(err)
}

const selectAttemptsSQL = `
select attempts, case when blocked_until > $2 then blocked_until end from auth.second_factor_attempts where user_id = $1`

func selectAttempts(ctx context.Context, q postgres.Querier, userID id.User, now time.Time) (int, *time.Time, error) {
	var n int
	var until *time.Time
	err := q.QueryRow(ctx, selectAttemptsSQL, userID, now).Scan(&n, &until)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil, nil
	}
	return n, until, postgres.Fault(err)
}

const deleteAttemptsSQL = `delete from auth.second_factor_attempts where user_id = $1`

func deleteAttempts(ctx context.Context, q postgres.Querier, userID id.User) error {
	_, err := q.Exec(ctx, deleteAttemptsSQL, userID)
	return postgres.Fault(err)
}

const deleteRecoveryCodesSQL = `delete from auth.recovery_codes where user_id = $1`

func deleteRecoveryCodes(ctx context.Context, q postgres.Querier, userID id.User) error {
	_, err := q.Exec(ctx, deleteRecoveryCodesSQL, userID)
	return postgres.Fault(err)
}

const insertRecoveryCodesSQL = `
insert into auth.recovery_codes (user_id, digest, created_at) select $1, unnest($2::bytea[]), $3`

func insertRecoveryCodes(ctx context.Context, q postgres.Querier, userID id.User, digests [][]byte, now time.Time) error {
	_, err := q.Exec(ctx, insertRecoveryCodesSQL, userID, digests, now)
	return postgres.Fault(err)
}

const useRecoveryCodeSQL = `
update auth.recovery_codes set used_at = $3 where user_id = $1 and digest = $2 and used_at is null`

func useRecoveryCode(ctx context.Context, q postgres.Querier, userID id.User, digest []byte, now time.Time) error {
	tag, err := q.Exec(ctx, useRecoveryCodeSQL, userID, digest, now)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrCode
	}
	return postgres.Fault(err)
}

const countRecoveryCodesSQL = `
select count(*) from auth.recovery_codes where user_id = $1 and used_at is null`

func countRecoveryCodes(ctx context.Context, q postgres.Querier, userID id.User) (int, error) {
	var n int
	err := q.QueryRow(ctx, countRecoveryCodesSQL, userID).Scan(&n)
	return n, postgres.Fault(err)
}
