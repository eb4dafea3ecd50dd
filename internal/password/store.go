package password

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const upsertSQL = `
insert into auth.passwords (user_id, digest) values ($1, $2)
on conflict (user_id) do update set digest = excluded.digest, updated_at = now()`

func upsert(ctx context.Context, q postgres.Querier, userID id.User, digest string) error {
	_, err := q.Exec(ctx, upsertSQL, userID, digest)
	return postgres.Fault(err)
}

const selectByEmailSQL = `
select u.id, p.digest
from auth.users u join auth.passwords p on p.user_id = u.id
where u.email = $1`

func selectByEmail(ctx context.Context, q postgres.Querier, email string) (id.User, string, error) {
	var userID id.User
	var digest string
	err := q.QueryRow(ctx, selectByEmailSQL, email).Scan(&userID, &digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return id.User{}, "", nil
	}
	return userID, digest, postgres.Fault(err)
}

const replaceSQL = `
update auth.passwords set digest = $3, updated_at = now() where user_id = $1 and digest = $2`

func replace(ctx context.Context, q postgres.Querier, userID id.User, old, digest string) error {
	_, err := q.Exec(ctx, replaceSQL, userID, old, digest)
	return postgres.Fault(err)
}
