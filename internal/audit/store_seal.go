package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Names of rows of auth.audit_cursors.
const (
	sealCursor   = "seal"
	syslogCursor = "syslog"
)

const selectDrawnSQL = `select case when is_called then last_value else 0 end from auth.audit_log_sequence`

// selectDrawn returns the last sequence that anybody has drawn.
func selectDrawn(ctx context.Context, q postgres.Querier) (sequence int64, err error) {
	err = q.QueryRow(ctx, selectDrawnSQL).Scan(&sequence)
	return sequence, postgres.Fault(err)
}

const writers = `
from pg_catalog.pg_locks l join pg_catalog.pg_database d on d.oid = l.database and d.datname = current_database()
where l.locktype = 'relation' and l.relation = 'auth.audit_log'::regclass and l.mode = 'RowExclusiveLock' and l.granted`

const selectWritersSQL = `select distinct l.virtualtransaction` + writers

// selectWriters returns the transactions that are writing records.
func selectWriters(ctx context.Context, q postgres.Querier) ([]string, error) {
	return transactions(ctx, q, selectWritersSQL)
}

const selectRemainingSQL = `select distinct l.virtualtransaction` + writers + ` and l.virtualtransaction = any ($1)`

// selectRemaining returns those that still are, of some that were.
func selectRemaining(ctx context.Context, q postgres.Querier, were []string) ([]string, error) {
	return transactions(ctx, q, selectRemainingSQL, were)
}

func transactions(ctx context.Context, q postgres.Querier, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("looking for who writes to the audit log: %w", postgres.Fault(err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return found, postgres.Fault(err)
}

// Not an advisory lock, which any API role could take.
const lockCursorSQL = `select true from auth.audit_cursors where name = $1 for update skip locked`

// lockCursor makes a work this transaction's, if it is nobody's. That there is no
// such row is an error: it would be nobody's for ever.
func lockCursor(ctx context.Context, q postgres.Querier, name string) (mine bool, err error) {
	err = q.QueryRow(ctx, lockCursorSQL, name).Scan(&mine)
	if !errors.Is(err, pgx.ErrNoRows) {
		return mine, postgres.Fault(err)
	}
	if _, err := selectCursor(ctx, q, name); err != nil {
		return false, fmt.Errorf("reading the row %q of auth.audit_cursors: %w", name, err)
	}
	return false, nil
}

const selectCursorSQL = `select number from auth.audit_cursors where name = $1`

func selectCursor(ctx context.Context, q postgres.Querier, name string) (number int64, err error) {
	err = q.QueryRow(ctx, selectCursorSQL, name).Scan(&number)
	return number, postgres.Fault(err)
}

const moveCursorSQL = `update auth.audit_cursors set number = $2 where name = $1`

func moveCursor(ctx context.Context, q postgres.Querier, name string, number int64) error {
	_, err := q.Exec(ctx, moveCursorSQL, name, number)
	return postgres.Fault(err)
}

const sealColumns = `s.number, s.sealed_at, s.month, s.last_sequence, s.records, s.entries, s.records_digest, s.previous, s.digest, s.mac`

func scanSeal(row pgx.Row) (seal, error) {
	var s seal
	err := row.Scan(&s.number, &s.at, &s.month, &s.lastSequence, &s.records, &s.entries, &s.recordsSum, &s.previous, &s.digest, &s.mac)
	return s, err
}

const selectNewestSealSQL = `select ` + sealColumns + ` from auth.audit_seals s order by s.number desc limit 1`

// selectNewestSeal returns the genesis if there is no seal.
func selectNewestSeal(ctx context.Context, q postgres.Querier) (seal, error) {
	s, err := scanSeal(q.QueryRow(ctx, selectNewestSealSQL))
	if errors.Is(err, pgx.ErrNoRows) {
		return genesis(), nil
	}
	return s, postgres.Fault(err)
}

const selectSealsSQL = `select ` + sealColumns + ` from auth.audit_seals s where s.number >= $1 order by s.number limit $2`

// selectSeals returns seals from a number on.
func selectSeals(ctx context.Context, q postgres.Querier, from int64, limit int) ([]seal, error) {
	rows, err := q.Query(ctx, selectSealsSQL, from, limit)
	if err != nil {
		return nil, fmt.Errorf("reading seals: %w", postgres.Fault(err))
	}
	seals, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (seal, error) { return scanSeal(row) })
	return seals, postgres.Fault(err)
}

// Seals older than a known one are there no more once retention has let go of
// it; then there are newer ones.
const selectKnownSQL = `
select exists (select from auth.audit_seals where number = $1 and digest = $2)
	or not exists (select from auth.audit_seals where number <= $1) and exists (select from auth.audit_seals where number > $1)`

// selectKnown says whether a seal is there still.
func selectKnown(ctx context.Context, q postgres.Querier, known seal) (there bool, err error) {
	err = q.QueryRow(ctx, selectKnownSQL, known.number, known.digest).Scan(&there)
	return there, postgres.Fault(err)
}

const selectByDigestSQL = `select number from auth.audit_seals where digest = $1`

// selectByDigest returns the number of a seal; 0 if there is none.
func selectByDigest(ctx context.Context, q postgres.Querier, digest []byte) (number int64, err error) {
	err = q.QueryRow(ctx, selectByDigestSQL, digest).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return number, postgres.Fault(err)
}

const insertSealSQL = `
insert into auth.audit_seals (number, sealed_at, month, last_sequence, records, entries, records_digest, previous, digest, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

func insertSeal(ctx context.Context, q postgres.Querier, s seal) error {
	_, err := q.Exec(ctx, insertSealSQL, s.number, s.at, s.month, s.lastSequence, s.records, s.entries, s.recordsSum, s.previous, s.digest, s.mac)
	return postgres.Fault(err)
}

const selectWaitingSQL = `
select l.at from auth.audit_log l
where l.sequence > (select coalesce(max(s.last_sequence), 0) from auth.audit_seals s)
order by l.sequence limit 1`

// selectWaiting returns the time of the first record that waits to be sealed; zero
// if none does.
func selectWaiting(ctx context.Context, q postgres.Querier) (at time.Time, err error) {
	err = q.QueryRow(ctx, selectWaitingSQL).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return at, postgres.Fault(err)
}
