package apikey

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// insertOwnSQL makes no key for somebody who is banned. It locks the user, so
// that a ban either sees the key and revokes it, or is seen here, and keys of one
// user are counted one after the other.
const insertOwnSQL = `
with holder as (
	select id from auth.users where id = $2 and (banned_until is null or banned_until <= now()) for no key update),
held as (select count(*) as n from auth.api_keys k join holder h on k.user_id = h.id where k.revoked_at is null),
made as (
	insert into auth.api_keys (id, kind, user_id, name, prefix, scopes, expires_at, digest)
	select $1, 'api', h.id, $3, $4, $5, $6, $7 from holder h, held where held.n < $8
	returning created_at)
select (select created_at from made) from holder`

// insertOwn returns ErrNotFound if there is no such user, or they are banned.
func insertOwn(ctx context.Context, q postgres.Querier, userID id.User, k Own, digest []byte) (time.Time, error) {
	var created *time.Time
	err := q.QueryRow(ctx, insertOwnSQL, k.ID, userID, k.Name, k.Prefix, k.Scopes, k.ExpiresAt, digest, maxOwn).Scan(&created)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return time.Time{}, ErrNotFound
	case err != nil:
		return time.Time{}, postgres.Fault(err)
	case created == nil:
		return time.Time{}, ErrTooMany
	}
	return *created, nil
}

const selectOwnSQL = `
select id, name, prefix, scopes, created_at, last_used_at, expires_at
from auth.api_keys where user_id = $1 and revoked_at is null
order by id desc`

func selectOwn(ctx context.Context, q postgres.Querier, userID id.User) ([]Own, error) {
	rows, err := q.Query(ctx, selectOwnSQL, userID)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Own])
	return keys, postgres.Fault(err)
}

const revokeOwnSQL = `
update auth.api_keys set revoked_at = now()
where user_id = $1 and ($2::uuid is null or id = $2) and revoked_at is null`

// revokeOwn ends one key of a user, or all of them for nil.
func revokeOwn(ctx context.Context, q postgres.Querier, userID id.User, keyID *id.Key) (int64, error) {
	tag, err := q.Exec(ctx, revokeOwnSQL, userID, keyID)
	return tag.RowsAffected(), postgres.Fault(err)
}
