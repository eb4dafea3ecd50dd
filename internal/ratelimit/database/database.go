// Package database keeps the counts of rate limits in PostgreSQL, for several
// instances without a Redis: one statement a request, on an unlogged table, by
// the clock of the database.
package database

import (
	"context"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
)

// Door is the owner's door.
type Door interface {
	Single() postgres.Querier
}

// Store implements ratelimit.Store.
type Store struct {
	DB Door
}

// Spend implements ratelimit.Store.
func (s *Store) Spend(ctx context.Context, charges []ratelimit.Charge) (bool, ratelimit.Levels, error) {
	admitted, levels, err := spend(ctx, s.DB.Single(), charges)
	if err != nil {
		return false, levels, fmt.Errorf("counting in the database: %w", err)
	}
	return admitted, levels, nil
}

// Clean removes keys that have their whole allowance, at most so many, and says
// whether there may be more.
func (s *Store) Clean(ctx context.Context, limit int) (more bool, err error) {
	removed, err := clean(ctx, s.DB.Single(), limit)
	if err != nil {
		return false, fmt.Errorf("removing old counts: %w", err)
	}
	return removed == int64(limit), nil
}
