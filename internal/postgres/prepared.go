package postgres

import (
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// preparedStatements is how many statements stay prepared on a connection.
// Callers shape theirs, and PostgreSQL keeps each in memory of its own.
const preparedStatements = 64

// prepared is what one connection has prepared. A connection has one user at a
// time, so it needs no lock.
type prepared struct {
	of     map[string]string // name by SQL
	recent []string          // SQL, most recently used last
	made   int
}

// preparedKey is where a connection carries its prepared statements.
const preparedKey = "fluxbase.prepared"

// prepare makes sure that a connection has the statements prepared. The one
// used longest ago makes room.
func prepare(ctx context.Context, pg *pgconn.PgConn, statements ...string) (*prepared, error) {
	p, ok := pg.CustomData()[preparedKey].(*prepared)
	if !ok {
		p = &prepared{of: map[string]string{}}
		pg.CustomData()[preparedKey] = p
	}
	for _, sql := range statements {
		if _, ok := p.of[sql]; ok {
			p.use(sql)
			continue
		}
		if len(p.recent) >= preparedStatements {
			oldest := p.recent[0]
			if err := pg.Deallocate(ctx, p.of[oldest]); err != nil {
				return nil, err
			}
			p.forget(oldest)
		}
		p.made++
		name := "fb" + strconv.Itoa(p.made)
		if _, err := pg.Prepare(ctx, name, sql, nil); err != nil {
			return nil, err
		}
		p.of[sql] = name
		p.recent = append(p.recent, sql)
	}
	return p, nil
}

func (p *prepared) use(sql string) {
	if last := len(p.recent) - 1; p.recent[last] != sql {
		i := slices.Index(p.recent, sql)
		p.recent = append(slices.Delete(p.recent, i, i+1), sql)
	}
}

func (p *prepared) forget(sql string) {
	if i := slices.Index(p.recent, sql); i >= 0 {
		p.recent = slices.Delete(p.recent, i, i+1)
	}
	delete(p.of, sql)
}

// forgetAll makes a connection prepare everything anew, under names that it has
// not had.
func forgetAll(pg *pgconn.PgConn) {
	if p, ok := pg.CustomData()[preparedKey].(*prepared); ok {
		p.of, p.recent = map[string]string{}, nil
	}
}
