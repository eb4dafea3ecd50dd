package apikey

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const insertSQL = `
insert into auth.api_keys (id, kind, name, prefix, digest) values ($1, $2, $3, $4, $5)
returning created_at`

func insert(ctx context.Context, q postgres.Querier, k Key, digest []byte) (time.Time, error) {
	var created time.Time
	err := q.QueryRow(ctx, insertSQL, k.ID, string(k.Kind), k.Name, k.Prefix, digest).Scan(&created)
	return created, postgres.Fault(err)
}

const revokeSQL = `
update auth.api_keys set revoked_at = now() where id = $1 and revoked_at is null`

func revoke(ctx context.Context, q postgres.Querier, keyID id.Key) (int64, error) {
	tag, err := q.Exec(ctx, revokeSQL, keyID)
	return tag.RowsAffected(), postgres.Fault(err)
}

const selectAllSQL = `
select id, kind, name, prefix, created_at, revoked_at from auth.api_keys order by id desc`

func selectAll(ctx context.Context, q postgres.Querier) ([]Key, error) {
	rows, err := q.Query(ctx, selectAllSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Key])
	return keys, postgres.Fault(err)
}

const selectByDigestSQL = `
select id, kind, name, prefix, created_at, revoked_at from auth.api_keys where digest = $1 and revoked_at is null`

func selectByDigest(ctx context.Context, q postgres.Querier, digest []byte) (Key, error) {
	rows, err := q.Query(ctx, selectByDigestSQL, digest)
	if err != nil {
		return Key{}, postgres.Fault(err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Key])
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, ErrNotFound
	}
	return k, postgres.Fault(err)
}
