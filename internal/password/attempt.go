package password

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Limit is how many wrong passwords in a row an account takes. The zero value is
// the default.
type Limit struct {
	Failures int           // from where the account is not known to be used, and from each place where it is; 0 is 100 (NIST SP 800-63B, 3.2.2)
	Window   time.Duration // without an attempt, after which the count begins anew; 0 is 24 h
}

func (l Limit) failures() int         { return cmp.Or(l.Failures, 100) }
func (l Limit) window() time.Duration { return cmp.Or(l.Window, 24*time.Hour) }

// Attempt is leave to compare one password with that of an address, or none.
type Attempt struct {
	Found

	Refused bool // there have been too many: see Text

	email, place string
}

// Text is what to compare instead of what was sent: of an attempt that is
// refused, a password that nobody has. So it takes the work, and ends with the
// answer, of any that is wrong.
func (a Attempt) Text(sent string) string {
	if a.Refused {
		return ""
	}
	return sent
}

// Begin counts an attempt to sign in to an address, which must be normalised, and
// returns what there is under it. Like an attempt with a second factor it is
// counted before anything is compared, in a statement of its own: of any number at
// once no more are compared than there may be, and no rollback takes the count
// back. What is refused is not counted, and does not prolong anything.
//
// Whoever comes from a place that the account is used from (auth.known_places) has
// a count of their own, so that no stranger keeps them out. Who is behind a proxy
// that is not listed could be anybody.
func (s *Service) Begin(ctx context.Context, q postgres.Querier, email string, from session.Origin) (Attempt, error) {
	if s.Pool.full() { // it would be taken back
		s.Pool.refused.Add(1)
		return Attempt{}, ErrBusy
	}
	a := Attempt{email: email}
	place := from.Place()
	if from.Shared {
		place.First, place.Last = netip.Addr{}, netip.Addr{}
	}
	err := countAttempt(ctx, q, &a, place, s.Limit)
	return a, err
}

// Compare verifies what was sent with an attempt against the password of the
// account; see Verify. It returns ErrMismatch, and ErrBusy for what has not been
// compared and does not count.
func (s *Service) Compare(ctx context.Context, q postgres.Querier, a Attempt, sent string) (stale bool, err error) {
	stale, err = s.Verify(ctx, a.Digest, a.Text(sent))
	if errors.Is(err, ErrBusy) && !a.Refused {
		if err := s.TakeBack(ctx, q, a); err != nil {
			return false, err
		}
	}
	return stale, err
}

// Succeeded forgets the attempts before the right password, where those were
// counted, as part of a transaction.
func (s *Service) Succeeded(ctx context.Context, q postgres.Querier, a Attempt) error {
	return deleteAttempts(ctx, q, a.email, a.place)
}

// TakeBack takes one attempt back, which was no guess. Others from the same place
// still count.
func (s *Service) TakeBack(ctx context.Context, q postgres.Querier, a Attempt) error {
	return uncountAttempt(ctx, q, a.email, a.place)
}

// Unlock forgets all attempts with a user's password, wherever they came from.
func (s *Service) Unlock(ctx context.Context, q postgres.Querier, userID id.User) error {
	return deleteAllAttempts(ctx, q, userID)
}

// Clean removes counts that are over, some at a time, and says whether it may have
// left some.
func (s *Service) Clean(ctx context.Context, q postgres.Querier, limit int) (more bool, err error) {
	n, err := deleteOldAttempts(ctx, q, s.Limit.window(), limit)
	if err != nil {
		return false, fmt.Errorf("removing old attempts: %w", err)
	}
	return n == int64(limit), nil
}
