package secret

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

type record struct {
	id         id.Secret
	purpose    string
	subject    string
	keyVersion uint32
	envelope   []byte
}

const insertSQL = `
insert into auth.sealed_values (id, purpose, subject, key_version, envelope)
values ($1, $2, $3, $4, $5)`

func insert(ctx context.Context, q postgres.Querier, r record) (int64, error) {
	tag, err := q.Exec(ctx, insertSQL, r.id, r.purpose, r.subject, r.keyVersion, r.envelope)
	return tag.RowsAffected(), postgres.Fault(err)
}

const insertIfMissingSQL = insertSQL + `
on conflict (purpose, subject) do nothing`

func insertIfMissing(ctx context.Context, q postgres.Querier, r record) (int64, error) {
	tag, err := q.Exec(ctx, insertIfMissingSQL, r.id, r.purpose, r.subject, r.keyVersion, r.envelope)
	return tag.RowsAffected(), postgres.Fault(err)
}

const selectByIDSQL = `
select id, purpose, subject, key_version, envelope from auth.sealed_values where id = $1`

func selectByID(ctx context.Context, q postgres.Querier, secretID id.Secret) (record, error) {
	return scan(q.QueryRow(ctx, selectByIDSQL, secretID))
}

const selectByNameSQL = `
select id, purpose, subject, key_version, envelope from auth.sealed_values where purpose = $1 and subject = $2`

func selectByName(ctx context.Context, q postgres.Querier, purpose, subject string) (record, error) {
	return scan(q.QueryRow(ctx, selectByNameSQL, purpose, subject))
}

func scan(row pgx.Row) (record, error) {
	var r record
	err := row.Scan(&r.id, &r.purpose, &r.subject, &r.keyVersion, &r.envelope)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrNotFound
	}
	return r, postgres.Fault(err)
}
