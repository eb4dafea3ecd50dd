package user

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// A conflict is not for PostgreSQL to report: it would log the address.
const insertNewSQL = `
insert into auth.users (id, email, email_verified_at, is_anonymous, user_metadata, app_metadata)
values ($1, nullif($2, ''), case when $3::boolean then now() end, $2 = '', $4, $5)
on conflict do nothing`

func insertNew(ctx context.Context, q postgres.Querier, n New, user, app string) error {
	tag, err := q.Exec(ctx, insertNewSQL, n.ID, n.Email, n.Verified, user, app)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrExists
	}
	return checked(err, len(user) < len(app))
}

// checked tells metadata over its limit, as PostgreSQL prints it, from other
// refusals.
func checked(err error, app bool) error {
	report := postgres.Report(err)
	switch {
	case report != nil && report.State == "23514" && app:
		return TooMuch("/app_metadata")
	case report != nil && report.State == "23514":
		return TooMuch("/user_metadata")
	case report != nil && report.State == "23505":
		return ErrExists
	}
	return postgres.Fault(err)
}

const ensureIdentitySQL = `
insert into auth.identities (id, user_id, issuer, subject) values ($1, $2, $3, $4)
on conflict (issuer, subject) do nothing`

func ensureIdentity(ctx context.Context, q postgres.Querier, identityID id.UUID, userID id.User, issuer, subject string) error {
	_, err := q.Exec(ctx, ensureIdentitySQL, identityID, userID, issuer, subject)
	return postgres.Fault(err)
}

const selectTakenSQL = `
select exists (select from auth.users where email = $1 and id <> $2)`

func selectTaken(ctx context.Context, q postgres.Querier, email string, except id.User) (bool, error) {
	var taken bool
	err := q.QueryRow(ctx, selectTakenSQL, email, except).Scan(&taken)
	return taken, postgres.Fault(err)
}

// The address is in tokens, so another one makes those stale; app_metadata does
// by itself.
const updateSQL = `
update auth.users set
	email = coalesce($2, email),
	email_verified_at = case
		when $3::boolean then case when $2 is distinct from email and $2 is not null then now() else coalesce(email_verified_at, now()) end
		when not $3 or $2 is distinct from email and $2 is not null then null
		else email_verified_at end,
	is_anonymous = is_anonymous and $2 is null,
	new_email = case when $2 is distinct from email and $2 is not null then null else new_email end,
	claims_version = claims_version + case when $2 is distinct from email and $2 is not null then 1 else 0 end,
	user_metadata = (user_metadata || $4::jsonb) - $5::text[],
	app_metadata = (app_metadata || $6::jsonb) - $7::text[],
	updated_at = now()
where id = $1
returning claims_version`

func update(ctx context.Context, q postgres.Querier, userID id.User, c Change, user, app string) (int64, error) {
	var version int64
	err := q.QueryRow(ctx, updateSQL, userID, c.Email, c.Verified, user, c.UserMetadata.removed(), app, c.AppMetadata.removed()).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNotFound
	}
	return version, checked(err, c.UserMetadata == nil)
}

const updateBanSQL = `
update auth.users set banned_until = $2, ban_reason = nullif($3, ''), updated_at = now() where id = $1`

func updateBan(ctx context.Context, q postgres.Querier, userID id.User, until *time.Time, reason string) error {
	tag, err := q.Exec(ctx, updateBanSQL, userID, until, reason)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return postgres.Fault(err)
}

const selectBannedSQL = `
select coalesce(banned_until > now(), false) from auth.users where id = $1`

func selectBanned(ctx context.Context, q postgres.Querier, userID id.User) (bool, error) {
	var banned bool
	err := q.QueryRow(ctx, selectBannedSQL, userID).Scan(&banned)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, ErrNotFound
	}
	return banned, postgres.Fault(err)
}

const selectUnclaimedSQL = `
select id, email_verified_at is null and last_sign_in_at is null and (banned_until is null or banned_until <= now())
	and not exists (select from auth.passwords p where p.user_id = u.id)
from auth.users u where email = $1 for no key update`

func selectUnclaimed(ctx context.Context, q postgres.Querier, email string) (id.User, error) {
	var userID id.User
	var unclaimed bool
	err := q.QueryRow(ctx, selectUnclaimedSQL, email).Scan(&userID, &unclaimed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return id.User{}, ErrNotFound
	case err == nil && !unclaimed:
		return id.User{}, ErrExists
	}
	return userID, postgres.Fault(err)
}

const selectUnprovenSQL = `
select u.id from auth.users u
where u.id = any ($1) and u.email is not null and u.email_verified_at is null
	and (exists (select from auth.passwords p where p.user_id = u.id)
		or exists (select from auth.sessions s where s.user_id = u.id and s.ended_at is null and s.expires_at > now())
		or exists (select from auth.api_keys k where k.user_id = u.id and k.revoked_at is null))`

func selectUnproven(ctx context.Context, q postgres.Querier, ids []id.User) (map[id.User]bool, error) {
	rows, err := q.Query(ctx, selectUnprovenSQL, ids)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[id.User])
	unproven := make(map[id.User]bool, len(found))
	for _, u := range found {
		unproven[u] = true
	}
	return unproven, postgres.Fault(err)
}

const lockSQL = `
select id from auth.users where id = $1 for no key update`

func lock(ctx context.Context, q postgres.Querier, userID id.User) error {
	err := q.QueryRow(ctx, lockSQL, userID).Scan(&userID)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return postgres.Fault(err)
}

const deleteSQL = `
delete from auth.users where id = $1`

func remove(ctx context.Context, q postgres.Querier, userID id.User) error {
	tag, err := q.Exec(ctx, deleteSQL, userID)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return postgres.Fault(err)
}
