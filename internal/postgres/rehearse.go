package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/principal"
)

// lockPatience is how long a rehearsal waits for a lock, in milliseconds: it
// must not queue up before the work of others.
const lockPatience = "2000"

const patienceSQL = `select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)`

// Rehearsal is a transaction that never commits.
type Rehearsal struct {
	Querier

	tx      pgx.Tx
	timeout string
}

// Run runs one statement, whose rows are read and dropped. The extended protocol
// takes no second statement along.
func (r *Rehearsal) Run(ctx context.Context, sql string) (pgconn.CommandTag, error) {
	return r.tx.Conn().PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Close()
}

// Table is what a statement returns, in PostgreSQL's text format.
type Table struct {
	Columns []string
	Rows    [][]*string // NULL is nil
	Count   int64       // of rows returned or changed
}

// Collect runs one statement and keeps up to limit of its rows.
func (r *Rehearsal) Collect(ctx context.Context, sql string, limit int) (Table, error) {
	var t Table
	reader := r.tx.Conn().PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	for reader.NextRow() {
		if len(t.Rows) == limit {
			continue
		}
		row := make([]*string, len(reader.Values()))
		for i, v := range reader.Values() {
			if v != nil {
				text := string(v)
				row[i] = &text
			}
		}
		t.Rows = append(t.Rows, row)
	}
	for _, f := range reader.FieldDescriptions() {
		t.Columns = append(t.Columns, f.Name)
	}
	tag, err := reader.Close()
	t.Count = tag.RowsAffected()
	return t, err
}

// Try is f in a savepoint: what f does is undone if it fails, and the
// transaction goes on.
func (r *Rehearsal) Try(ctx context.Context, f func() error) error {
	nested, err := r.tx.Begin(ctx)
	if err != nil {
		return Fault(err)
	}
	failure := f()
	if failure == nil {
		return Fault(nested.Commit(ctx))
	}
	if err := nested.Rollback(ctx); err != nil {
		return Fault(err)
	}
	return failure
}

// becomeSQL is settingsSQL with a database role that may be another than the
// one that the helpers of policies answer with.
const becomeSQL = `
select set_config('role', $8, true),
	set_config('request.jwt.claims', $2, true),
	set_config('app.role', $1, true),
	set_config('app.user_id', $3, true),
	set_config('app.user_email', $4, true),
	set_config('app.session_id', $5, true),
	set_config('app.api_key_id', $9, true),
	set_config('app.sub_tenant_id', '', true),
	set_config('transaction_read_only', $6, true),
	set_config('statement_timeout', $7, true)`

// Become makes the rest of the transaction that of a principal, as a database
// role that the login can become.
func (r *Rehearsal) Become(ctx context.Context, p *principal.Principal, role principal.Role) error {
	_, err := r.Exec(ctx, becomeSQL, pgx.QueryExecModeExec, string(p.Role), p.Claims, p.User.String(), p.Email, p.Session.String(),
		"off", r.timeout, string(role), apiKey(p))
	return Fault(err)
}

// Rehearse runs f in a transaction on the login of a role, as a principal, and
// undoes everything. The role may be service_role for a principal who is
// somebody else: then Row-Level Security is bypassed, and the helpers of
// policies answer for the principal. The connection is closed afterwards, so
// that nothing which outlives a transaction stays on it.
func (db *DB) Rehearse(ctx context.Context, p *principal.Principal, role principal.Role, f func(*Rehearsal) error) error {
	pool, ok := db.roles[role]
	if !ok {
		return fmt.Errorf("rehearsing a statement: no pool for role %q", role)
	}
	acquired, err := pool.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	return db.rehearse(ctx, acquired.Hijack(), func(r *Rehearsal) error {
		if err := r.Become(ctx, p, role); err != nil {
			return err
		}
		return f(r)
	})
}

// RehearseAsOwner is Rehearse in a transaction of the owner's, who can become
// every role of API traffic and return. It is for whoever has the database.
func (db *DB) RehearseAsOwner(ctx context.Context, f func(*Rehearsal) error) error {
	acquired, err := db.owner.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	return db.rehearse(ctx, acquired.Hijack(), f)
}

func (db *DB) rehearse(ctx context.Context, conn *pgx.Conn, f func(*Rehearsal) error) error {
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ending)
	}()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return Fault(err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // the connection ends either way
	if _, err := tx.Exec(ctx, patienceSQL, pgx.QueryExecModeExec, lockPatience, string(db.timeout)); err != nil {
		return Fault(err)
	}
	return f(&Rehearsal{Querier: tx, tx: tx, timeout: string(db.timeout)})
}

// CallersFault is Fault for a statement that a caller wrote.
func CallersFault(err error) error { return faultOf(err, kindOfCallers) }
