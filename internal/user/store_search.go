package user

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// matches is a Filter. The statements are planned for the values of each
// search, so what is absent costs nothing and what is there finds its index.
const matches = `
	($1::uuid is null or u.id = $1) and ($2::text = '' or u.email = $2)
	and ($3::text = '' or u.email collate "C" >= $3 and u.email collate "C" < $3 || chr(127))
	and ($4::timestamptz is null or u.created_at >= $4) and ($5::timestamptz is null or u.created_at < $5)
	and ($6::jsonb is null or u.user_metadata @> $6 or u.app_metadata @> $6)
	and ($7::jsonb is null or u.user_metadata @> $7) and ($8::jsonb is null or u.app_metadata @> $8)
	and ($9::boolean is null or $9 = (u.banned_until is not null and u.banned_until > now()))
	and ($10::boolean is null or u.is_anonymous = $10)`

func (f Filter) arguments() []any {
	return []any{
		pgx.QueryExecModeCacheDescribe, f.ID.Nullable(), f.Email, f.Prefix, f.CreatedAfter, f.CreatedBefore,
		object(f.Metadata), object(f.UserMetadata), object(f.AppMetadata), f.Banned, f.Anonymous,
	}
}

func object(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

const selectNewestSQL = `
select p.id, p.created_at, coalesce(p.email, ''), d.document
from (
	select u.id, u.created_at, u.email from auth.users u
	where ` + matches + ` and ($11::timestamptz is null or (u.created_at, u.id) < ($11, $12::uuid))
	order by u.created_at desc, u.id desc limit $13) p
join auth.user_documents d on d.id = p.id
order by p.created_at desc, p.id desc`

// selectNewest returns accounts, newest first, after a position.
func selectNewest(ctx context.Context, q postgres.Querier, f Filter, after *found, limit int) ([]found, error) {
	var at *time.Time
	var last *id.User
	if after != nil {
		at, last = &after.createdAt, &after.id
	}
	rows, err := q.Query(ctx, selectNewestSQL, append(f.arguments(), at, last, limit)...)
	return collect(rows, err)
}

const selectByAddressSQL = `
select p.id, p.created_at, p.email, d.document
from (
	select u.id, u.created_at, u.email from auth.users u
	where ` + matches + ` and ($11::text is null or u.email collate "C" > $11)
	order by u.email collate "C" limit $12) p
join auth.user_documents d on d.id = p.id
order by p.email collate "C"`

// selectByAddress returns accounts by e-mail address, after a position.
func selectByAddress(ctx context.Context, q postgres.Querier, f Filter, after *found, limit int) ([]found, error) {
	var last *string
	if after != nil {
		last = &after.email
	}
	rows, err := q.Query(ctx, selectByAddressSQL, append(f.arguments(), last, limit)...)
	return collect(rows, err)
}

func collect(rows pgx.Rows, err error) ([]found, error) {
	if err != nil {
		return nil, postgres.Fault(err)
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (found, error) {
		var f found
		err := row.Scan(&f.id, &f.createdAt, &f.email, (*[]byte)(&f.document))
		return f, err
	})
	return page, postgres.Fault(err)
}
