package session

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

var errNoSession = errors.New("no such session")

// insertSQL makes no session for somebody who is banned. It locks the user, so
// that a ban either sees the session and ends it, or is seen here, and sign-ins
// of one user wait for each other.
const insertSQL = `
with holder as (
	select id, coalesce(banned_until > now(), false) as banned from auth.users where id = $2 for no key update),
made as (
	insert into auth.sessions (id, user_id, expires_at, aal, amr, ip, user_agent, actor, device)
	select $1, h.id, $3, $4, $5, $6, nullif($7, ''), nullif($8, ''), $9 from holder h where not h.banned)
select h.banned, exists (
	select from auth.known_places k where k.user_id = h.id and k.device = $9 and k.ip between $10::inet and $11::inet)
from holder h`

// insert says whether the user has come in from the place before. It returns
// ErrBanned, or errNoSession if there is no such user.
func insert(ctx context.Context, q postgres.Querier, l Live, userID id.User, from Origin) (known bool, err error) {
	var banned bool
	place := from.Place()
	err = q.QueryRow(ctx, insertSQL, l.ID, userID, l.ExpiresAt, l.AAL, l.AMR, address(from.Address), from.UserAgent, l.Actor,
		place.Device, address(place.First), address(place.Last)).Scan(&banned, &known)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, errNoSession
	case err == nil && banned:
		return false, ErrBanned
	}
	return known, postgres.Fault(err)
}

const clearDeviceSQL = `update auth.sessions set device = null where id = $1`

func clearDevice(ctx context.Context, q postgres.Querier, sessionID id.Session) error {
	_, err := q.Exec(ctx, clearDeviceSQL, sessionID)
	return postgres.Fault(err)
}

const selectLiveSQL = `
select s.id, s.generation, s.expires_at, s.aal, s.amr, coalesce(s.actor, ''),
	u.id, coalesce(u.email, ''), u.is_anonymous, u.app_metadata, u.claims_version, d.document
from auth.sessions s
join auth.users u on u.id = s.user_id
join auth.user_documents d on d.id = s.user_id
where s.id = $1 and s.ended_at is null`

func selectLive(ctx context.Context, q postgres.Querier, sessionID id.Session) (Live, error) {
	var l Live
	err := q.QueryRow(ctx, selectLiveSQL, sessionID).Scan(&l.ID, &l.Generation, &l.ExpiresAt, &l.AAL, &l.AMR, &l.Actor,
		&l.User.ID, &l.User.Email, &l.User.Anonymous, (*[]byte)(&l.User.AppMetadata), &l.User.Version, (*[]byte)(&l.Document))
	if errors.Is(err, pgx.ErrNoRows) {
		return l, errNoSession
	}
	return l, postgres.Fault(err)
}

const selectFreshSQL = `
select authenticated_at > now() - $2::interval from auth.sessions where id = $1 and ended_at is null`

func selectFresh(ctx context.Context, q postgres.Querier, sessionID id.Session, window time.Duration) (fresh bool, err error) {
	err = q.QueryRow(ctx, selectFreshSQL, sessionID, window).Scan(&fresh)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, ErrNotFound
	}
	return fresh, postgres.Fault(err)
}

const updateProvenSQL = `
update auth.sessions set authenticated_at = now(),
	amr = case when $2 = '' or $2 = any (amr) then amr else amr || $2 end
where id = $1 and ended_at is null
returning authenticated_at`

func updateProven(ctx context.Context, q postgres.Querier, sessionID id.Session, method string) (at time.Time, err error) {
	err = q.QueryRow(ctx, updateProvenSQL, sessionID, method).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return at, ErrNotFound
	}
	return at, postgres.Fault(err)
}

const raiseSQL = `
update auth.sessions set aal = 'aal2', authenticated_at = now(),
	amr = array(select distinct unnest(amr || array[$2, 'mfa']))
where id = $1 and ended_at is null`

func raise(ctx context.Context, q postgres.Querier, sessionID id.Session, method string) error {
	tag, err := q.Exec(ctx, raiseSQL, sessionID, method)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return postgres.Fault(err)
}

// Identifiers sort by creation, so old sessions are found without an index on
// instants that would make every refresh dearer: a pass goes over the
// identifiers from the oldest on, and stops at those too young to be over.
const cleanSQL = `
with looked as (
	select id, ended_at, last_used_at, expires_at, created_at from auth.sessions where id > $1 order by id limit $2),
old as (
	select s.id from auth.sessions s join looked l on l.id = s.id
	where least(l.ended_at, l.expires_at, l.last_used_at + $3::interval) < now() - $4::interval
	for update of s skip locked),
removed as (delete from auth.sessions s using old where s.id = old.id)
select coalesce((select id from looked where created_at < now() - $4::interval order by id desc limit 1), '00000000-0000-0000-0000-000000000000'),
	(select count(*) from looked), (select count(*) from old)`

func clean(ctx context.Context, q postgres.Querier, after id.Session, limit int, idle, age time.Duration) (next id.Session, removed int64, err error) {
	var looked int
	err = q.QueryRow(ctx, cleanSQL, after, limit, idle, age).Scan(&next, &looked, &removed)
	if looked < limit {
		next = id.Session{}
	}
	return next, removed, postgres.Fault(err)
}

// rotateSQL is the whole rule of refreshing. Where two callers meet, the second
// waits for the row and then sees what the first has made of it, because SET
// and WHERE are evaluated again on the new version.
//
// A session that was over already is not updated: its reason is read instead. It
// is found by its identifier: a condition on ended_at would also match the index
// of all that are over, which looks cheap while the statement is planned and
// there are few.
const rotateSQL = `
with presented as (select $1::uuid as id, $2::bigint as generation, now() - $3::interval as grace, now() - $4::interval as idle),
rotated as (
	update auth.sessions s set
		generation = case when p.generation = s.generation and s.last_used_at > p.idle and s.expires_at > now()
			then s.generation + 1 else s.generation end,
		rotated_at = case when p.generation = s.generation then now() else s.rotated_at end,
		last_used_at = now(),
		ended_at = case
			when s.expires_at <= now() or s.last_used_at <= p.idle then now()
			when p.generation = s.generation then null
			when p.generation = s.generation - 1 and s.rotated_at > p.grace then null
			else now() end,
		end_reason = case
			when s.expires_at <= now() then 'expired'
			when s.last_used_at <= p.idle then 'idle'
			when p.generation = s.generation then null
			when p.generation = s.generation - 1 and s.rotated_at > p.grace then null
			else 'reuse_detected' end
	from presented p
	where s.id = p.id and s.ended_at is null and p.generation <= s.generation
	returning s.*),
audited as (
	insert into auth.audit_log (action, outcome, actor_kind, actor_id, target_kind, target_id, ip, request_id, details)
	select 'session.' || r.end_reason, 'failure', 'user', r.user_id, 'session', r.id, $5, nullif($6, ''),
		jsonb_build_object('session_ip', r.ip, 'presented_ip', $5::inet)
	from rotated r where r.end_reason is not null)
select s.id, s.generation, s.expires_at, s.aal, s.amr, coalesce(s.actor, ''), coalesce(s.end_reason, ''),
	u.id, coalesce(u.email, ''), u.is_anonymous, u.app_metadata, u.claims_version, d.document
from (
	select id, generation, expires_at, aal, amr, actor, end_reason, user_id from rotated
	union all
	select s.id, s.generation, s.expires_at, s.aal, s.amr, s.actor, s.end_reason, s.user_id
	from auth.sessions s where s.id = $1 and s.end_reason is not null and not exists (select from rotated)
) s
join auth.users u on u.id = s.user_id
join auth.user_documents d on d.id = s.user_id`

func rotate(ctx context.Context, q postgres.Querier, sessionID id.Session, generation int64, config Config, from Origin) (Live, Reason, error) {
	var l Live
	var reason Reason
	err := q.QueryRow(ctx, rotateSQL, sessionID, generation, config.Grace, config.IdleTTL, address(from.Address), from.RequestID).
		Scan(&l.ID, &l.Generation, &l.ExpiresAt, &l.AAL, &l.AMR, &l.Actor, &reason,
			&l.User.ID, &l.User.Email, &l.User.Anonymous, (*[]byte)(&l.User.AppMetadata), &l.User.Version, (*[]byte)(&l.Document))
	if errors.Is(err, pgx.ErrNoRows) {
		return l, "", errNoSession
	}
	return l, reason, postgres.Fault(err)
}

const endSQL = `
update auth.sessions set ended_at = now(), end_reason = $3
where id = $1 and user_id = $2 and ended_at is null`

func end(ctx context.Context, q postgres.Querier, userID id.User, sessionID id.Session, reason Reason) (int64, error) {
	tag, err := q.Exec(ctx, endSQL, sessionID, userID, string(reason))
	return tag.RowsAffected(), postgres.Fault(err)
}

const endAllSQL = `
update auth.sessions set ended_at = now(), end_reason = $3
where user_id = $1 and id is distinct from $2 and ended_at is null
returning id`

func endAll(ctx context.Context, q postgres.Querier, userID id.User, except id.Session, reason Reason) ([]id.Session, error) {
	rows, err := q.Query(ctx, endAllSQL, userID, except, string(reason))
	if err != nil {
		return nil, postgres.Fault(err)
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[id.Session])
	return ended, postgres.Fault(err)
}

const selectByUserSQL = `
select id, created_at, last_used_at, expires_at, ip, user_agent, aal, amr, actor
from auth.sessions
where user_id = $1 and ended_at is null and expires_at > now() and last_used_at > now() - $2::interval
	and ($3::uuid is null or id = $3)
order by last_used_at desc, id
limit 1000`

// selectByUser returns the live sessions of a user, or one of them.
func selectByUser(ctx context.Context, q postgres.Querier, userID id.User, idle time.Duration, only *id.Session) ([]Session, error) {
	rows, err := q.Query(ctx, selectByUserSQL, userID, idle, only)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Session, error) {
		var s Session
		var actor *string
		err := row.Scan(&s.ID, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt, &s.IP, &s.UserAgent, &s.AAL, &s.AMR, &actor)
		s.Act, s.Device = act(actor), Device(s.UserAgent)
		return s, err
	})
	return sessions, postgres.Fault(err)
}

const selectReasonSQL = `
select coalesce(s.end_reason, ''), u.claims_version
from auth.sessions s join auth.users u on u.id = s.user_id
where s.id = $1`

// selectReason returns why a session is over, "" if it is not, and the version
// of what tokens say about its user. It returns errNoSession.
func selectReason(ctx context.Context, q postgres.Querier, sessionID id.Session) (Reason, int64, error) {
	var reason Reason
	var version int64
	err := q.QueryRow(ctx, selectReasonSQL, sessionID).Scan(&reason, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", 0, errNoSession
	}
	return reason, version, postgres.Fault(err)
}

// selectRevocationsSQL reads what has been committed since a snapshot: rows of
// transactions that were still running then are above its xmin.
const selectRevocationsSQL = `
select kind, subject, version, pg_snapshot_xmin(pg_current_snapshot())::text from auth.revocations
where xid >= $1::text::xid8 and at > now() - $2::interval
union all
select '', '00000000-0000-0000-0000-000000000000', 0, pg_snapshot_xmin(pg_current_snapshot())::text`

type revocation struct {
	kind    string
	subject id.UUID
	version int64
	horizon string
}

func selectRevocations(ctx context.Context, q postgres.Querier, horizon string, age time.Duration) ([]revocation, error) {
	rows, err := q.Query(ctx, selectRevocationsSQL, horizon, age)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (revocation, error) {
		var r revocation
		err := row.Scan(&r.kind, &r.subject, &r.version, &r.horizon)
		return r, err
	})
	return found, postgres.Fault(err)
}

const deleteRevocationsSQL = `
delete from auth.revocations where at < now() - $1::interval`

func deleteRevocations(ctx context.Context, q postgres.Querier, age time.Duration) error {
	_, err := q.Exec(ctx, deleteRevocationsSQL, age)
	return postgres.Fault(err)
}

func address(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a
}

// The statement is planned for whether there is a user: their sessions are few,
// and those of all have to come in order.
const selectOwnedSQL = `
select p.user_id, u.email, p.id, p.created_at, p.last_used_at, p.expires_at, p.ip, p.user_agent, p.aal, p.amr, p.actor
from (
	select s.* from auth.sessions s
	where ($1::uuid is null or s.user_id = $1) and ($2::uuid is null or s.id < $2)
		and s.ended_at is null and s.expires_at > now() and s.last_used_at > now() - $3::interval
	order by s.id desc limit $4) p
join auth.users u on u.id = p.user_id
order by p.id desc`

func selectOwned(ctx context.Context, q postgres.Querier, userID id.User, before *id.Session, idle time.Duration, limit int) ([]Owned, error) {
	rows, err := q.Query(ctx, selectOwnedSQL, pgx.QueryExecModeCacheDescribe, userID.Nullable(), before, idle, limit)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Owned, error) {
		var s Owned
		var actor *string
		err := row.Scan(&s.UserID, &s.Email, &s.ID, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt, &s.IP, &s.UserAgent, &s.AAL, &s.AMR, &actor)
		s.Act = act(actor)
		return s, err
	})
	return found, postgres.Fault(err)
}

const endOneSQL = `
update auth.sessions set ended_at = now(), end_reason = $2
where id = $1 and ended_at is null
returning user_id`

func endOne(ctx context.Context, q postgres.Querier, sessionID id.Session, reason Reason) (id.User, error) {
	var userID id.User
	err := q.QueryRow(ctx, endOneSQL, sessionID, string(reason)).Scan(&userID)
	if errors.Is(err, pgx.ErrNoRows) {
		return userID, errNoSession
	}
	return userID, postgres.Fault(err)
}
