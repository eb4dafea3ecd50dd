package apikey

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

const insertSQL = `
insert into auth.api_keys (id, kind, name, prefix, allowed_origins, created_by, expires_at, digest) values ($1, $2, $3, $4, $5, $6, $7, $8)
returning created_at`

func insert(ctx context.Context, q postgres.Querier, k Key, digest []byte) (time.Time, error) {
	var created time.Time
	err := q.QueryRow(ctx, insertSQL, k.ID, string(k.Kind), k.Name, k.Prefix, k.AllowedOrigins, k.CreatedBy, k.ExpiresAt, digest).Scan(&created)
	return created, postgres.Fault(err)
}

const revokeSQL = `
update auth.api_keys set revoked_at = now() where id = $1 and kind = $2 and revoked_at is null`

func revoke(ctx context.Context, q postgres.Querier, kind Kind, keyID id.Key) (int64, error) {
	tag, err := q.Exec(ctx, revokeSQL, keyID, string(kind))
	return tag.RowsAffected(), postgres.Fault(err)
}

// replaceSQL is the whole rule of rotating: of several at once the first finds
// the key without a successor. Without an overlap the key is revoked, which is
// announced.
const replaceSQL = `
update auth.api_keys set replaced_by = $2,
	expires_at = least(expires_at, now() + $3::interval),
	revoked_at = case when $3::interval = '0' then now() end
where id = $1 and replaced_by is null and revoked_at is null and (expires_at is null or expires_at > now())
returning expires_at`

// replace returns until when the key goes on, or ErrNotFound.
func replace(ctx context.Context, q postgres.Querier, keyID, by id.Key, overlap time.Duration) (time.Time, error) {
	var until time.Time
	err := q.QueryRow(ctx, replaceSQL, keyID, by, overlap).Scan(&until)
	return until, missing(err)
}

const selectPageSQL = `
select id, kind, name, prefix, allowed_origins, created_at, created_by, last_used_at, expires_at, replaced_by, revoked_at
from auth.api_keys
where kind = $1 and user_id is null and ($2::uuid is null or id < $2)
order by id desc limit $3`

func selectPage(ctx context.Context, q postgres.Querier, kind Kind, before *id.Key, limit int) ([]Key, error) {
	rows, err := q.Query(ctx, selectPageSQL, string(kind), before, limit)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Key])
	return keys, postgres.Fault(err)
}

const selectOneSQL = `
select id, kind, name, prefix, allowed_origins, created_at, created_by, last_used_at, expires_at, replaced_by, revoked_at
from auth.api_keys where id = $1 and kind = $2`

func selectOne(ctx context.Context, q postgres.Querier, kind Kind, keyID id.Key) (Key, error) {
	return one(ctx, q, selectOneSQL, keyID, string(kind))
}

const lockLiveSQL = `
select id, kind, name, prefix, allowed_origins, created_at, created_by, last_used_at, expires_at, replaced_by, revoked_at
from auth.api_keys where id = $1 and revoked_at is null and (expires_at is null or expires_at > now()) for no key update`

// lockLive returns a key that holds, which nobody ends until the transaction is
// over.
func lockLive(ctx context.Context, q postgres.Querier, keyID id.Key) (Key, error) {
	return one(ctx, q, lockLiveSQL, keyID)
}

func one(ctx context.Context, q postgres.Querier, sql string, args ...any) (Key, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return Key{}, postgres.Fault(err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Key])
	return k, missing(err)
}

// found is a key that was found by its digest, with its user if it has one.
type found struct {
	id          id.Key
	kind        Kind
	origins     []string
	expiresAt   *time.Time
	scopes      []principal.Scope
	user        id.User
	email       string
	anonymous   bool
	appMetadata []byte
	version     int64
}

// A key of a user who is banned has been revoked by the table; that it is asked
// again costs nothing.
const selectByDigestSQL = `
select k.id, k.kind, k.allowed_origins, k.expires_at, k.scopes,
	coalesce(u.id, '00000000-0000-0000-0000-000000000000'), coalesce(u.email, ''), coalesce(u.is_anonymous, false),
	coalesce(u.app_metadata, '{}'), coalesce(u.claims_version, 0)
from auth.api_keys k left join auth.users u on u.id = k.user_id
where k.digest = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
	and (u.banned_until is null or u.banned_until <= now())`

func selectByDigest(ctx context.Context, q postgres.Querier, digest []byte) (found, error) {
	var f found
	err := q.QueryRow(ctx, selectByDigestSQL, digest).Scan(&f.id, &f.kind, &f.origins, &f.expiresAt, &f.scopes,
		&f.user, &f.email, &f.anonymous, &f.appMetadata, &f.version)
	return f, missing(err)
}

// updateUsesSQL locks the keys in one order, so that instances do not wait for
// each other in a circle.
const updateUsesSQL = `
with used as (select * from unnest($1::uuid[], $2::timestamptz[]) as u (id, at)),
locked as (select k.id from auth.api_keys k join used u on u.id = k.id order by k.id for no key update of k)
update auth.api_keys k set last_used_at = greatest(k.last_used_at, u.at)
from used u join locked l on l.id = u.id where k.id = u.id`

func updateUses(ctx context.Context, q postgres.Querier, ids []id.Key, at []time.Time) error {
	_, err := q.Exec(ctx, updateUsesSQL, ids, at)
	return postgres.Fault(err)
}

func missing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return postgres.Fault(err)
}
