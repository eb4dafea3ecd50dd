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
		return forgetSchedule(ctx, s.DB.Single(), abandoned)
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
		if due, err = s.reschedule(ctx, due, next); err != nil {
			return err
		}
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

// abandoned is how long a rotation has to be due before nobody watches the
// schedule. An instance that does not rotate forgets it then: enabled again, it
// begins anew.
const abandoned = time.Hour

// reschedule notes the schedule of this instance. While instances have
// different ones, whatever is due first is started, so that they do not put it
// off for each other for ever.
func (s *Service) reschedule(ctx context.Context, due dueAt, next time.Time) (dueAt, error) {
	if due.schedule != "" && s.scheduled.Swap(true) && !s.warned.Swap(true) {
		s.Logger.WarnContext(ctx, "another instance has another schedule of key rotation; the earlier of both counts",
			slog.String("schedule", s.Config.Schedule), slog.String("other", due.schedule))
	}
	at, err := putSchedule(ctx, s.DB.Single(), s.Config.Schedule, next)
	return dueAt{s.Config.Schedule, at, due.now}, err
}

// dueAt is the row of the schedule; the zero value is none.
type dueAt struct {
	schedule string
	at       time.Time
	now      time.Time // of the database
}
