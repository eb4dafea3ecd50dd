package secret

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const columns = `s.id, s.name, s.sub_tenant_id, s.description, s.version,
	(select v.expires_at from auth.secret_versions v where v.secret_id = s.id and v.version = s.version),
	s.created_at, s.updated_at, s.deleted_at`

func scanSecret(row pgx.Row) (Secret, error) {
	var k Secret
	err := row.Scan(&k.ID, &k.Name, &k.SubTenantID, &k.Description, &k.Version, &k.ExpiresAt, &k.CreatedAt, &k.UpdatedAt, &k.DeletedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, ErrNotFound
	}
	return k, postgres.Fault(err)
}

// Updating locks a secret that is there, and makes one after all if that is
// being purged.
const ensureSQL = `
insert into auth.secrets as s (id, sub_tenant_id, name, version) values ($1, $2, $3, 1)
on conflict (sub_tenant_id, name) do update set version = s.version
returning ` + columns

// ensure returns the secret of a name, locked. A new one has the version 0.
func ensure(ctx context.Context, q postgres.Querier, secretID id.Secret, n Name) (Secret, error) {
	k, err := scanSecret(q.QueryRow(ctx, ensureSQL, secretID, n.Tenant.Nullable(), n.Name))
	if k.ID == secretID {
		k.Version = 0
	}
	return k, err
}

const selectSecretSQL = `
select ` + columns + ` from auth.secrets s where s.sub_tenant_id is not distinct from $1::uuid and s.name = $2`

func selectSecret(ctx context.Context, q postgres.Querier, n Name) (Secret, error) {
	return scanSecret(q.QueryRow(ctx, selectSecretSQL, n.Tenant.Nullable(), n.Name))
}

const selectForUpdateSQL = selectSecretSQL + ` for update of s`

func selectForUpdate(ctx context.Context, q postgres.Querier, n Name) (Secret, error) {
	return scanSecret(q.QueryRow(ctx, selectForUpdateSQL, n.Tenant.Nullable(), n.Name))
}

// A sub-tenant's own comes before that of the whole installation.
const selectNearestSQL = `
select ` + columns + ` from auth.secrets s
where (s.sub_tenant_id = $1::uuid or s.sub_tenant_id is null) and s.name = $2 and s.deleted_at is null
order by s.sub_tenant_id nulls last limit 1`

func selectNearest(ctx context.Context, q postgres.Querier, n Name) (Secret, error) {
	return scanSecret(q.QueryRow(ctx, selectNearestSQL, n.Tenant.Nullable(), n.Name))
}

const selectSecretsSQL = `
select ` + columns + ` from auth.secrets s
where s.sub_tenant_id is not distinct from $1::uuid and s.name > $2 and s.deleted_at is null
order by s.name limit $3`

func selectSecrets(ctx context.Context, q postgres.Querier, tenant id.Tenant, after string, limit int) ([]Secret, error) {
	rows, err := q.Query(ctx, selectSecretsSQL, tenant.Nullable(), after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading secrets: %w", postgres.Fault(err))
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Secret, error) { return scanSecret(row) })
	return found, postgres.Fault(err)
}

const updateSQL = `
update auth.secrets s set version = $2, description = coalesce($3, s.description), updated_at = now(), deleted_at = null
where s.id = $1
returning ` + columns

func update(ctx context.Context, q postgres.Querier, secretID id.Secret, version int, description *string) (Secret, error) {
	return scanSecret(q.QueryRow(ctx, updateSQL, secretID, version, description))
}

const burySQL = `update auth.secrets set deleted_version = version where id = $1`

// bury keeps the versions of a deleted secret from being read when it has a
// newer one.
func bury(ctx context.Context, q postgres.Querier, secretID id.Secret) error {
	_, err := q.Exec(ctx, burySQL, secretID)
	return postgres.Fault(err)
}

const hideSQL = `update auth.secrets set deleted_at = now() where id = $1`

func hide(ctx context.Context, q postgres.Querier, secretID id.Secret) error {
	_, err := q.Exec(ctx, hideSQL, secretID)
	return postgres.Fault(err)
}

const deleteSQL = `delete from auth.secrets where id = $1`

func deleteSecret(ctx context.Context, q postgres.Querier, secretID id.Secret) error {
	_, err := q.Exec(ctx, deleteSQL, secretID)
	return postgres.Fault(err)
}

const insertVersionSQL = `
insert into auth.secret_versions (secret_id, version, sealed_id, expires_at, created_by) values ($1, $2, $3, $4, $5)`

func insertVersion(ctx context.Context, q postgres.Querier, secretID id.Secret, version int, sealedID id.Sealed, expires *time.Time, by id.UUID) error {
	_, err := q.Exec(ctx, insertVersionSQL, secretID, version, sealedID, expires, by.Nullable())
	return postgres.Fault(err)
}

const deleteVersionsSQL = `delete from auth.secret_versions where secret_id = $1 and version <= $2 returning sealed_id`

// deleteVersions returns the sealed values of the versions that it has deleted.
func deleteVersions(ctx context.Context, q postgres.Querier, secretID id.Secret, upTo int) ([]id.Sealed, error) {
	rows, err := q.Query(ctx, deleteVersionsSQL, secretID, upTo)
	if err != nil {
		return nil, fmt.Errorf("deleting versions: %w", postgres.Fault(err))
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[id.Sealed])
	return values, postgres.Fault(err)
}

const selectVersionsSQL = `
select v.version, v.expires_at, v.created_at, v.created_by, v.version <= s.deleted_version, v.sealed_id
from auth.secret_versions v join auth.secrets s on s.id = v.secret_id
where v.secret_id = $1 order by v.version desc`

func selectVersions(ctx context.Context, q postgres.Querier, secretID id.Secret) ([]Version, error) {
	rows, err := q.Query(ctx, selectVersionsSQL, secretID)
	if err != nil {
		return nil, fmt.Errorf("reading versions: %w", postgres.Fault(err))
	}
	versions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Version, error) { return scanVersion(row) })
	return versions, postgres.Fault(err)
}

const selectVersionSQL = `
select v.version, v.expires_at, v.created_at, v.created_by, v.version <= s.deleted_version, v.sealed_id
from auth.secret_versions v join auth.secrets s on s.id = v.secret_id
where v.secret_id = $1 and v.version = $2`

func selectVersion(ctx context.Context, q postgres.Querier, secretID id.Secret, version int) (Version, error) {
	v, err := scanVersion(q.QueryRow(ctx, selectVersionSQL, secretID, version))
	if errors.Is(err, pgx.ErrNoRows) {
		return v, ErrNotFound
	}
	return v, postgres.Fault(err)
}

func scanVersion(row pgx.Row) (Version, error) {
	var v Version
	err := row.Scan(&v.Version, &v.ExpiresAt, &v.CreatedAt, &v.CreatedBy, &v.Deleted, &v.sealed)
	return v, err //nolint:wrapcheck // wrapped by the callers
}
