package doctor

import (
	"context"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const clockSQL = `select clock_timestamp()`

func selectClock(ctx context.Context, q postgres.Querier) (time.Time, error) {
	var at time.Time
	err := q.QueryRow(ctx, clockSQL).Scan(&at)
	return at, postgres.Fault(err)
}

// installationSQL digests what two databases do not have in common: when this
// one was first migrated, its number, and its cluster as far as that may be read.
const installationSQL = `
select encode(substr(sha256(convert_to(concat_ws(' ', 'fluxbase installation',
	(select extract(epoch from m.tstamp) from auth.server_migrations m order by m.id limit 1),
	(select d.oid from pg_catalog.pg_database d where d.datname = current_database()),
	case when has_function_privilege('pg_catalog.pg_control_system()', 'execute')
		then (select s.system_identifier from pg_catalog.pg_control_system() s) end), 'UTF8')), 1, 16), 'hex')`

// Installation identifies the database that a server works on. It is no secret,
// stays the same for as long as the database does, and is another one in a copy.
func Installation(ctx context.Context, q postgres.Querier) (string, error) {
	var digest string
	err := q.QueryRow(ctx, installationSQL).Scan(&digest)
	return digest, postgres.Fault(err)
}

// roleRow is a login, and what is doubtful about it.
type roleRow struct {
	Name     string
	Super    bool
	Bypasses bool
	Service  bool // it can become service_role
	Own      bool // the login that we are
}

// rolesSQL finds logins that can do what requests must not. A superuser can
// become anybody and is not told of twice; $1 are the logins that may.
const rolesSQL = `
select r.rolname::text, r.rolsuper, r.rolbypassrls,
	not r.rolsuper and pg_has_role(r.oid, 'service_role', 'member'), r.rolname = session_user
from pg_catalog.pg_roles r
where r.rolcanlogin and r.rolname <> all($1)
	and (r.rolbypassrls or r.rolsuper and r.rolname = session_user or not r.rolsuper and pg_has_role(r.oid, 'service_role', 'member'))
	and (r.rolname = session_user or not r.rolsuper)
order by r.rolname`

func selectRoles(ctx context.Context, q postgres.Querier, but []string) ([]roleRow, error) {
	rows, err := q.Query(ctx, rolesSQL, append([]string{}, but...)) // all of no array is no answer
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[roleRow])
	return found, postgres.Fault(err)
}

// settingsSQL returns the settings that matter, as this connection has them.
const settingsSQL = `
select s.name, s.setting from pg_catalog.pg_settings s
where s.name in ('server_version_num', 'password_encryption', 'fsync', 'full_page_writes', 'autovacuum', 'row_security',
	'zero_damaged_pages', 'ignore_system_indexes', 'max_connections', 'superuser_reserved_connections', 'log_statement')`

func selectSettings(ctx context.Context, q postgres.Querier) (map[string]string, error) {
	rows, err := q.Query(ctx, settingsSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	listed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Value string }])
	found := map[string]string{}
	for _, s := range listed {
		found[s.Name] = s.Value
	}
	return found, postgres.Fault(err)
}

// connectionSQL says whether this connection is one over a network, and whether
// it is encrypted.
const connectionSQL = `
select inet_client_addr() is not null and not (inet_client_addr() <<= '127.0.0.0/8' or inet_client_addr() = '::1'),
	coalesce((select s.ssl from pg_catalog.pg_stat_ssl s where s.pid = pg_backend_pid()), false)`

func selectConnection(ctx context.Context, q postgres.Querier) (remote, encrypted bool, err error) {
	err = q.QueryRow(ctx, connectionSQL).Scan(&remote, &encrypted)
	return remote, encrypted, postgres.Fault(err)
}

// storageSQL returns how much of the transaction ids the oldest database of the
// cluster has used up, and by how many bytes the write-ahead log is kept for
// replicas that do not come for it.
const storageSQL = `
select (select d.datname::text from pg_catalog.pg_database d order by age(d.datfrozenxid) desc limit 1),
	(select max(age(d.datfrozenxid)) from pg_catalog.pg_database d)::int8,
	array(select s.slot_name::text from pg_catalog.pg_replication_slots s
		where not s.active and not pg_is_in_recovery() and pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) > $1 order by 1),
	array(select p.gid from pg_catalog.pg_prepared_xacts p where p.prepared < now() - interval '1 hour' order by 1),
	coalesce((select max(extract(epoch from now() - a.xact_start)) from pg_catalog.pg_stat_activity a
		where a.state = 'idle in transaction'), 0)::int8`

type storage struct {
	Database string
	Age      int64
	Slots    []string
	Prepared []string
	Idle     int64 // seconds, of the oldest transaction in which nothing happens
}

func selectStorage(ctx context.Context, q postgres.Querier, kept int64) (storage, error) {
	var s storage
	err := q.QueryRow(ctx, storageSQL, kept).Scan(&s.Database, &s.Age, &s.Slots, &s.Prepared, &s.Idle)
	return s, postgres.Fault(err)
}

// keyRow is a key of an application that is in force.
type keyRow struct {
	ID        string
	Kind      string
	Name      string
	CreatedAt time.Time
	LastUsed  *time.Time // nil if that is not known
	Expires   *time.Time
}

// liveKeysSQL reads through JSON what not every version of the schema has.
const liveKeysSQL = `
select k.id::text, k.kind, k.name, k.created_at,
	(to_jsonb(k) ->> 'last_used_at')::timestamptz, (to_jsonb(k) ->> 'expires_at')::timestamptz
from auth.api_keys k where k.revoked_at is null order by k.created_at limit 1000`

func selectLiveKeys(ctx context.Context, q postgres.Querier) ([]keyRow, error) {
	rows, err := q.Query(ctx, liveKeysSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[keyRow])
	return found, postgres.Fault(err)
}

const tracksUseSQL = `
select exists (select from pg_catalog.pg_attribute a
	where a.attrelid = 'auth.api_keys'::regclass and a.attname = 'last_used_at' and not a.attisdropped)`

// tracksUse says whether the schema knows when a key was last used.
func tracksUse(ctx context.Context, q postgres.Querier) (bool, error) {
	var known bool
	err := q.QueryRow(ctx, tracksUseSQL).Scan(&known)
	return known, postgres.Fault(err)
}

// aged is a key of ours that has been the active one for some time.
type aged struct {
	What  string // the purpose of a signing key, or the version of an encryption key
	Since time.Time
}

const agedKeysSQL = `
select 'signing key for ' || replace(s.purpose, '_', ' ') || 's', s.created_at from auth.signing_keys s where s.status = 'active' and s.created_at < $1
union all
select 'encryption key version ' || e.version, coalesce(e.activated_at, e.created_at) from auth.encryption_keys e
	where e.state = 'active' and coalesce(e.activated_at, e.created_at) < $2
order by 1`

func selectAgedKeys(ctx context.Context, q postgres.Querier, signing, encryption time.Time) ([]aged, error) {
	rows, err := q.Query(ctx, agedKeysSQL, signing, encryption)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[aged])
	return found, postgres.Fault(err)
}

// addressesSQL says from how many addresses how many people have signed in
// lately, and which address was most of it.
const addressesSQL = `
with entries as (
	select s.user_id, s.ip from auth.sessions s where s.created_at > $1 and s.ip is not null order by s.created_at desc limit 10000
)
select count(*), count(distinct e.user_id), count(distinct e.ip), host(mode() within group (order by e.ip)) from entries e`

type addresses struct {
	Sessions, People, Addresses int64
	Usual                       *string
}

func selectAddresses(ctx context.Context, q postgres.Querier, since time.Time) (addresses, error) {
	var a addresses
	err := q.QueryRow(ctx, addressesSQL, since).Scan(&a.Sessions, &a.People, &a.Addresses, &a.Usual)
	return a, postgres.Fault(err)
}

const hasSealsSQL = `select exists (select from auth.audit_seals)`

// HasSeals says whether the audit log was ever sealed.
func HasSeals(ctx context.Context, q postgres.Querier) (bool, error) {
	var has bool
	err := q.QueryRow(ctx, hasSealsSQL).Scan(&has)
	return has, postgres.Fault(err)
}

// parsed is an address as text; invalid for none.
func parsed(text *string) netip.Addr {
	if text == nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(*text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
