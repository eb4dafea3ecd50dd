package signing

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

type record struct {
	kid       string
	purpose   string
	algorithm string
	jwk       *JWK // nil for symmetric keys
	secretID  id.Sealed
	status    string
}

// No API role may lock a table of ours, as it may take any advisory lock.
const lockSQL = `lock table auth.signing_keys in share row exclusive mode`

func lock(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, lockSQL)
	return postgres.Fault(err)
}

const activeExistsSQL = `
select exists (select from auth.signing_keys where purpose = $1 and status = 'active')`

func activeExists(ctx context.Context, q postgres.Querier, purpose string) (bool, error) {
	var exists bool
	err := q.QueryRow(ctx, activeExistsSQL, purpose).Scan(&exists)
	return exists, postgres.Fault(err)
}

const insertSQL = `
insert into auth.signing_keys (kid, purpose, algorithm, public_jwk, secret_id, status)
values ($1, $2, $3, $4, $5, $6)`

func insert(ctx context.Context, q postgres.Querier, r record) error {
	_, err := q.Exec(ctx, insertSQL, r.kid, r.purpose, r.algorithm, r.jwk, r.secretID, r.status)
	return postgres.Fault(err)
}

const selectUsableSQL = `
select kid, purpose, algorithm, public_jwk, secret_id, status
from auth.signing_keys
where purpose = 'access_token' or status = 'active'
order by created_at`

func selectUsable(ctx context.Context, q postgres.Querier) ([]record, error) {
	rows, err := q.Query(ctx, selectUsableSQL)
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", postgres.Fault(err))
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (record, error) {
		var r record
		err := row.Scan(&r.kid, &r.purpose, &r.algorithm, &r.jwk, &r.secretID, &r.status)
		return r, err
	})
	return records, postgres.Fault(err)
}
