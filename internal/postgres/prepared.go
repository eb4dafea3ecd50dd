package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// preparedStatements is how many statements stay prepared on a connection.
// Callers shape theirs, and PostgreSQL keeps each in memory of its own.
const preparedStatements = 64

// maxPreparedText is how long a statement may be that stays prepared, in bytes:
// callers can ask for much longer ones than anybody needs twice.
const maxPreparedText = 16 << 10

// prepared is what one connection has prepared. A connection has one user at a
// time, so it needs no lock.
type prepared struct {
	of     map[string]string // name by SQL
	recent []string          // SQL, most recently used last
	made   int
}

// preparedKey is where a connection carries its prepared statements.
const preparedKey = "fluxbase.prepared"

// preparedOn returns what a connection has prepared.
func preparedOn(pg *pgconn.PgConn) *prepared {
	p, ok := pg.CustomData()[preparedKey].(*prepared)
	if !ok {
		p = &prepared{of: map[string]string{}}
		pg.CustomData()[preparedKey] = p
	}
	return p
}

// name returns the name of a statement, and whether it is prepared; if not, the
// name is new.
func (p *prepared) name(sql string) (string, bool) {
	if name, known := p.of[sql]; known {
		p.use(sql)
		return name, true
	}
	p.made++
	return "fb" + strconv.Itoa(p.made), false
}

// keep takes note of a statement that has been prepared.
func (p *prepared) keep(sql, name string) {
	p.forget(sql)
	p.of[sql] = name
	p.recent = append(p.recent, sql)
}

// evict makes room for statements, and returns the names of those that are to be
// let go: the ones used longest ago.
func (p *prepared) evict(sqls []string) []string {
	more := 0
	for _, sql := range sqls {
		if _, known := p.of[sql]; known {
			p.use(sql)
		} else if len(sql) <= maxPreparedText {
			more++
		}
	}
	var names []string
	for range min(len(p.recent)+more-preparedStatements, len(p.recent)) {
		names = append(names, p.of[p.recent[0]])
		p.forget(p.recent[0])
	}
	return names
}

func (p *prepared) use(sql string) {
	if last := len(p.recent) - 1; p.recent[last] != sql {
		i := slices.Index(p.recent, sql)
		p.recent = append(slices.Delete(p.recent, i, i+1), sql)
	}
}

// drop lets go of a statement that does not fit any more. One that is gone has
// not gone alone: somebody has let go of all.
func (p *prepared) drop(ctx context.Context, pg *pgconn.PgConn, sql string, gone bool) error {
	if gone {
		p.forgetAll()
		return nil
	}
	name := p.of[sql]
	p.forget(sql)
	if err := pg.Deallocate(ctx, name); err != nil {
		return fmt.Errorf("letting go of a prepared statement: %w", err)
	}
	return nil
}

func (p *prepared) forget(sql string) {
	if i := slices.Index(p.recent, sql); i >= 0 {
		p.recent = slices.Delete(p.recent, i, i+1)
	}
	delete(p.of, sql)
}

// forgetAll makes a connection prepare everything anew, under names that it has
// not had.
func (p *prepared) forgetAll() { p.of, p.recent = map[string]string{}, nil }
