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
// format. A rollback is not to be had any more.
type Scan func(pgx.Rows) error

// Statement is one statement that a caller has asked for.
type Statement struct {
	SQL      string
	Args     []any // string or int64: PostgreSQL gives them the types that the statement wants
	ReadOnly bool  // PostgreSQL refuses writes, also those hidden in functions
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
	settings := [][]byte{
		[]byte(p.Role), []byte(p.Claims), []byte(p.User.String()), []byte(p.Email), []byte(p.Session.String()),
		[]byte(onOff(st.ReadOnly)), db.timeout,
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	defer conn.Release()

	err = db.pipeline(ctx, conn, settings, st.SQL, args, scan)
	if stale(err) { // nothing has happened: the statement was refused before it ran
		err = db.pipeline(ctx, conn, settings, st.SQL, args, scan)
	}
	return faultOf(err, kindOfCallers)
}

// stale says that a prepared statement no longer fits the schema, or is gone.
func stale(err error) bool {
	report := Report(err)
	return report != nil && (report.State == "26000" || report.State == "0A000" && report.Message == "cached plan must not change result type")
}

// pipeline sends settings and statement together on one connection.
func (db *DB) pipeline(ctx context.Context, conn *pgxpool.Conn, settings [][]byte, sql string, args [][]byte, scan Scan) error {
	pg := conn.Conn().PgConn()
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
	send(p, settingsSQL, settings)
	send(p, sql, args)
	err := p.Sync()
	if err == nil {
		err = results(p, conn.Conn().TypeMap(), scan)
	}
	err = errors.Join(err, p.Close())
	if stale(err) && forget != nil {
		forget()
	}
	return err
}

// results reads what came back: of the settings, of the statement.
func results(p *pgconn.Pipeline, types *pgtype.Map, scan Scan) error {
	for i := range 2 {
		got, err := p.GetResults()
		if err != nil {
			return err
		}
		reader, ok := got.(*pgconn.ResultReader)
		if !ok {
			return fmt.Errorf("reading results: unexpected %T", got)
		}
		if i == 0 {
			if _, err := reader.Close(); err != nil {
				return err
			}
			continue
		}
		rows := pgx.RowsFromResultReader(types, reader)
		err = scan(rows)
		rows.Close()
		if rows.Err() != nil {
			return rows.Err()
		}
		return err
	}
	return nil
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
