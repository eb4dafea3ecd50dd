package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Step is one statement of a series, and what reads its result. ReadOnly, Held
// and Rollback of the statement mean nothing here.
type Step struct {
	Statement

	Scan Scan
}

// Series is statements that a caller has asked for at once. They are one
// transaction: any error undoes them all.
type Series struct {
	// Begin makes the next steps the first ones. It is called once more if nothing
	// has happened because what was prepared was gone.
	Begin func() error

	// Next returns the steps that travel together next, of no more than MaxShapes
	// different statements, and io.EOF after the last ones. The transaction is open meanwhile, so it must not wait for anybody.
	Next func() ([]Step, error)

	// Check is asked after the last step whether it may stand.
	Check func() error

	// Rollback undoes everything in any case, as it does for a Statement.
	Rollback bool
}

// MaxShapes bounds how many different statements travel together: all of them
// stay prepared meanwhile.
const MaxShapes = preparedStatements / 2

// undoPatience is how long a connection may take to undo a transaction before it
// is given up, which undoes it too.
const undoPatience = 5 * time.Second

// InSeries runs statements as a principal, in one transaction. The settings of
// the principal travel before each statement anew, so that nothing which a
// function sets in one is there in the next.
func (db *DB) InSeries(ctx context.Context, p *principal.Principal, s Series) error {
	pool, ok := db.roles[p.Role]
	if !ok {
		return fmt.Errorf("running statements as a principal: no pool for role %q", p.Role)
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	defer conn.Release() // closes what is still in a transaction

	run := &runner{pg: conn.Conn().PgConn(), types: conn.Conn().TypeMap(), settings: db.settings(p, false), prepares: !db.config.Pooled}
	err = run.series(ctx, s)
	if stale(err) { // it was refused before it ran, and what ran before has been undone
		err = run.series(ctx, s)
	}
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return fault.Newf(fault.TooLarge, "answer_too_large", "An answer is larger than %d bytes; nothing has been written.", maxAnswer).Because(err)
	}
	return faultOf(err, kindOfCallers)
}

// runner runs a series on one connection.
type runner struct {
	pg       *pgconn.PgConn
	types    *pgtype.Map
	settings [][]byte
	prepares bool
}

func (r *runner) series(ctx context.Context, s Series) error {
	if err := s.Begin(); err != nil {
		return err
	}
	if err := command(ctx, r.pg, "begin"); err != nil {
		return err
	}
	err := r.steps(ctx, s)
	if err == nil && s.Rollback {
		err = command(ctx, r.pg, "set constraints all immediate")
	}
	if err == nil && !s.Rollback {
		return command(ctx, r.pg, "commit")
	}
	if r.pg.IsClosed() { // PostgreSQL undoes what nobody commits
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	return errors.Join(err, command(ending, r.pg, "rollback"))
}

func (r *runner) steps(ctx context.Context, s Series) error {
	for {
		batch, err := s.Next()
		if errors.Is(err, io.EOF) {
			return s.Check()
		}
		if err != nil {
			return err
		}
		if err := r.together(ctx, batch); err != nil {
			return err
		}
	}
}

// together sends steps in one piece, each after the settings. PostgreSQL runs no
// step after one that failed.
func (r *runner) together(ctx context.Context, batch []Step) error {
	args := make([][][]byte, len(batch))
	statements := []string{settingsSQL}
	var err error
	for i, st := range batch {
		if args[i], err = texts(st.Args); err != nil {
			return err
		}
		if !slices.Contains(statements, st.SQL) {
			statements = append(statements, st.SQL)
		}
	}
	send := func(p *pgconn.Pipeline, sql string, args [][]byte) { p.SendQueryParams(sql, args, nil, nil, nil) }
	if r.prepares {
		names, err := prepare(ctx, r.pg, statements...)
		if err != nil {
			return err
		}
		send = func(p *pgconn.Pipeline, sql string, args [][]byte) {
			p.SendQueryPrepared(names.of[sql], args, nil, nil)
		}
	}
	p := r.pg.StartPipeline(ctx)
	for i, st := range batch {
		send(p, settingsSQL, r.settings)
		send(p, st.SQL, args[i])
	}
	err = p.Sync()
	for i := 0; err == nil && i < len(batch); i++ {
		err = results(p, r.types, 1, batch[i].Scan)
	}
	err = errors.Join(err, p.Close())
	if stale(err) && r.prepares {
		forgetAll(r.pg)
	}
	return err
}

// command runs what ends or begins a transaction. PostgreSQL answers a commit
// that it cannot do with a tag of another name, and no error.
func command(ctx context.Context, pg *pgconn.PgConn, sql string) error {
	answers, err := pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return err
	}
	if sql == "commit" && (len(answers) != 1 || answers[0].CommandTag.String() != "COMMIT") {
		return errors.New("the transaction was not committed")
	}
	return nil
}
