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
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Series is statements that a caller has asked for at once. They are one
// transaction: any error undoes them all.
type Series struct {
	// Begin makes the next steps the first ones. It is called once more if nothing
	// has happened because what was prepared was gone.
	Begin func() error

	// Next returns the steps that travel together next, of no more than MaxShapes
	// different statements, and io.EOF after the last ones. The transaction is
	// open meanwhile, so it must not wait for anybody.
	Next func() ([]Step, error)

	// Check is asked after the last step whether it may stand.
	Check func() error

	// Rollback undoes everything in any case, as it does for a Statement.
	Rollback bool

	Isolation Isolation     // "" is read committed
	Timeout   time.Duration // of each statement; 0 is that of the database
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
func (db *DB) InSeries(ctx context.Context, p *principal.Principal, s Series) (err error) {
	pool, ok := db.roles[p.Role]
	if !ok {
		return fmt.Errorf("running statements as a principal: no pool for role %q", p.Role)
	}
	if db.config.Traced {
		var span trace.Span
		ctx, span = startSpan(ctx, "insert", p.Role)
		defer func() { endSpan(span, err) }()
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return Fault(err)
	}
	defer conn.Release() // closes what is still in a transaction

	r := &runner{pg: conn.Conn().PgConn(), types: conn.Conn().TypeMap(), settings: db.settings(p, false, s.Timeout)}
	if !db.config.Pooled {
		r.prepared = preparedOn(r.pg)
	}
	err = r.series(ctx, s)
	if stale(err) { // it was refused before it ran, and what ran before has been undone
		err = r.series(ctx, s)
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
	prepared *prepared // nil where nothing can be
}

func (r *runner) series(ctx context.Context, s Series) error {
	if err := s.Begin(); err != nil {
		return err
	}
	if err := command(ctx, r.pg, s.Isolation.begin()); err != nil {
		return err
	}
	err := command(ctx, r.pg, resetSQL)
	if err == nil {
		err = r.steps(ctx, s)
	}
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
	sqls := []string{settingsSQL}
	for _, step := range batch {
		if !slices.Contains(sqls, step.SQL) {
			sqls = append(sqls, step.SQL)
		}
	}
	p := &run{pipe: r.pg.StartPipeline(ctx), types: r.types, prepared: r.prepared}
	p.makeRoom(sqls...)
	var err error
	for i := 0; err == nil && i < len(batch); i++ {
		p.send(settingsSQL, r.settings, nil)
		err = p.all(batch[i : i+1])
	}
	err = p.finish(err)
	if stale(err) && r.prepared != nil {
		r.prepared.forgetAll()
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
