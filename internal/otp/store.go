package otp

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

const insertSQL = `
insert into auth.flows (id, kind, user_id, new_user_id, email, token_digest, waiter_digest, code_digest, password_digest, data,
	redirect_to, change_id, amr, ip, user_agent, expires_at, mailed)
values ($1, $2, $3, $4, nullif($5, ''), $6, $7, $8, nullif($9, ''), coalesce(nullif($10, ''), '{}'),
	nullif($11, ''), $12, $13, $14, nullif($15, ''), now() + $16::interval, $17)`

func insert(ctx context.Context, q postgres.Querier, flow id.Flow, r Request, token, waiter, code []byte) error {
	_, err := q.Exec(ctx, insertSQL, flow, string(r.Kind), r.User.Nullable(), r.NewUser.Nullable(), r.Email, token, waiter, code,
		r.PasswordDigest, r.Data, r.RedirectTo, r.Change.Nullable(), r.AMR, nullable(r.From.Address), r.From.UserAgent, r.Life, r.Mailed)
	return postgres.Fault(err)
}

const columns = `f.id, f.kind, coalesce(f.user_id, '00000000-0000-0000-0000-000000000000'),
	coalesce(f.new_user_id, '00000000-0000-0000-0000-000000000000'), coalesce(f.email, ''), coalesce(f.redirect_to, ''),
	f.data, coalesce(f.password_digest, ''), coalesce(f.change_id, '00000000-0000-0000-0000-000000000000'),
	coalesce(f.amr, '{}'), f.ip, coalesce(f.user_agent, ''), f.created_at, f.expires_at, f.proven_at is not null, f.waiter_digest is not null`

func scan(row pgx.Row) (Flow, error) {
	var f Flow
	var address *netip.Addr
	err := row.Scan(&f.ID, &f.Kind, &f.User, &f.NewUser, &f.Email, &f.RedirectTo, &f.Data, &f.PasswordDigest, &f.Change,
		&f.AMR, &address, &f.From.UserAgent, &f.CreatedAt, &f.ExpiresAt, &f.Proven, &f.Waits)
	if errors.Is(err, pgx.ErrNoRows) {
		return f, ErrExpired
	}
	if address != nil {
		f.From.Address = *address
	}
	return f, postgres.Fault(err)
}

// open is a flow that is not over. The token of a mailed link is erased when
// that is confirmed in a browser; what can be found by a token can be consumed.
const open = `f.consumed_at is null and f.denied_at is null and f.expires_at > now()`

const selectOpenSQL = `
select ` + columns + ` from auth.flows f where f.token_digest = $1 and f.kind <> 'second_factor' and ` + open

func selectOpen(ctx context.Context, q postgres.Querier, token []byte) (Flow, error) {
	return scan(q.QueryRow(ctx, selectOpenSQL, token))
}

// held locks the user of a flow before the flow itself is, as do those who change
// the user and then cancel flows: otherwise the two could wait for each other.
// What has changed about the flow meanwhile is seen, because the conditions are
// evaluated again on a row that had to be waited for.
const held = ` and (select count(*) from owner) >= 0`

const consumeSQL = `
with owner as (
	select u.id from auth.users u where u.id = (select user_id from auth.flows where token_digest = $1) for no key update)
update auth.flows f set consumed_at = now() where f.token_digest = $1 and f.kind = any ($2) and ` + open + held + `
returning ` + columns

func consume(ctx context.Context, q postgres.Querier, token []byte, kinds []Kind) (Flow, error) {
	return scan(q.QueryRow(ctx, consumeSQL, token, kinds))
}

// Once the link has been confirmed the code is worth nothing, also to whoever has
// tried it just before.
const consumeIDSQL = `
with owner as (
	select u.id from auth.users u where u.id = (select user_id from auth.flows where id = $1) for no key update)
update auth.flows f set consumed_at = now() where f.id = $1 and f.proven_at is null and ` + open + held + `
returning ` + columns

func consumeID(ctx context.Context, q postgres.Querier, flow id.Flow) (Flow, error) {
	return scan(q.QueryRow(ctx, consumeIDSQL, flow))
}

// A try is taken before the code is looked at: however many come at once, no
// more than the limit are compared.
const tryCodeSQL = `
update auth.flows t set code_tries = t.code_tries + 1
where t.id = (
		select f.id from auth.flows f
		where f.email = $1 and f.kind = any ($2) and f.code_digest is not null and ` + open + `
		order by f.created_at desc, f.id desc limit 1)
	and t.code_tries < $3
returning t.id, t.code_digest`

func tryCode(ctx context.Context, q postgres.Querier, email string, kinds []Kind, tries int) (flow id.Flow, code []byte, err error) {
	return scanCode(q.QueryRow(ctx, tryCodeSQL, email, kinds, tries))
}

const tryPageSQL = `
update auth.flows f set secret_tries = f.secret_tries + 1
where f.waiter_digest = $4 and f.email = $1 and f.kind = any ($2) and f.code_digest is not null and f.secret_tries < $3 and ` + open + `
returning f.id, f.code_digest`

func tryPage(ctx context.Context, q postgres.Querier, email string, waiter []byte, kinds []Kind, tries int) (flow id.Flow, code []byte, err error) {
	return scanCode(q.QueryRow(ctx, tryPageSQL, email, kinds, tries, waiter))
}

func scanCode(row pgx.Row) (flow id.Flow, code []byte, err error) {
	err = row.Scan(&flow, &code)
	if errors.Is(err, pgx.ErrNoRows) {
		return flow, nil, ErrExpired
	}
	return flow, code, postgres.Fault(err)
}

const tryTokenSQL = `
update auth.flows f set secret_tries = f.secret_tries + 1
where f.token_digest = $1 and f.kind = $2 and f.secret_tries < $3 and ` + open + `
returning ` + columns

func tryToken(ctx context.Context, q postgres.Querier, token []byte, kind Kind, tries int) (Flow, error) {
	return scan(q.QueryRow(ctx, tryTokenSQL, token, kind, tries))
}

// Whoever waits has a while to come in, even if the link was confirmed in the
// last second of its time.
const settleSQL = `
with owner as (
	select u.id from auth.users u where u.id = (select user_id from auth.flows where token_digest = $1) for no key update)
update auth.flows f set proven_at = now(), token_digest = $2, code_digest = null,
	spent_digest = case when f.redirect_to is not null then f.token_digest end,
	waiter_digest = case when $2::bytea is null then f.waiter_digest end,
	expires_at = case when $2::bytea is null then greatest(f.expires_at, now() + $3::interval) else now() + $3::interval end
where f.token_digest = $1 and f.kind = any ($4) and f.proven_at is null and ` + open + held + `
returning ` + columns

func settle(ctx context.Context, q postgres.Querier, token, fresh []byte, life time.Duration, kinds []Kind) (Flow, error) {
	return scan(q.QueryRow(ctx, settleSQL, token, fresh, life, kinds))
}

const selectRedirectSQL = `
select redirect_to from auth.flows
where (token_digest = $1 or spent_digest = $1) and redirect_to is not null and kind not in ('second_factor', 'reauthentication')`

func selectRedirect(ctx context.Context, q postgres.Querier, token []byte) (url string, err error) {
	err = q.QueryRow(ctx, selectRedirectSQL, token).Scan(&url)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return url, postgres.Fault(err)
}

const updateUserSQL = `
update auth.flows set user_id = $2, proven_at = coalesce(proven_at, now()), password_digest = null where id = $1`

func updateUser(ctx context.Context, q postgres.Querier, flow id.Flow, userID id.User) error {
	_, err := q.Exec(ctx, updateUserSQL, flow, userID)
	return postgres.Fault(err)
}

const denySQL = `
with owner as (
	select u.id from auth.users u where u.id = (select user_id from auth.flows where token_digest = $1) for no key update)
update auth.flows f set denied_at = now() where f.token_digest = $1 and f.kind <> 'second_factor' and ` + open + held + `
returning ` + columns

func deny(ctx context.Context, q postgres.Querier, token []byte) (Flow, error) {
	return scan(q.QueryRow(ctx, denySQL, token))
}

const claimSQL = `
with owner as (
	select u.id from auth.users u where u.id = (select user_id from auth.flows where waiter_digest = $1) for no key update)
update auth.flows f set consumed_at = now()
where f.waiter_digest = $1 and f.proven_at is not null and ` + open + held + `
returning ` + columns

func claim(ctx context.Context, q postgres.Querier, waiter []byte) (Flow, error) {
	return scan(q.QueryRow(ctx, claimSQL, waiter))
}

const selectWaitingSQL = `
select ` + open + `, f.proven_at is not null, f.denied_at is not null from auth.flows f where f.waiter_digest = $1`

func selectWaiting(ctx context.Context, q postgres.Querier, waiter []byte) (isOpen, proven, denied bool, err error) {
	err = q.QueryRow(ctx, selectWaitingSQL, waiter).Scan(&isOpen, &proven, &denied)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, false, false, nil
	}
	return isOpen, proven, denied, postgres.Fault(err)
}

const selectLatestSQL = `
select ` + columns + ` from auth.flows f
where f.email = $1 and f.kind = $2 and f.denied_at is null and f.consumed_at is null and f.proven_at is null
order by f.created_at desc, f.id desc limit 1`

func selectLatest(ctx context.Context, q postgres.Querier, email string, kind Kind) (Flow, error) {
	return scan(q.QueryRow(ctx, selectLatestSQL, email, string(kind)))
}

// near says whether a flow was asked for from a network.
const near = `(f.ip between $4::inet and $5::inet or f.ip is null and $4::inet is null)`

const countMailedSQL = `
select count(*) filter (where ` + near + `), count(*),
	exists (select from auth.flows f where f.email = $1 and f.kind = $2 and f.denied_at > now() - $6::interval and ` + near + `),
	exists (select from auth.users u join auth.known_places k on k.user_id = u.id where u.email = $1 and k.ip between $4::inet and $5::inet)
from auth.flows f where f.email = $1 and f.kind = $2 and f.mailed and f.created_at > now() - $3::interval`

const lockAddressSQL = `select pg_try_advisory_xact_lock(hashtextextended($1, 7160936))`

// countMailed does not wait for the lock: whoever asks about one address many
// times at once would hold as many connections.
func countMailed(ctx context.Context, q postgres.Querier, email string, kind Kind, from session.Place, since, refused time.Duration) (m Mailed, ok bool, err error) {
	if err := q.QueryRow(ctx, lockAddressSQL, email).Scan(&ok); err != nil || !ok {
		return m, false, postgres.Fault(err)
	}
	err = q.QueryRow(ctx, countMailedSQL, email, string(kind), since, nullable(from.First), nullable(from.Last), refused).
		Scan(&m.Near, &m.All, &m.Denied, &m.Known)
	return m, true, postgres.Fault(err)
}

// nullable is an address as a parameter.
func nullable(address netip.Addr) *netip.Addr {
	if !address.IsValid() {
		return nil
	}
	return &address
}

const selectOfSQL = `select ` + columns + ` from auth.flows f where f.waiter_digest = $1`

func selectOf(ctx context.Context, q postgres.Querier, waiter []byte) (Flow, error) {
	return scan(q.QueryRow(ctx, selectOfSQL, waiter))
}

// A link may have been mailed to the address before there was the account. One
// of those that is being confirmed right now belongs to nobody yet, and its
// transaction may be waiting for this one.
const cancelSQL = `
update auth.flows set consumed_at = now() where id in (
	select id from auth.flows where user_id = $1 and kind = any ($2) and consumed_at is null
	union all
	select o.id from (
		select f.id from auth.flows f
		where f.user_id is null and f.email = (select email from auth.users where id = $1) and f.kind = any ($2) and f.consumed_at is null
		for update skip locked) o)
	and consumed_at is null`

func cancel(ctx context.Context, q postgres.Querier, userID id.User, kinds []Kind) error {
	_, err := q.Exec(ctx, cancelSQL, userID, kinds)
	return postgres.Fault(err)
}

// One that is over, denied or cancelled remains outstanding.
const selectOpenChangeSQL = `
select exists (select from auth.flows where change_id = $1 and proven_at is null)`

func selectOpenChange(ctx context.Context, q postgres.Querier, change id.UUID) (bool, error) {
	var open bool
	err := q.QueryRow(ctx, selectOpenChangeSQL, change).Scan(&open)
	return open, postgres.Fault(err)
}

const deleteOldSQL = `
delete from auth.flows where id in (
	select id from auth.flows where expires_at < now() - $1::interval order by expires_at limit $2 for update skip locked)`

func deleteOld(ctx context.Context, q postgres.Querier, age time.Duration, limit int) (int64, error) {
	tag, err := q.Exec(ctx, deleteOldSQL, age, limit)
	return tag.RowsAffected(), postgres.Fault(err)
}
