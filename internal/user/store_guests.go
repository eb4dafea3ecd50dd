package user

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// gone is the condition on an anonymous user u that nobody is any more.
const gone = `u.is_anonymous and greatest(u.created_at, u.last_sign_in_at) < now() - $1::interval and not exists (
		select from auth.sessions s where s.user_id = u.id and (s.last_used_at >= now() - $1::interval
			or s.ended_at is null and s.expires_at > now() and s.last_used_at > now() - $2::interval))`

const selectGuestsSQL = `
select u.id, u.created_at, ` + gone + `
from auth.users u
where u.is_anonymous and u.created_at < now() - $1::interval and (u.created_at, u.id) > ($3, $4)
order by u.created_at, u.id limit $5`

func selectGuests(ctx context.Context, q postgres.Querier, after Guest, age, idle time.Duration, limit int) ([]Guest, error) {
	rows, err := q.Query(ctx, selectGuestsSQL, age, idle, after.CreatedAt, after.ID, limit)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	guests, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Guest, error) {
		var g Guest
		err := row.Scan(&g.ID, &g.CreatedAt, &g.Gone)
		return g, err
	})
	return guests, postgres.Fault(err)
}

const selectGoneSQL = `select u.id from auth.users u where u.id = $3 and ` + gone

func selectGone(ctx context.Context, q postgres.Querier, userID id.User, age, idle time.Duration) error {
	err := q.QueryRow(ctx, selectGoneSQL, age, idle, userID).Scan(&userID)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return postgres.Fault(err)
}
