package admin

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Swept is what has become of some anonymous users.
type Swept struct {
	Next    user.Guest // where to go on; the zero value is the end
	Removed int
	Kept    int   // who were to be removed
	Why     error // the first of them is not
}

// SweepGuests removes anonymous users whom nobody can be any more, and whose last
// use is older than age, as Delete does: each in a transaction with its audit
// record. It looks at up to limit of them after a cursor, the zero value at the
// beginning. One who cannot be removed, above all since rows of applications are in
// the way, keeps nobody else.
func (s *Service) SweepGuests(ctx context.Context, after user.Guest, limit int, age time.Duration) (Swept, error) {
	var swept Swept
	var guests []user.Guest
	idle := s.Sessions.Config.IdleTTL
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		guests, err = s.Users.Guests(ctx, q, after, age, idle, limit)
		return err
	})
	if err != nil {
		return swept, err
	}
	if len(guests) == limit {
		swept.Next = guests[limit-1]
	}
	for _, g := range guests {
		if !g.Gone {
			continue
		}
		err := s.DB.InTx(ctx, func(q postgres.Querier) error {
			if err := s.Users.LockGuest(ctx, q, g.ID, age, idle); err != nil {
				return err
			}
			if err := s.Users.Delete(ctx, q, g.ID); err != nil {
				return err
			}
			return audit.Write(ctx, q, audit.Actor{}.Did(audit.UserDeleted, "user", id.UUID(g.ID), "reason", "anonymous_retention"))
		})
		switch {
		case ctx.Err() != nil:
			return swept, context.Cause(ctx)
		case err == nil:
			swept.Removed++
		case !errors.Is(err, user.ErrNotFound): // somebody is them again, or they are gone already
			swept.Kept++
			swept.Why = cmp.Or(swept.Why, err)
		}
	}
	return swept, nil
}
