package password

import (
	"context"
	"net/netip"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// The statement does the same for an address that nobody has: it writes one row,
// or where the attempts are used up none.
const countAttemptSQL = `
with account as (
	select u.id, u.email_verified_at is not null as verified, p.digest
	from auth.users u left join auth.passwords p on p.user_id = u.id where u.email = $1),
origin as (
	select case when exists (
		select from auth.known_places k
		where k.user_id = (select id from account) and k.device = $2 and k.ip between $3::inet and $4::inet)
	then $2 || ' ' || host($3::inet) else '' end as place),
counted as (
	insert into auth.password_attempts as a (address_digest, place, attempts)
	select sha256(convert_to($1, 'UTF8')), o.place, 1 from origin o
	on conflict (address_digest, place) do update set last_at = now(),
		attempts = case when a.last_at <= now() - $6::interval then 1 else a.attempts + 1 end
	where a.attempts < $5 or a.last_at <= now() - $6::interval
	returning attempts)
select coalesce(a.id, '00000000-0000-0000-0000-000000000000'), coalesce(a.verified, false), coalesce(a.digest, ''),
	o.place, not exists (select from counted)
from origin o left join account a on true`

func countAttempt(ctx context.Context, q postgres.Querier, a *Attempt, place session.Place, limit Limit) error {
	err := q.QueryRow(ctx, countAttemptSQL, a.email, place.Device, nullable(place.First), nullable(place.Last), limit.failures(), limit.window()).
		Scan(&a.User, &a.Verified, &a.Digest, &a.place, &a.Refused)
	return postgres.Fault(err)
}

func nullable(a netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	return &a
}

const deleteAttemptsSQL = `
delete from auth.password_attempts where address_digest = sha256(convert_to($1, 'UTF8')) and place = $2`

func deleteAttempts(ctx context.Context, q postgres.Querier, email, place string) error {
	_, err := q.Exec(ctx, deleteAttemptsSQL, email, place)
	return postgres.Fault(err)
}

const uncountAttemptSQL = `
update auth.password_attempts set attempts = attempts - 1
where address_digest = sha256(convert_to($1, 'UTF8')) and place = $2 and attempts > 0`

func uncountAttempt(ctx context.Context, q postgres.Querier, email, place string) error {
	_, err := q.Exec(ctx, uncountAttemptSQL, email, place)
	return postgres.Fault(err)
}

const deleteAllAttemptsSQL = `
delete from auth.password_attempts where address_digest = (select sha256(convert_to(u.email, 'UTF8')) from auth.users u where u.id = $1)`

func deleteAllAttempts(ctx context.Context, q postgres.Querier, userID id.User) error {
	_, err := q.Exec(ctx, deleteAllAttemptsSQL, userID)
	return postgres.Fault(err)
}

const deleteOldAttemptsSQL = `
delete from auth.password_attempts where (address_digest, place) in (
	select address_digest, place from auth.password_attempts where last_at <= now() - $1::interval order by last_at limit $2 for update skip locked)`

func deleteOldAttempts(ctx context.Context, q postgres.Querier, age time.Duration, limit int) (int64, error) {
	tag, err := q.Exec(ctx, deleteOldAttemptsSQL, age, limit)
	return tag.RowsAffected(), postgres.Fault(err)
}
