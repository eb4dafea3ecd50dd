package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// record is a row of auth.mail_messages.
type record struct {
	id        id.Mail
	kind      Kind
	recipient string
	locale    string
	status    Status
	attempts  int
	lastError *string
	messageID string
	sealed    id.Sealed // zero: destroyed
	createdAt time.Time
	sentAt    *time.Time
	expiresAt time.Time
}

const columns = `m.id, m.kind, m.recipient, m.locale, m.status, m.attempts, m.last_error, m.message_id, m.sealed_id,
	m.created_at, m.sent_at, m.expires_at`

func scan(row pgx.Row) (record, error) {
	var r record
	var value *id.Sealed
	err := row.Scan(&r.id, &r.kind, &r.recipient, &r.locale, &r.status, &r.attempts, &r.lastError, &r.messageID, &value,
		&r.createdAt, &r.sentAt, &r.expiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrNotFound
	}
	if value != nil {
		r.sealed = *value
	}
	return r, postgres.Fault(err)
}

const insertSQL = `
insert into auth.mail_messages (id, kind, recipient, locale, status, message_id, sealed_id, created_at, expires_at)
values ($1, $2, $3, $4, $9, $5, $6, $7, $8)`

func insert(ctx context.Context, q postgres.Querier, r record) error {
	_, err := q.Exec(ctx, insertSQL, r.id, r.kind, r.recipient, r.locale, r.messageID, r.sealed, r.createdAt, r.expiresAt, string(r.status))
	return postgres.Fault(err)
}

const beginSQL = `
update auth.mail_messages m set status = 'sending', attempts = attempts + 1
where id = $1 and status in ('queued', 'sending') and expires_at > $2
returning ` + columns

// begin counts an attempt. It returns ErrNotFound for a message that is not to
// be sent: too old, or done already.
func begin(ctx context.Context, q postgres.Querier, message id.Mail, now time.Time) (record, error) {
	return scan(q.QueryRow(ctx, beginSQL, message, now))
}

const selectSQL = `select ` + columns + ` from auth.mail_messages m where id = $1`

func selectByID(ctx context.Context, q postgres.Querier, message id.Mail) (record, error) {
	return scan(q.QueryRow(ctx, selectSQL, message))
}

const selectPageSQL = `
select ` + columns + ` from auth.mail_messages m
where id < $1 order by id desc limit $2`

const selectPageInStatusSQL = `
select ` + columns + ` from auth.mail_messages m
where id < $1 and status = $3 order by id desc limit $2`

const selectPageToSQL = `
select ` + columns + ` from auth.mail_messages m
where id < $1 and recipient = $3 and ($4 = '' or status = $4) order by id desc limit $2`

// selectPage uses the statement whose index fits. Without a first identifier it
// begins with the newest.
func selectPage(ctx context.Context, q postgres.Querier, f Filter, before id.Mail, limit int) ([]record, error) {
	if before.IsZero() {
		for i := range before {
			before[i] = 0xff
		}
	}
	statement, args := selectPageSQL, []any{before, limit}
	switch {
	case f.To != "":
		statement, args = selectPageToSQL, append(args, f.To, string(f.Status))
	case f.Status != "":
		statement, args = selectPageInStatusSQL, append(args, string(f.Status))
	}
	rows, err := q.Query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", postgres.Fault(err))
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (record, error) { return scan(row) })
	return found, postgres.Fault(err)
}

// Whoever has left is forgotten with the message that says so.
const withoutGone = `recipient = case m.kind when 'account_deleted' then '' else m.recipient end`

const markSentSQL = `
update auth.mail_messages m set status = 'sent', sent_at = $2, sealed_id = null, last_error = null, ` + withoutGone + ` where id = $1`

func markSent(ctx context.Context, q postgres.Querier, message id.Mail, at time.Time) error {
	_, err := q.Exec(ctx, markSentSQL, message, at)
	return postgres.Fault(err)
}

const markUnsentSQL = `
update auth.mail_messages set status = $2, last_error = $3 where id = $1 and status = 'sending'`

// markUnsent ends an attempt that failed: queued for the next, or failed.
func markUnsent(ctx context.Context, q postgres.Querier, message id.Mail, status Status, reason string) error {
	_, err := q.Exec(ctx, markUnsentSQL, message, status, reason)
	return postgres.Fault(err)
}

const requeueSQL = `
update auth.mail_messages m set status = 'queued'
where id = $1 and status = 'failed' and sealed_id is not null and expires_at > $2
returning ` + columns

// requeue returns ErrNotFound for a message that cannot be sent again.
func requeue(ctx context.Context, q postgres.Querier, message id.Mail, now time.Time) (record, error) {
	return scan(q.QueryRow(ctx, requeueSQL, message, now))
}

// What has failed stays failed.
const expireSQL = `
with due as (
	select id, sealed_id, kind, status from auth.mail_messages
	where sealed_id is not null and expires_at <= $1
	order by expires_at limit $2 for update skip locked),
expired as (
	update auth.mail_messages m set sealed_id = null, status = case m.status when 'failed' then 'failed' else 'expired' end, ` + withoutGone + `
	from due where m.id = due.id)
select sealed_id, kind, status from due`

// expire returns what it has expired, as far as that matters: as it was before.
func expire(ctx context.Context, q postgres.Querier, now time.Time, limit int) ([]record, error) {
	rows, err := q.Query(ctx, expireSQL, now, limit)
	if err != nil {
		return nil, fmt.Errorf("expiring messages: %w", postgres.Fault(err))
	}
	due, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (record, error) {
		var r record
		err := row.Scan(&r.sealed, &r.kind, &r.status)
		return r, err
	})
	return due, postgres.Fault(err)
}

const deleteToSQL = `
delete from auth.mail_messages where recipient = $1 returning sealed_id`

// deleteTo returns what the messages to an address would have said.
func deleteTo(ctx context.Context, q postgres.Querier, address string) ([]id.Sealed, error) {
	rows, err := q.Query(ctx, deleteToSQL, address)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[*id.Sealed])
	var values []id.Sealed
	for _, value := range found {
		if value != nil {
			values = append(values, *value)
		}
	}
	return values, postgres.Fault(err)
}

// Identifiers are in the order of creation.
const removeOldSQL = `
delete from auth.mail_messages where id in (
	select id from auth.mail_messages where id < $1 and sealed_id is null order by id limit $2 for update skip locked)`

func removeOld(ctx context.Context, q postgres.Querier, before id.Mail, limit int) (int, error) {
	tag, err := q.Exec(ctx, removeOldSQL, before, limit)
	return int(tag.RowsAffected()), postgres.Fault(err)
}

const stateSQL = `
select least($1,
		(select created_at from auth.mail_messages where status = 'queued' order by id limit 1),
		(select created_at from auth.mail_messages where status = 'sending' order by id limit 1)),
	(select count(*) from (
		select from auth.mail_messages where status = 'failed' and id >= $2 limit 1000) f),
	coalesce((select last_error from auth.mail_messages where status in ('queued', 'failed') and last_error is not null and id >= $2 order by id desc limit 1), '')`

// outbox is how the messages are doing.
type outbox struct {
	oldest time.Time // of those that wait; now if none does
	failed int       // since an identifier; 1,000 at most
	reason string    // why, the latest
}

func selectState(ctx context.Context, q postgres.Querier, now time.Time, since id.Mail) (outbox, error) {
	var o outbox
	err := q.QueryRow(ctx, stateSQL, now, since).Scan(&o.oldest, &o.failed, &o.reason)
	return o, postgres.Fault(err)
}

const deleteOneSQL = `delete from auth.mail_messages where id = $1 and status = 'expired' returning sealed_id`

// deleteOne removes a message that was never to be sent, and returns what it
// says, to be destroyed.
func deleteOne(ctx context.Context, q postgres.Querier, message id.Mail) (value *id.Sealed, err error) {
	err = q.QueryRow(ctx, deleteOneSQL, message).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // somebody else has removed it
	}
	return value, postgres.Fault(err)
}
