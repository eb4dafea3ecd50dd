package encryption

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// No API role may lock a table of ours, as it may take any advisory lock.
const lockSQL = `lock table auth.encryption_keys in share row exclusive mode`

// lock lets one transaction at a time change what keys are for.
func lock(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, lockSQL)
	return postgres.Fault(err)
}

// ErrBusy is the fault of a change for which there was no gap between the
// transactions that seal values.
var ErrBusy = fault.New(fault.Unavailable, "encryption_keys_busy", "Transactions that keep secrets hold on to the active key.")

const (
	lockTimeoutSQL = `select set_config('lock_timeout', $1, true)`
	lockTableSQL   = `lock table auth.encryption_keys in exclusive mode`
)

// lockTable waits for the transactions that are sealing, each of which has a
// lock on the key that is active. Those that come later queue behind this one,
// which would find no gap between them otherwise; so it waits for a second at
// most, and returns ErrBusy.
func lockTable(ctx context.Context, q postgres.Querier) error {
	for _, step := range []func() error{
		func() error { _, err := q.Exec(ctx, lockTimeoutSQL, "1s"); return err },
		func() error { _, err := q.Exec(ctx, lockTableSQL); return err },
		func() error { _, err := q.Exec(ctx, lockTimeoutSQL, "0"); return err },
	} {
		err := step()
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "55P03" {
			return ErrBusy.Because(err)
		}
		if err != nil {
			return postgres.Fault(err)
		}
	}
	return nil
}

const selectKeysSQL = `
select version, source, provider, wrapping_key, state, reason, created_at, activated_at, retired_at, wrapped, check_value
from auth.encryption_keys order by version`

func selectKeys(ctx context.Context, q postgres.Querier) ([]Key, error) {
	rows, err := q.Query(ctx, selectKeysSQL)
	if err != nil {
		return nil, fmt.Errorf("reading the encryption keys: %w", postgres.Fault(err))
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		var k Key
		err := row.Scan(&k.Version, &k.Source, &k.Provider, &k.WrappingKey, &k.State, &k.Reason,
			&k.CreatedAt, &k.ActivatedAt, &k.RetiredAt, &k.wrapped, &k.check)
		return k, err
	})
	return keys, postgres.Fault(err)
}

const selectActiveSQL = `select coalesce(max(version), 0) from auth.encryption_keys where state = 'active'`

func selectActive(ctx context.Context, q postgres.Querier) (uint32, error) {
	var version uint32
	err := q.QueryRow(ctx, selectActiveSQL).Scan(&version)
	return version, postgres.Fault(err)
}

const insertKeySQL = `
insert into auth.encryption_keys (version, source, provider, wrapping_key, wrapped, check_value, state)
values ($1, $2, $3, $4, $5, $6, 'standby')`

func insertKey(ctx context.Context, q postgres.Querier, k Key) error {
	_, err := q.Exec(ctx, insertKeySQL, k.Version, k.Source, k.Provider, k.WrappingKey, k.wrapped, k.check)
	return postgres.Fault(err)
}

const insertKeyIfMissingSQL = insertKeySQL + ` on conflict (version) do nothing`

func insertKeyIfMissing(ctx context.Context, q postgres.Querier, k Key) (int64, error) {
	tag, err := q.Exec(ctx, insertKeyIfMissingSQL, k.Version, k.Source, k.Provider, k.WrappingKey, k.wrapped, k.check)
	return tag.RowsAffected(), postgres.Fault(err)
}

// A key is unused if it was never active, nothing is sealed under it, and no
// running program but this one has it.
const replaceCheckSQL = `
update auth.encryption_keys k set check_value = $2
where version = $1 and source = 'configuration' and state = 'standby' and activated_at is null
	and not exists (select from auth.sealed_values where key_version = $1)
	and not exists (select from auth.instances i where i.key_versions @> array[$1::integer] and i.seen_at > now() - interval '15 seconds')`

func replaceCheck(ctx context.Context, q postgres.Querier, version uint32, check []byte) (int64, error) {
	tag, err := q.Exec(ctx, replaceCheckSQL, version, check)
	return tag.RowsAffected(), postgres.Fault(err)
}

const retireActiveSQL = `
update auth.encryption_keys set state = 'retired', retired_at = now() where state = 'active'`

const activateSQL = `
update auth.encryption_keys set state = 'active', activated_at = now(), retired_at = null where version = $1`

// activate waits for transactions that are sealing under the key that was
// active before. It returns ErrBusy.
func activate(ctx context.Context, q postgres.Querier, version uint32) error {
	if err := lockTable(ctx, q); err != nil {
		return err
	}
	if _, err := q.Exec(ctx, retireActiveSQL); err != nil {
		return postgres.Fault(err)
	}
	_, err := q.Exec(ctx, activateSQL, version)
	return postgres.Fault(err)
}

const rollBackSQL = `
update auth.encryption_keys set state = 'rolled_back', reason = $2, retired_at = coalesce(retired_at, now())
where version > $1 and state in ('standby', 'active', 'retired')`

// rollBack returns ErrBusy.
func rollBack(ctx context.Context, q postgres.Querier, to uint32, reason string) (int64, error) {
	if err := lockTable(ctx, q); err != nil {
		return 0, err
	}
	tag, err := q.Exec(ctx, rollBackSQL, to, reason)
	return tag.RowsAffected(), postgres.Fault(err)
}

const updateWrappedSQL = `
update auth.encryption_keys set provider = $3, wrapping_key = $4, wrapped = $5
where version = $1 and wrapped = $2`

// updateWrapped changes nothing if somebody else has wrapped the key meanwhile.
func updateWrapped(ctx context.Context, q postgres.Querier, k *Key, provider string, w keyring.Wrapped) error {
	_, err := q.Exec(ctx, updateWrappedSQL, k.Version, k.wrapped, provider, w.KeyID, w.Ciphertext)
	return postgres.Fault(err)
}

// A key under which nothing is sealed stays so, since it is not active.
const destroySQL = `
update auth.encryption_keys set state = 'destroyed', wrapped = null
where version = $1 and source = 'generated' and state in ('retired', 'rolled_back')
	and not exists (select from auth.sealed_values where key_version = $1)`

func destroy(ctx context.Context, q postgres.Querier, version uint32) (int64, error) {
	tag, err := q.Exec(ctx, destroySQL, version)
	return tag.RowsAffected(), postgres.Fault(err)
}

const discardSQL = `
update auth.encryption_keys set state = 'destroyed', wrapped = null
where version = $1 and source = 'generated' and state = 'standby'`

func discard(ctx context.Context, q postgres.Querier, version uint32) (int64, error) {
	tag, err := q.Exec(ctx, discardSQL, version)
	return tag.RowsAffected(), postgres.Fault(err)
}

const upsertInstanceSQL = `
insert into auth.instances (id, name, key_versions, requests) values ($1, $2, $3, $4)
on conflict (id) do update set key_versions = excluded.key_versions, requests = excluded.requests, seen_at = now(),
	steady_since = case when instances.seen_at < now() - interval '15 seconds' then now() else instances.steady_since end`

func upsertInstance(ctx context.Context, q postgres.Querier, instance id.Instance, name string, versions []uint32, requests float64) error {
	_, err := q.Exec(ctx, upsertInstanceSQL, instance, name, versions, requests)
	return postgres.Fault(err)
}

const selectTrafficSQL = `
select coalesce(sum(requests), 0)::float8 from auth.instances where id <> $1 and seen_at > now() - interval '15 seconds'`

// selectTraffic returns how many requests a second the other instances answer.
func selectTraffic(ctx context.Context, q postgres.Querier, but id.Instance) (float64, error) {
	var n float64
	err := q.QueryRow(ctx, selectTrafficSQL, but).Scan(&n)
	return n, postgres.Fault(err)
}

const deleteInstanceSQL = `
delete from auth.instances where id = $1 or seen_at < now() - interval '1 day'`

func deleteInstance(ctx context.Context, q postgres.Querier, instance id.Instance) error {
	_, err := q.Exec(ctx, deleteInstanceSQL, instance)
	return postgres.Fault(err)
}

// An instance is gone if it has not been seen for three of its beats, while the
// one that asks has been there all the time: after an outage nobody is gone
// before they have had the time to say that they are there.
const selectLackingSQL = `
select o.name from auth.instances o, auth.instances me
where me.id = $2 and not o.key_versions @> array[$1::integer]
	and (o.seen_at > now() - interval '15 seconds' or me.steady_since > now() - interval '15 seconds')
	and o.seen_at > now() - interval '1 day'
order by o.name`

func selectLacking(ctx context.Context, q postgres.Querier, version uint32, asking id.Instance) ([]string, error) {
	rows, err := q.Query(ctx, selectLackingSQL, version, asking)
	if err != nil {
		return nil, fmt.Errorf("reading the instances: %w", postgres.Fault(err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, postgres.Fault(err)
}
