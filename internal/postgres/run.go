package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// run is one transaction of a caller's: statements are sent ahead, and their
// results are read in the same order.
type run struct {
	pipe     *pgconn.Pipeline
	types    *pgtype.Map
	prepared *prepared // nil where nothing can be
	awaited  []func() error
	last     string // the statement that has been read last, or has failed
}

// expect has one result read, which scan may be nil for.
func (r *run) expect(scan Scan) {
	r.awaited = append(r.awaited, func() error { return r.result(scan) })
}

// send sends a statement, and prepares it before if the connection has not met
// it yet.
func (r *run) send(sql string, args [][]byte, scan Scan) {
	if r.prepared == nil || len(sql) > maxPreparedText {
		r.pipe.SendQueryParams(sql, args, nil, nil, nil)
		r.expect(scan)
		return
	}
	name, known := r.prepared.name(sql)
	if !known {
		r.pipe.SendPrepare(name, sql, nil)
		r.awaited = append(r.awaited, func() error {
			_, err := r.pipe.GetResults()
			if err == nil {
				r.prepared.keep(sql, name)
			}
			return err //nolint:wrapcheck // As makes a fault of it
		})
	}
	r.pipe.SendQueryPrepared(name, args, nil, nil)
	r.awaited = append(r.awaited, func() error {
		r.last = sql
		return r.result(scan)
	})
}

// makeRoom lets go of the statements used longest ago, where those that are to
// come would be too many. It stands before everything that can fail.
func (r *run) makeRoom(sqls ...string) {
	if r.prepared == nil {
		return
	}
	for _, name := range r.prepared.evict(sqls) {
		r.pipe.SendDeallocate(name)
		r.awaited = append(r.awaited, func() error {
			_, err := r.pipe.GetResults()
			return err //nolint:wrapcheck // As makes a fault of it
		})
	}
}

// all sends steps, and stops at one that decides against the rest.
func (r *run) all(steps []Step) error {
	for _, step := range steps {
		args, err := texts(step.Args)
		if err != nil {
			return err
		}
		r.send(step.SQL, args, step.Scan)
		if step.Decides {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush reads what has been sent so far, and leaves the transaction open.
func (r *run) flush() error {
	r.pipe.SendFlushRequest()
	if err := r.pipe.Flush(); err != nil {
		return fmt.Errorf("sending statements: %w", err)
	}
	return r.read()
}

// read reads what is awaited, up to the first error.
func (r *run) read() error {
	awaited := r.awaited
	r.awaited = nil
	for _, next := range awaited {
		if err := next(); err != nil {
			return err
		}
	}
	return nil
}

// result reads one result.
func (r *run) result(scan Scan) error {
	got, err := r.pipe.GetResults()
	if err != nil {
		return err //nolint:wrapcheck // As makes a fault of it
	}
	reader, ok := got.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("reading results: unexpected %T", got)
	}
	if scan == nil {
		_, err := reader.Close()
		return err //nolint:wrapcheck // As makes a fault of it
	}
	rows := pgx.RowsFromResultReader(r.types, reader)
	err = scan(rows)
	rows.Close()
	if rows.Err() != nil {
		return rows.Err() //nolint:wrapcheck // As makes a fault of it
	}
	return err
}

// finish ends an implicit transaction, and reads what is left; err is what has
// gone wrong already.
func (r *run) finish(err error) error {
	synced := r.pipe.Sync()
	if err == nil && synced == nil {
		err = r.read()
	}
	return errors.Join(err, synced, r.pipe.Close())
}

// end reads what is left while the transaction is open, and then ends it; err is
// what has gone wrong already. A connection that is lost or still in a
// transaction is not used again: the pool looks at that.
func (r *run) end(ctx context.Context, pg *pgconn.PgConn, rollback bool, err error) error {
	if err == nil && rollback {
		r.pipe.SendQueryParams("set constraints all immediate", nil, nil, nil, nil)
		r.expect(nil)
	}
	if err == nil {
		err = r.flush()
	}
	refused := Report(err) != nil // PostgreSQL takes nothing but the end of the pipeline now
	switch {
	case refused:
	case err != nil || rollback:
		r.pipe.SendQueryParams("rollback", nil, nil, nil, nil)
	default:
		r.pipe.SendQueryParams("commit", nil, nil, nil, nil)
	}
	err = errors.Join(err, r.pipe.Sync(), r.pipe.Close())
	if refused {
		_, undone := pg.Exec(ctx, "rollback").ReadAll()
		err = errors.Join(err, undone)
	}
	return err
}
