package dataapi

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// KnowsTimezone says whether PostgreSQL has a time zone of a name.
func (s *Service) KnowsTimezone(ctx context.Context, p *principal.Principal, name string) (bool, error) {
	return s.timezones.has(ctx, s.DB, p, name)
}

// timezones are the names that PostgreSQL knows. It reads them from files each
// time, so they are asked for once.
type timezones struct {
	mutex sync.Mutex
	names map[string]bool
}

const timezonesSQL = `select name from pg_catalog.pg_timezone_names`

// has says whether there is a time zone of a name. The first caller who names
// one asks PostgreSQL.
func (z *timezones) has(ctx context.Context, db Database, p *principal.Principal, name string) (bool, error) {
	z.mutex.Lock()
	defer z.mutex.Unlock()
	if z.names != nil {
		return z.names[name], nil
	}
	names := map[string]bool{}
	err := db.As(ctx, p, postgres.Statement{SQL: timezonesSQL, ReadOnly: true}, func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, n := range found {
			names[n] = true
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading the names of time zones: %w", err)
	}
	z.names = names
	return names[name], nil
}
