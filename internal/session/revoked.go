package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Channel is where PostgreSQL announces revocations.
const Channel = "fluxbase_revocations"

// stale is how old what an instance knows of revocations may be. Past it every
// credential is looked up in the database.
const stale = 900 * time.Millisecond

// retention is how long the database keeps revocations: longer than any
// instance, whatever its configuration, can be asked to honour a token.
const retention = 25 * time.Hour

// Revoked is the local set of what has been revoked and may still be in
// circulation as a token: sessions, keys, and what tokens said about a user
// before it changed. It is fed by notifications and,
// for those that get lost, by polling. It is safe for concurrent use.
type Revoked struct {
	keep time.Duration // how long a token can outlive its session
	now  func() time.Time

	mu      sync.RWMutex
	until   map[string]time.Time // kind:id
	users   map[id.User]version  // whose tokens were overtaken lately
	fresh   time.Time            // when the set was last known to be complete
	horizon string               // the oldest transaction that the last poll may have missed
	swept   time.Time
}

// version is the lowest claims version of a user's that is good.
type version struct {
	number int64
	until  time.Time
}

// NewRevoked makes a set for tokens that live for ttl.
func NewRevoked(ttl time.Duration, now func() time.Time) *Revoked {
	return &Revoked{keep: ttl + leeway + time.Minute, now: now, until: map[string]time.Time{}, users: map[id.User]version{}, horizon: "0"}
}

// Contains says whether something has been revoked, and whether the set is
// fresh enough for a "no" to be believed.
func (r *Revoked) Contains(kind string, subject id.UUID) (revoked, known bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, revoked = r.until[kind+":"+subject.String()]
	return revoked, r.now().Sub(r.fresh) < stale
}

// Overtaken says whether what a token says about a user is known to have
// changed since that version.
func (r *Revoked) Overtaken(userID id.User, number int64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return number < r.users[userID].number
}

// Add puts sessions that this instance has just ended into the set.
func (r *Revoked) Add(sessions ...id.Session) {
	for _, s := range sessions {
		r.Notified("session:" + s.String())
	}
}

// Overtake notes the version of what tokens of a user have to say, which this
// instance has just raised.
func (r *Revoked) Overtake(userID id.User, number int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put("user", id.UUID(userID), number, r.now().Add(r.keep))
}

// Notified takes a notification: "session:UUID", "key:UUID" or "user:UUID:VERSION".
func (r *Revoked) Notified(payload string) (poll bool) {
	kind, text, _ := strings.Cut(payload, ":")
	text, digits, _ := strings.Cut(text, ":")
	subject, err := id.Parse(text)
	if err != nil {
		return false
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	if kind == "user" && err != nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(kind, subject, number, r.now().Add(r.keep))
	return false
}

// put adds to the set, which must be locked.
func (r *Revoked) put(kind string, subject id.UUID, number int64, until time.Time) {
	if kind == "user" {
		userID := id.User(subject)
		r.users[userID] = version{max(number, r.users[userID].number), until}
		return
	}
	r.until[kind+":"+subject.String()] = until
}

// Poll reads what has been revoked since the last poll.
func (r *Revoked) Poll(ctx context.Context, q postgres.Querier) error {
	began := r.now()
	r.mu.RLock()
	horizon := r.horizon
	r.mu.RUnlock()
	found, err := selectRevocations(ctx, q, horizon, r.keep)
	if err != nil {
		return fmt.Errorf("reading revocations: %w", err)
	}
	r.add(found, began)
	return r.sweep(ctx, q, began)
}

func (r *Revoked) add(found []revocation, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range found {
		r.horizon = f.horizon
		_, ok := r.until[f.kind+":"+f.subject.String()]
		if !ok && f.kind != "" {
			r.put(f.kind, f.subject, f.version, began.Add(r.keep))
		}
	}
	r.fresh = began
}

// sweep forgets, once a minute, what no token can name any more.
func (r *Revoked) sweep(ctx context.Context, q postgres.Querier, now time.Time) error {
	if now.Sub(r.swept) < time.Minute {
		return nil
	}
	r.swept = now
	r.mu.Lock()
	for key, until := range r.until {
		if now.After(until) {
			delete(r.until, key)
		}
	}
	for userID, v := range r.users {
		if now.After(v.until) {
			delete(r.users, userID)
		}
	}
	r.mu.Unlock()
	if err := deleteRevocations(ctx, q, retention); err != nil {
		return fmt.Errorf("forgetting revocations: %w", err)
	}
	return nil
}

// Check says whether an access token still stands: nil, Ended if its session is
// over, the fault of an expired token if what it says about the user has
// changed, or a fault of the database. It costs a statement only if the session
// has been revoked, or if the local set is not known to be complete.
func (s *Service) Check(ctx context.Context, p *principal.Principal) error {
	revoked, known := s.Revoked.Contains("session", id.UUID(p.Session))
	if !revoked && s.Revoked.Overtaken(p.User, p.Version) {
		return errOvertaken
	}
	if !revoked && known {
		return nil
	}
	reason, version, err := selectReason(ctx, s.DB.Single(), p.Session)
	switch {
	case errors.Is(err, errNoSession):
		return Ended(UserDeleted)
	case err != nil && revoked:
		return Ended("")
	case err != nil:
		return fmt.Errorf("checking a session: %w", err)
	case reason != "":
		return Ended(reason)
	case revoked:
		return Ended("")
	case version > p.Version:
		return errOvertaken
	default:
		return nil
	}
}
