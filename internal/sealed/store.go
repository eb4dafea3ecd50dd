package sealed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

type record struct {
	id         id.Sealed
	tenant     id.Tenant
	purpose    string
	subject    string
	keyVersion uint32
	envelope   []byte
}

// writer writes a record and returns how many rows that was: none, if its key
// version is not the active one.
type writer func(ctx context.Context, q postgres.Querier, r record) (int64, error)

// The lock on the key's row makes whoever retires the key wait for this
// transaction, and so see what it has sealed.
const insertSQL = `
insert into auth.sealed_values (id, sub_tenant_id, purpose, subject, key_version, envelope)
select $1, $2, $3, $4, k.version, $6
from auth.encryption_keys k where k.version = $5 and k.state = 'active' for share`

func insert(ctx context.Context, q postgres.Querier, r record) (int64, error) {
	tag, err := q.Exec(ctx, insertSQL, r.id, r.tenant.Nullable(), r.purpose, r.subject, r.keyVersion, r.envelope)
	return tag.RowsAffected(), postgres.Fault(err)
}

const insertIfMissingSQL = `
with active as (select version from auth.encryption_keys where version = $5 and state = 'active' for share),
written as (
	insert into auth.sealed_values (id, sub_tenant_id, purpose, subject, key_version, envelope)
	select $1, $2, $3, $4, version, $6 from active
	on conflict (purpose, subject) do nothing)
select from active`

// insertIfMissing counts a value that exists as written.
func insertIfMissing(ctx context.Context, q postgres.Querier, r record) (int64, error) {
	tag, err := q.Exec(ctx, insertIfMissingSQL, r.id, r.tenant.Nullable(), r.purpose, r.subject, r.keyVersion, r.envelope)
	return tag.RowsAffected(), postgres.Fault(err)
}

const updateSQL = `
with active as (select version from auth.encryption_keys where version = $2 and state = 'active' for share),
written as (
	update auth.sealed_values v set envelope = $3, key_version = active.version, updated_at = now()
	from active where v.id = $1
	returning 1)
select (select count(*) from written), exists (select from active)`

// update returns ErrNotFound if the key version is active and the value is gone.
func update(ctx context.Context, q postgres.Querier, r record) (n int64, err error) {
	var active bool
	err = q.QueryRow(ctx, updateSQL, r.id, r.keyVersion, r.envelope).Scan(&n, &active)
	if err == nil && active && n == 0 {
		return 0, ErrNotFound
	}
	return n, postgres.Fault(err)
}

const selectByIDSQL = `
select id, sub_tenant_id, purpose, subject, key_version, envelope from auth.sealed_values where id = $1`

func selectByID(ctx context.Context, q postgres.Querier, sealedID id.Sealed) (record, error) {
	return scan(q.QueryRow(ctx, selectByIDSQL, sealedID))
}

const selectByNameSQL = `
select id, sub_tenant_id, purpose, subject, key_version, envelope from auth.sealed_values where purpose = $1 and subject = $2`

func selectByName(ctx context.Context, q postgres.Querier, purpose, subject string) (record, error) {
	return scan(q.QueryRow(ctx, selectByNameSQL, purpose, subject))
}

const removeSQL = `delete from auth.sealed_values where id = any ($1)`

func remove(ctx context.Context, q postgres.Querier, values []id.Sealed) error {
	_, err := q.Exec(ctx, removeSQL, values)
	return postgres.Fault(err)
}

func scan(row pgx.Row) (record, error) {
	r, err := scanRecord(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrNotFound
	}
	return r, postgres.Fault(err)
}

func scanRecord(row pgx.Row) (record, error) {
	var r record
	var tenant *id.Tenant
	err := row.Scan(&r.id, &tenant, &r.purpose, &r.subject, &r.keyVersion, &r.envelope)
	if tenant != nil {
		r.tenant = *tenant
	}
	return r, err //nolint:wrapcheck // wrapped by the callers
}

// The index of key versions is read like a list of its different values.
const selectVersionsSQL = `
with recursive v (version) as (
	(select key_version from auth.sealed_values order by key_version limit 1)
	union all
	select (select key_version from auth.sealed_values where key_version > v.version order by key_version limit 1)
	from v where v.version is not null)
select version from v where version is not null`

func selectVersions(ctx context.Context, q postgres.Querier) ([]uint32, error) {
	rows, err := q.Query(ctx, selectVersionsSQL)
	if err != nil {
		return nil, fmt.Errorf("reading key versions: %w", postgres.Fault(err))
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	return versions, postgres.Fault(err)
}

const countSQL = `
select key_version, purpose, count(*) from auth.sealed_values
where $1::integer = 0 or key_version = $1
group by key_version, purpose order by key_version, purpose`

func count(ctx context.Context, q postgres.Querier, version uint32) ([]Count, error) {
	rows, err := q.Query(ctx, countSQL, version)
	if err != nil {
		return nil, fmt.Errorf("counting sealed values: %w", postgres.Fault(err))
	}
	counts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Count, error) {
		c := Count{Place: Place}
		err := row.Scan(&c.Version, &c.Purpose, &c.Count)
		return c, err
	})
	return counts, postgres.Fault(err)
}

const countOlderSQL = `
select count(*) from auth.sealed_values where key_version = $1 and created_at <= $2`

func countOlder(ctx context.Context, q postgres.Querier, version uint32, at time.Time) (int64, error) {
	var n int64
	err := q.QueryRow(ctx, countOlderSQL, version, at).Scan(&n)
	return n, postgres.Fault(err)
}

const selectBatchSQL = `
select id, sub_tenant_id, purpose, subject, key_version, envelope from auth.sealed_values
where key_version = $1 and id > $2 order by id limit $3`

// selectBatch keeps no more than limit records, and no more than size bytes of
// envelopes and one more.
func selectBatch(ctx context.Context, q postgres.Querier, version uint32, after id.Sealed, limit, size int) ([]record, error) {
	rows, err := q.Query(ctx, selectBatchSQL, version, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading sealed values: %w", postgres.Fault(err))
	}
	defer rows.Close()
	records := make([]record, 0, min(limit, likelyBatch))
	for size > 0 && rows.Next() { //nolint:forbidigo // collecting would go on to the end
		r, err := scanRecord(rows)
		if err != nil {
			return nil, postgres.Fault(err)
		}
		records = append(records, r)
		size -= len(r.envelope)
	}
	rows.Close()
	return records, postgres.Fault(rows.Err())
}

// likelyBatch is how many records there is room for from the beginning.
const likelyBatch = 500

// A value is written only if it is still the one that was read: the beginning
// of an envelope holds its nonce, which no other has. The statement gives up
// soon when it meets a value that a transaction is changing, long before that
// transaction could be the one that PostgreSQL ends for a deadlock. It does not
// wait for the disk: a move that a crash undoes leaves a value under its old
// key, where the run finds it again, and whatever says that the run is over, or
// the key no longer needed, is a later transaction that does wait.
const moveSQL = `
update auth.sealed_values v set envelope = u.envelope, key_version = active.version
from (select version from auth.encryption_keys
		where version = $1 and state = 'active'
			and set_config('lock_timeout', '200ms', true) <> '' and set_config('synchronous_commit', 'off', true) <> '' for share) active,
	unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u (id, head, envelope)
where v.id = u.id and substr(v.envelope, 1, 17) = u.head`

func move(ctx context.Context, q postgres.Querier, w rewrapped) (int, error) {
	tag, err := q.Exec(ctx, moveSQL, w.version, w.ids, w.heads, w.envelopes)
	return int(tag.RowsAffected()), postgres.Fault(err)
}

// moveAroundSQL is moveSQL that leaves alone what a transaction is changing. It
// costs more, since each value is locked first.
const moveAroundSQL = `
with active as (select version from auth.encryption_keys where version = $1 and state = 'active' for share),
free as (select id from auth.sealed_values where id = any ($2) for no key update skip locked),
moved as (
	update auth.sealed_values v set envelope = u.envelope, key_version = active.version
	from active, free, unnest($2::uuid[], $3::bytea[], $4::bytea[]) as u (id, head, envelope)
	where v.id = free.id and v.id = u.id and substr(v.envelope, 1, 17) = u.head
	returning 1)
select (select count(*) from moved), $5 - (select count(*) from free), exists (select from active)`

func moveAround(ctx context.Context, q postgres.Querier, w rewrapped) (m Moved, active bool, err error) {
	err = q.QueryRow(ctx, moveAroundSQL, w.version, w.ids, w.heads, w.envelopes, len(w.ids)).Scan(&m.Moved, &m.Busy, &active)
	return m, active, postgres.Fault(err)
}

const isActiveSQL = `select exists (select from auth.encryption_keys where version = $1 and state = 'active')`

func isActive(ctx context.Context, q postgres.Querier, version uint32) (bool, error) {
	var active bool
	err := q.QueryRow(ctx, isActiveSQL, version).Scan(&active)
	return active, postgres.Fault(err)
}

const countUnderSQL = `
select count(*) from auth.sealed_values where id = any ($2) and key_version = $1`

func countUnder(ctx context.Context, q postgres.Querier, version uint32, ids [][16]byte) (int, error) {
	var n int
	err := q.QueryRow(ctx, countUnderSQL, version, ids).Scan(&n)
	return n, postgres.Fault(err)
}
