package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Series is statements that a caller has asked for at once. They are one
// transaction: any error undoes them all.
type Series struct {
	// Next returns the steps that travel together next, and io.EOF after the last
	// ones. The transaction is open meanwhile, so it must not wait for anybody.
	Next func() ([]Step, error)

	// Check is asked after the last step whether it may stand.
	Check func() error

	// Rollback undoes everything in any case, as it does for a Statement.
	Rollback bool

	Isolation Isolation     // "" is read committed
	Timeout   time.Duration // of each statement; 0 is that of the database
}

// undoPatience is how long a connection may take to undo a transaction before it
// is given up, which undoes it too.
const undoPatience = 5 * time.Second

// InSeries runs statements as a principal, in one transaction. The settings of
// the principal travel with each batch anew, so that nothing which a function
// sets in one is there in the next. Nothing is prepared.
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

	err = series(ctx, conn.Conn().PgConn(), conn.Conn().TypeMap(), db.settings(p, false, s.Timeout), s)
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return fault.Newf(fault.TooLarge, "answer_too_large", "An answer is larger than %d bytes; nothing has been written.", maxAnswer).Because(err)
	}
	return faultOf(err, kindOfCallers)
}

func series(ctx context.Context, pg *pgconn.PgConn, types *pgtype.Map, settings [][]byte, s Series) error {
	if err := command(ctx, pg, s.Isolation.begin()); err != nil {
		return err
	}
	err := steps(ctx, pg, types, settings, s)
	if err == nil && s.Rollback {
		err = command(ctx, pg, "set constraints all immediate")
	}
	if err == nil && !s.Rollback {
		return command(ctx, pg, "commit")
	}
	if pg.IsClosed() { // PostgreSQL undoes what nobody commits
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	return errors.Join(err, command(ending, pg, "rollback"))
}

func steps(ctx context.Context, pg *pgconn.PgConn, types *pgtype.Map, settings [][]byte, s Series) error {
	for {
		batch, err := s.Next()
		if errors.Is(err, io.EOF) {
			return s.Check()
		}
		if err != nil {
			return err
		}
		if err := together(ctx, pg, types, settings, batch); err != nil {
			return err
		}
	}
}

// together sends settings and steps in one piece. PostgreSQL runs no step after
// one that failed.
func together(ctx context.Context, pg *pgconn.PgConn, types *pgtype.Map, settings [][]byte, batch []Step) error {
	r := &run{pipe: pg.StartPipeline(ctx), types: types}
	r.send(settingsSQL, settings, nil)
	return r.finish(r.all(batch))
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
