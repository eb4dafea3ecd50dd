package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

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

	// Held keeps the transaction open until Scan has seen the result, and undoes
	// it if Scan returns an error. It costs one round trip more.
	Held bool

	// Rollback undoes the transaction in any case, after the constraints that
	// wait for its end have been checked. It implies Held.
	Rollback bool
}

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
	set_config('app.sub_tenant_id', '', true),
	set_config('transaction_read_only', $6, true),
	set_config('statement_timeout', $7, true)) is null`

// As runs a statement as a principal. Settings and statement travel together
// and form one implicit transaction: one network round trip, undone as a whole
// by any error. The first time that a connection meets a statement it is
// prepared there, which is one round trip more.
func (db *DB) As(ctx context.Context, p *principal.Principal, st Statement, scan Scan) error {
	pool, ok := db.roles[p.Role]
	if !ok {
		return fmt.Errorf("running a statement as a principal: no pool for role %q", p.Role)
	}
	args, err := texts(st.Args)
	if err != nil {
		return err
	}
	settings := db.settings(p, st.ReadOnly)
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	defer conn.Release()

	err = db.pipeline(ctx, conn, settings, st, args, scan)
	if stale(err) { // nothing has happened: the statement was refused before it ran
		err = db.pipeline(ctx, conn, settings, st, args, scan)
	}
	return faultOf(err, kindOfCallers)
}

// settings are the arguments of settingsSQL.
func (db *DB) settings(p *principal.Principal, readOnly bool) [][]byte {
	return [][]byte{
		[]byte(p.Role), []byte(p.Claims), []byte(p.User.String()), []byte(p.Email), []byte(p.Session.String()),
		[]byte(onOff(readOnly)), db.timeout,
	}
}

// stale says that a prepared statement no longer fits the schema, or is gone.
func stale(err error) bool {
	report := Report(err)
	return report != nil && (report.State == "26000" || report.State == "0A000" && report.Message == "cached plan must not change result type")
}

// pipeline sends settings and statement together on one connection.
func (db *DB) pipeline(ctx context.Context, conn *pgxpool.Conn, settings [][]byte, st Statement, args [][]byte, scan Scan) error {
	pg, sql := conn.Conn().PgConn(), st.SQL
	send := func(p *pgconn.Pipeline, sql string, args [][]byte) { p.SendQueryParams(sql, args, nil, nil, nil) }
	var forget func()
	if !db.config.Pooled {
		names, err := prepare(ctx, pg, settingsSQL, sql)
		if err != nil {
			return err
		}
		send = func(p *pgconn.Pipeline, sql string, args [][]byte) {
			p.SendQueryPrepared(names.of[sql], args, nil, nil)
		}
		forget = func() { names.forget(sql) }
	}
	p := pg.StartPipeline(ctx)
	held := st.Held || st.Rollback
	if held {
		p.SendQueryParams("begin", nil, nil, nil, nil)
	}
	send(p, settingsSQL, settings)
	send(p, sql, args)
	var err error
	if held {
		err = hold(ctx, pg, p, conn.Conn().TypeMap(), st.Rollback, scan)
	} else {
		if err = p.Sync(); err == nil {
			err = results(p, conn.Conn().TypeMap(), 1, scan)
		}
		err = errors.Join(err, p.Close())
	}
	if stale(err) && forget != nil {
		forget()
	}
	return err
}

// hold reads the results while the transaction is open, and then ends it. A
// connection that is lost or still in a transaction is not used again: the pool
// looks at that.
func hold(ctx context.Context, pg *pgconn.PgConn, p *pgconn.Pipeline, types *pgtype.Map, rollback bool, scan Scan) error {
	if rollback {
		p.SendQueryParams("set constraints all immediate", nil, nil, nil, nil)
	}
	p.SendFlushRequest()
	err := p.Flush()
	if err == nil {
		err = results(p, types, 2, scan)
	}
	if err == nil && rollback {
		err = skip(p)
	}
	refused := Report(err) != nil // PostgreSQL takes nothing but the end of the pipeline now
	switch {
	case refused:
	case err != nil || rollback:
		p.SendQueryParams("rollback", nil, nil, nil, nil)
	default:
		p.SendQueryParams("commit", nil, nil, nil, nil)
	}
	err = errors.Join(err, p.Sync(), p.Close())
	if refused {
		_, undone := pg.Exec(ctx, "rollback").ReadAll()
		err = errors.Join(err, undone)
	}
	return err
}

// skip reads a result that has no rows.
func skip(p *pgconn.Pipeline) error {
	reader, err := next(p)
	if err != nil {
		return err
	}
	_, err = reader.Close()
	return err
}

func next(p *pgconn.Pipeline) (*pgconn.ResultReader, error) {
	got, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	reader, ok := got.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("reading results: unexpected %T", got)
	}
	return reader, nil
}

// results reads what came back: of the statements before, and of the one that
// was asked for.
func results(p *pgconn.Pipeline, types *pgtype.Map, before int, scan Scan) error {
	for range before {
		if err := skip(p); err != nil {
			return err
		}
	}
	reader, err := next(p)
	if err != nil {
		return err
	}
	rows := pgx.RowsFromResultReader(types, reader)
	err = scan(rows)
	rows.Close()
	if rows.Err() != nil {
		return rows.Err()
	}
	return err
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
