package user

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Guest is an anonymous user, in the order of their creation. The zero value
// comes before all of them.
type Guest struct {
	ID        id.User
	CreatedAt time.Time
	Gone      bool // see Service.Guests
}

// Guests returns anonymous users that are older than an age, up to limit of those
// after one. Gone are those who can come back no more, and whose last use is
// older than that, too: nobody but the holder of a session is an anonymous
// user, and idle is how long a session may lie unused.
func (s *Service) Guests(ctx context.Context, q postgres.Querier, after Guest, age, idle time.Duration, limit int) ([]Guest, error) {
	return selectGuests(ctx, q, after, age, idle, limit)
}

// LockGuest is Lock of an anonymous user who is gone still. It returns ErrNotFound
// for anybody else.
func (s *Service) LockGuest(ctx context.Context, q postgres.Querier, userID id.User, age, idle time.Duration) error {
	if err := lockForDelete(ctx, q, userID); err != nil {
		return err
	}
	return selectGone(ctx, q, userID, age, idle)
}
