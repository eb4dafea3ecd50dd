package rotation

import (
	"context"
	"log/slog"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// schedule starts the rotation that is due. Of all instances one moves the
// instant on, and that one starts it. A rotation that came due while no
// instance ran is started by the next one that does.
func (s *Service) schedule(ctx context.Context) error {
	if !s.Config.Enabled {
		return nil
	}
	due, err := selectSchedule(ctx, s.DB.Single())
	if err != nil {
		return err
	}
	next, err := s.Config.Next(due.now)
	if err != nil {
		return err
	}
	if due.schedule != s.Config.Schedule {
		return putSchedule(ctx, s.DB.Single(), s.Config.Schedule, next)
	}
	if due.now.Before(due.at) {
		return nil
	}
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := lockStart(ctx, q); err != nil {
			return err
		}
		mine, err := advanceSchedule(ctx, q, due, next)
		if err != nil || !mine {
			return err
		}
		r := Run{ID: id.Run(id.New(s.Keys.Now())), Kind: Rotation, State: Queued, BatchSize: DefaultPace.BatchSize, Concurrency: DefaultPace.Concurrency}
		if _, found, err := selectOpen(ctx, q, r); err != nil || found {
			return err
		}
		s.Logger.InfoContext(ctx, "a key rotation is due", slog.String("run_id", r.ID.String()), slog.Time("next", next))
		return s.enter(ctx, q, audit.Actor{}, &r)
	})
}

// dueAt is the row of the schedule; the zero value is none.
type dueAt struct {
	schedule string
	at       time.Time
	now      time.Time // of the database
}
