package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/principal"
)

// Scan reads the result of a statement. All values are in PostgreSQL's text
// format. A rollback is not to be had any more, unless the statement is Held.
type Scan func(pgx.Rows) error

// Statement is one statement that a caller has asked for.
type Statement struct {
	SQL      string
	Args     []any // string or int64: PostgreSQL gives them the types that the statement wants
	ReadOnly bool  // PostgreSQL refuses writes, also those hidden in functions

	// Before and After run beside the statement, as the caller and in the same
	// transaction.
	Before, After []Step

	Isolation Isolation     // "" is read committed; another one costs one round trip more
	Timeout   time.Duration // of each statement; 0 is that of the database

	// Held keeps the transaction open until Scan has seen the result, and undoes
	// it if Scan returns an error. It costs one round trip more.
	Held bool

	// Rollback undoes the transaction in any case, after the constraints that
	// wait for its end have been checked. It implies Held.
	Rollback bool
}

// Step is a statement beside the one that was asked for.
type Step struct {
	SQL  string
	Args []any
	Scan Scan // nil drops the result

	// Decides sends nothing more until Scan has seen the result, and undoes the
	// transaction if it returns an error. It costs one round trip more, and one
	// for the end of the transaction.
	Decides bool
}

// Isolation is how little a transaction sees of others (SQL, SET TRANSACTION).
type Isolation string

// The levels that a statement can ask for.
const (
	ReadCommitted  Isolation = "read committed"
	RepeatableRead Isolation = "repeatable read"
	Serializable   Isolation = "serializable"
)

// resetSQL undoes what functions of an application have set for the session of
// somebody before: a search_path, or a setting that a policy reads.
const resetSQL = "reset all"

// settingsSQL makes the transaction the caller's. The claims hold nothing that
// the caller wrote unchecked: they are the payload of a verified token. It
// returns no row and no column, so that nothing has to travel back.
const settingsSQL = `select where concat(
	set_config('role', $1, true),
	set_config('request.jwt.claims', $2, true),
	set_config('app.role', $1, true),
	set_config('app.user_id', $3, true),
	set_config('app.user_email', $4, true),
	set_config('app.session_id', $5, true),
	set_config('app.api_key_id', $8, true),
	set_config('app.sub_tenant_id', '', true),
	set_config('transaction_read_only', $6, true),
	set_config('statement_timeout', $7, true)) is null`

// As runs a statement as a principal. Settings and statement travel together
// and form one implicit transaction: one network round trip, undone as a whole
// by any error. The first time that a connection meets a statement it is
// prepared on the way, with the caller's privileges.
func (db *DB) As(ctx context.Context, p *principal.Principal, st Statement, scan Scan) (err error) {
	pool, ok := db.roles[p.Role]
	if !ok {
		return fmt.Errorf("running a statement as a principal: no pool for role %q", p.Role)
	}
	if db.config.Traced {
		var span trace.Span
		ctx, span = startSpan(ctx, st.SQL, p.Role)
		defer func() { endSpan(span, err) }()
	}
	settings := db.settings(p, st.ReadOnly, st.Timeout)
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	defer conn.Release()

	err = db.pipeline(ctx, conn, settings, st, scan)
	if stale(err) { // nothing has happened: the statement was refused before it ran
		err = db.pipeline(ctx, conn, settings, st, scan)
	}
	return faultOf(err, kindOfCallers)
}

// settings are the arguments of settingsSQL. A time-out of 0 is that of the
// database.
func (db *DB) settings(p *principal.Principal, readOnly bool, timeout time.Duration) [][]byte {
	limit := db.timeout
	if timeout > 0 {
		limit = strconv.AppendInt(nil, max(1, timeout.Milliseconds()), 10) // 0 would be none
	}
	return [][]byte{
		[]byte(p.Role), []byte(p.Claims), []byte(p.User.String()), []byte(p.Email), []byte(p.Session.String()),
		[]byte(onOff(readOnly)), limit, []byte(apiKey(p)),
	}
}

// apiKey is what auth.api_key_id answers with: the key of a user, and no other.
func apiKey(p *principal.Principal) string {
	if !p.ByAPIKey() {
		return ""
	}
	return p.Key.String()
}

// stale says that a prepared statement no longer fits the schema, or is gone.
func stale(err error) bool {
	report := Report(err)
	return report != nil && (report.State == "26000" || report.State == "0A000" && report.Message == "cached plan must not change result type")
}

// pipeline sends settings and statement together on one connection.
func (db *DB) pipeline(ctx context.Context, conn *pgxpool.Conn, settings [][]byte, st Statement, scan Scan) error {
	pg := conn.Conn().PgConn()
	r := &run{pipe: pg.StartPipeline(ctx), types: conn.Conn().TypeMap()}
	if !db.config.Pooled {
		r.prepared = preparedOn(pg)
	}
	steps, sqls := st.steps(scan)
	held := st.held()
	r.makeRoom(append(sqls, resetSQL, settingsSQL)...)
	if held {
		r.pipe.SendQueryParams(st.Isolation.begin(), nil, nil, nil, nil)
		r.expect(nil)
	}
	r.send(resetSQL, nil, nil)
	r.send(settingsSQL, settings, nil)
	err := r.all(steps)
	if held {
		err = r.end(ctx, pg, st.Rollback, err)
	} else {
		err = r.finish(err)
	}
	if stale(err) && r.prepared != nil {
		err = errors.Join(err, r.prepared.drop(ctx, pg, r.last, Report(err).State == "26000"))
	}
	return err
}

// steps returns everything that runs after the settings, and the SQL of each.
func (st *Statement) steps(scan Scan) (steps []Step, sqls []string) {
	steps = make([]Step, 0, len(st.Before)+1+len(st.After))
	steps = append(append(append(steps, st.Before...), Step{SQL: st.SQL, Args: st.Args, Scan: scan}), st.After...)
	sqls = make([]string, len(steps), len(steps)+1)
	for i, step := range steps {
		sqls[i] = step.SQL
	}
	return steps, sqls
}

// held says whether the transaction ends by a word of its own.
func (st *Statement) held() bool {
	return st.Held || st.Rollback || st.Isolation != "" || slices.ContainsFunc(st.Before, func(s Step) bool { return s.Decides })
}

// begin is the statement that begins a transaction. A level that there is not
// is the highest.
func (i Isolation) begin() string {
	switch i {
	case "":
		return "begin"
	case ReadCommitted:
		return "begin isolation level read committed"
	case RepeatableRead:
		return "begin isolation level repeatable read"
	default:
		return "begin isolation level serializable"
	}
}

// texts writes arguments in PostgreSQL's text format.
func texts(args []any) ([][]byte, error) {
	written := make([][]byte, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			written[i] = []byte(v)
		case int64:
			written[i] = strconv.AppendInt(nil, v, 10)
		default:
			return nil, fmt.Errorf("running a statement: argument %d is a %T", i+1, arg)
		}
	}
	return written, nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
