package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/user"
)

const selectThereSQL = `
select id, coalesce(email, '') from auth.users where id = any ($1)
union
select id, email from auth.users where email = any ($2)`

// selectThere returns the accounts that records are about.
func selectThere(ctx context.Context, q postgres.Querier, records []record) (accounts, error) {
	found := accounts{byID: map[id.User]account{}, byEmail: map[string]account{}}
	ids, emails := []id.User{}, []string{}
	for _, rec := range records {
		if rec.ID != nil {
			ids = append(ids, *rec.ID)
		}
		if rec.Email != nil {
			emails = append(emails, *rec.Email)
		}
	}
	rows, err := q.Query(ctx, selectThereSQL, ids, emails)
	if err != nil {
		return found, postgres.Fault(err)
	}
	there, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (account, error) {
		var a account
		err := row.Scan(&a.id, &a.email)
		return a, err
	})
	for _, a := range there {
		found.byID[a.id] = a
		found.byEmail[a.email] = a
	}
	return found, postgres.Fault(err)
}

const selectOwnersSQL = `
select i.issuer, i.subject, i.user_id
from unnest($1::text[], $2::text[]) as l(issuer, subject) join auth.identities i using (issuer, subject)`

// selectOwners returns whose the identities of records are.
func selectOwners(ctx context.Context, q postgres.Querier, records []record) (map[Identity]id.User, error) {
	owners := map[Identity]id.User{}
	var issuers, subjects []string
	for _, rec := range records {
		for _, in := range rec.foreign() {
			issuers, subjects = append(issuers, in.Provider), append(subjects, in.Subject)
		}
	}
	if len(issuers) == 0 {
		return owners, nil
	}
	rows, err := q.Query(ctx, selectOwnersSQL, issuers, subjects)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (id.User, error) {
		var in Identity
		var owner id.User
		err := row.Scan(&in.Provider, &in.Subject, &owner)
		owners[in] = owner
		return owner, err
	})
	return owners, postgres.Fault(err)
}

// A conflict is not for PostgreSQL to report: it would log the address.
const insertUsersSQL = `
insert into auth.users (id, email, email_verified_at, is_anonymous, user_metadata, app_metadata, created_at, last_sign_in_at, banned_until)
select l.id, l.email, case when l.verified then coalesce(l.created_at, now()) end, l.anonymous, l.user_metadata::jsonb, l.app_metadata::jsonb,
	coalesce(l.created_at, now()), l.last_sign_in_at, l.banned_until
from unnest($1::uuid[], $2::text[], $3::boolean[], $4::boolean[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[])
	as l(id, email, verified, anonymous, user_metadata, app_metadata, created_at, last_sign_in_at, banned_until)
on conflict do nothing
returning id`

// insertUsers returns which accounts have been made.
func insertUsers(ctx context.Context, q postgres.Querier, records []record) (map[id.User]bool, error) {
	n := len(records)
	ids, emails := make([]id.User, n), make([]*string, n)
	verified, anonymous := make([]bool, n), make([]bool, n)
	userData, appData := make([]string, n), make([]string, n)
	created, signedIn, banned := make([]*time.Time, n), make([]*time.Time, n), make([]*time.Time, n)
	for i, rec := range records {
		ids[i], emails[i], verified[i] = rec.target, rec.Email, rec.EmailVerified != nil && *rec.EmailVerified
		anonymous[i] = rec.Email == nil && len(rec.foreign()) == 0
		created[i], signedIn[i], banned[i] = rec.CreatedAt, rec.LastSignInAt, rec.BannedUntil
		var err error
		if userData[i], err = user.Encode("/user_metadata", rec.UserMetadata); err != nil {
			return nil, err
		}
		if appData[i], err = user.Encode("/app_metadata", rec.AppMetadata); err != nil {
			return nil, err
		}
	}
	rows, err := q.Query(ctx, insertUsersSQL, ids, emails, verified, anonymous, userData, appData, created, signedIn, banned)
	if err != nil {
		return nil, refused(err)
	}
	returned, err := pgx.CollectRows(rows, pgx.RowTo[id.User])
	made := make(map[id.User]bool, len(returned))
	for _, u := range returned {
		made[u] = true
	}
	return made, refused(err)
}

// refused tells metadata over its limit, as PostgreSQL prints it, from other
// refusals.
func refused(err error) error {
	if report := postgres.Report(err); report != nil && report.State == "23514" {
		return user.TooMuch("/user_metadata")
	}
	return postgres.Fault(err)
}

// An account has the identity of its address besides those of other issuers.
const insertIdentitiesSQL = `
insert into auth.identities (id, user_id, issuer, subject)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
on conflict (issuer, subject) do update set issuer = excluded.issuer where identities.user_id = excluded.user_id
returning id`

// insertIdentities gives accounts their identities. It returns errIdentity if
// one belongs to another account since it was looked up.
func insertIdentities(ctx context.Context, q postgres.Querier, records []record, now func() time.Time) error {
	var ids []id.UUID
	var owners []id.User
	var issuers, subjects []string
	for _, rec := range records {
		list := rec.foreign()
		if rec.Email != nil {
			list = append(list, Identity{user.EmailIssuer, rec.target.String()})
		}
		for _, in := range list {
			ids, owners = append(ids, id.New(now())), append(owners, rec.target)
			issuers, subjects = append(issuers, in.Provider), append(subjects, in.Subject)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	tag, err := q.Exec(ctx, insertIdentitiesSQL, ids, owners, issuers, subjects)
	if err == nil && tag.RowsAffected() < int64(len(ids)) {
		return errIdentity
	}
	return postgres.Fault(err)
}

const selectDigestSQL = `
select digest from auth.passwords where user_id = $1`

// selectDigest returns the digest of a user's password, "" if there is none.
func selectDigest(ctx context.Context, q postgres.Querier, userID id.User) (string, error) {
	var digest string
	err := q.QueryRow(ctx, selectDigestSQL, userID).Scan(&digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return digest, postgres.Fault(err)
}

const selectLinesSQL = `
select u.id, u.email, u.email_verified_at is not null, u.user_metadata, u.app_metadata, u.created_at, u.last_sign_in_at, u.banned_until,
	case when $2::boolean then (select p.digest from auth.passwords p where p.user_id = u.id) end,
	(select coalesce(json_agg(json_build_object('provider', i.issuer, 'subject', i.subject) order by i.issuer, i.subject), '[]')
		from auth.identities i where i.user_id = u.id and i.issuer <> 'email')
from auth.users u
where u.id > $1 order by u.id limit $3`

// selectLines returns accounts after one, by id.
func selectLines(ctx context.Context, q postgres.Querier, after id.User, credentials bool, limit int) ([]Line, error) {
	rows, err := q.Query(ctx, selectLinesSQL, after, credentials, limit)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Line, error) {
		var l Line
		var userData, appData, identities []byte
		l.ID, l.EmailVerified = new(id.User), new(bool)
		err := row.Scan(l.ID, &l.Email, l.EmailVerified, &userData, &appData, &l.CreatedAt, &l.LastSignInAt, &l.BannedUntil, &l.PasswordDigest, &identities)
		if err == nil {
			err = l.decode(userData, appData, identities)
		}
		return l, err
	})
	return lines, postgres.Fault(err)
}

func (l *Line) decode(userData, appData, identities []byte) error {
	var err error
	if l.UserMetadata, err = user.Decode(userData); err != nil {
		return err
	}
	if l.AppMetadata, err = user.Decode(appData); err != nil {
		return err
	}
	return json.Unmarshal(identities, &l.Identities)
}
