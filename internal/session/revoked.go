package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
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
// circulation as a token: sessions and keys. It is fed by notifications and,
// for those that get lost, by polling. It is safe for concurrent use.
type Revoked struct {
	keep time.Duration // how long a token can outlive its session
	now  func() time.Time

	mu      sync.RWMutex
	until   map[string]time.Time // kind:id
	fresh   time.Time            // when the set was last known to be complete
	horizon string               // the oldest transaction that the last poll may have missed
	swept   time.Time
}

// NewRevoked makes a set for tokens that live for ttl.
func NewRevoked(ttl time.Duration, now func() time.Time) *Revoked {
	return &Revoked{keep: ttl + leeway + time.Minute, now: now, until: map[string]time.Time{}, horizon: "0"}
}

// Contains says whether something has been revoked, and whether the set is
// fresh enough for a "no" to be believed.
func (r *Revoked) Contains(kind string, subject id.UUID) (revoked, known bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, revoked = r.until[kind+":"+subject.String()]
	return revoked, r.now().Sub(r.fresh) < stale
}

// Add puts sessions that this instance has just ended into the set.
func (r *Revoked) Add(sessions ...id.Session) {
	for _, s := range sessions {
		r.Notified("session:" + s.String())
	}
}

// Notified takes a notification: "session:UUID" or "key:UUID".
func (r *Revoked) Notified(payload string) (poll bool) {
	kind, text, _ := strings.Cut(payload, ":")
	if subject, err := id.Parse(text); err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.until[kind+":"+subject.String()] = r.now().Add(r.keep)
	}
	return false
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
		key := f.kind + ":" + f.subject.String()
		if _, ok := r.until[key]; !ok && f.kind != "" {
			r.until[key] = began.Add(r.keep)
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
	r.mu.Unlock()
	if err := deleteRevocations(ctx, q, retention); err != nil {
		return fmt.Errorf("forgetting revocations: %w", err)
	}
	return nil
}

// Check says whether a session still stands: nil, Ended, or a fault of the
// database. It costs a statement only if the session has been revoked, or if
// the local set is not known to be complete.
func (s *Service) Check(ctx context.Context, sessionID id.Session) error {
	revoked, known := s.Revoked.Contains("session", id.UUID(sessionID))
	if !revoked && known {
		return nil
	}
	reason, err := selectReason(ctx, s.DB.Single(), sessionID)
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
	default:
		return nil
	}
}
