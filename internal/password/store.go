package password

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const upsertSQL = `
with forgotten as (
	delete from auth.password_attempts where address_digest = (select sha256(convert_to(u.email, 'UTF8')) from auth.users u where u.id = $1))
insert into auth.passwords (user_id, digest) values ($1, $2)
on conflict (user_id) do update set digest = excluded.digest, updated_at = now()`

func upsert(ctx context.Context, q postgres.Querier, userID id.User, digest string) error {
	_, err := q.Exec(ctx, upsertSQL, userID, digest)
	return postgres.Fault(err)
}

const selectByEmailSQL = `
select coalesce(u.id, '00000000-0000-0000-0000-000000000000'), coalesce(u.email_verified_at is not null, false), coalesce(p.digest, '')
from (select) one left join auth.users u on u.email = $1 left join auth.passwords p on p.user_id = u.id`

func selectByEmail(ctx context.Context, q postgres.Querier, email string) (Found, error) {
	var f Found
	err := q.QueryRow(ctx, selectByEmailSQL, email).Scan(&f.User, &f.Verified, &f.Digest)
	return f, postgres.Fault(err)
}

// A sign-up whose address has yet to be proven is no account; its password is
// known by the latest flow.
const selectPendingSQL = `
select f.password_digest from auth.flows f
where f.email = $1 and f.kind = 'signup' and f.password_digest is not null
	and f.denied_at is null and f.consumed_at is null and f.proven_at is null
order by f.created_at desc limit 1`

func selectPending(ctx context.Context, q postgres.Querier, email string) (digest string, err error) {
	err = q.QueryRow(ctx, selectPendingSQL, email).Scan(&digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return digest, postgres.Fault(err)
}

// Sign-ins of one user wait for each other, and for a change of the password.
const holdSQL = `select digest from auth.passwords where user_id = $1 for no key update`

func hold(ctx context.Context, q postgres.Querier, userID id.User, want string) error {
	var digest string
	err := q.QueryRow(ctx, holdSQL, userID).Scan(&digest)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && digest != want {
		return ErrMismatch
	}
	return postgres.Fault(err)
}

const selectDigestSQL = `select digest from auth.passwords where user_id = $1`

func selectDigest(ctx context.Context, q postgres.Querier, userID id.User) (digest string, err error) {
	err = q.QueryRow(ctx, selectDigestSQL, userID).Scan(&digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return digest, postgres.Fault(err)
}

const removeSQL = `delete from auth.passwords where user_id = $1`

func remove(ctx context.Context, q postgres.Querier, userID id.User) error {
	_, err := q.Exec(ctx, removeSQL, userID)
	return postgres.Fault(err)
}

const replaceSQL = `
update auth.passwords set digest = $3, updated_at = now() where user_id = $1 and digest = $2`

func replace(ctx context.Context, q postgres.Querier, userID id.User, old, digest string) error {
	_, err := q.Exec(ctx, replaceSQL, userID, old, digest)
	return postgres.Fault(err)
}
