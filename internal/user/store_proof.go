package user

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const selectKnownSQL = `
select id, email_verified_at is not null from auth.users where email = $1`

func selectKnown(ctx context.Context, q postgres.Querier, email string) (Known, error) {
	var k Known
	err := q.QueryRow(ctx, selectKnownSQL, email).Scan(&k.ID, &k.Verified)
	if errors.Is(err, pgx.ErrNoRows) {
		return Known{}, nil
	}
	return k, postgres.Fault(err)
}

// Like all that gives an address to an account, this asks before it writes:
// PostgreSQL would log the address with the conflict. Whoever comes between is
// stopped by the unique index all the same.
const updateAnonymousSQL = `
update auth.users u set email = $2, is_anonymous = false, new_email = null, updated_at = now(), claims_version = claims_version + 1,
	email_verified_at = case when $3 then now() end
where u.id = $1 and u.is_anonymous and not exists (select from auth.users o where o.email = $2 and o.id <> $1)`

func updateAnonymous(ctx context.Context, q postgres.Querier, userID id.User, email string, verified bool) error {
	tag, err := q.Exec(ctx, updateAnonymousSQL, userID, email, verified)
	if err == nil && tag.RowsAffected() == 0 {
		return missingOrTaken(ctx, q, userID, email)
	}
	return taken(err)
}

const updateEmailSQL = `
update auth.users u set email = $2, new_email = null, updated_at = now(), claims_version = claims_version + 1,
	email_verified_at = case when $3 then now() end
where u.id = $1 and not exists (select from auth.users o where o.email = $2 and o.id <> $1)`

func updateEmail(ctx context.Context, q postgres.Querier, userID id.User, email string, verified bool) error {
	tag, err := q.Exec(ctx, updateEmailSQL, userID, email, verified)
	if err == nil && tag.RowsAffected() == 0 {
		return missingOrTaken(ctx, q, userID, email)
	}
	return taken(err)
}

func missingOrTaken(ctx context.Context, q postgres.Querier, userID id.User, email string) error {
	known, err := selectKnown(ctx, q, email)
	if err == nil && !known.ID.IsZero() && known.ID != userID {
		return ErrExists
	}
	if err == nil {
		err = ErrNotFound
	}
	return err
}

// taken tells an address that belongs to somebody else from other refusals.
func taken(err error) error {
	if report := postgres.Report(err); report != nil && report.State == "23505" {
		return ErrExists
	}
	return postgres.Fault(err)
}

const updateVerifiedSQL = `
with before as (select id, email_verified_at is not null as known from auth.users where id = $1 and email = $2 for update)
update auth.users u set email_verified_at = coalesce(u.email_verified_at, now()), updated_at = now()
from before where u.id = before.id
returning before.known`

func updateVerified(ctx context.Context, q postgres.Querier, userID id.User, email string) (known bool, err error) {
	err = q.QueryRow(ctx, updateVerifiedSQL, userID, email).Scan(&known)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, ErrNotFound
	}
	return known, postgres.Fault(err)
}

const updateNewEmailSQL = `
update auth.users set new_email = nullif($2, ''), updated_at = now() where id = $1`

func updateNewEmail(ctx context.Context, q postgres.Querier, userID id.User, email string) error {
	_, err := q.Exec(ctx, updateNewEmailSQL, userID, email)
	return postgres.Fault(err)
}

const lockContactSQL = `
select coalesce(email, ''), coalesce(new_email, ''), email_verified_at is not null from auth.users where id = $1 for no key update`

func lockContact(ctx context.Context, q postgres.Querier, userID id.User) (Contact, error) {
	var c Contact
	err := q.QueryRow(ctx, lockContactSQL, userID).Scan(&c.Email, &c.NewEmail, &c.Verified)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, ErrNotFound
	}
	return c, postgres.Fault(err)
}
