package admin

import (
	"context"
	"errors"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Removal is what deleting a user does, or would do.
type Removal struct {
	Deleted  bool `json:"deleted"`  // false in a dry run
	Blocked  bool `json:"blocked"`  // whether rows keep the user from being deleted
	Sessions int  `json:"sessions"` // that end
	user.Relations
}

// errDryRun undoes what was only to be looked at.
var errDryRun = errors.New("a dry run")

// Delete removes a user with everything that the server keeps of them, unless
// rows of applications are in its way: then it is a fault that lists them. The
// audit log keeps its records. A dry run only says what would happen.
func (s *Service) Delete(ctx context.Context, by By, userID id.User, dryRun bool) (Removal, error) {
	var r Removal
	var ended []id.Session
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		if r.Relations, err = s.Users.Relations(ctx, q, userID, s.Schemas); err != nil {
			return err
		}
		blocked := r.Relations.Blocked()
		r.Blocked = blocked != nil
		if blocked != nil && !dryRun {
			return blocked
		}
		if ended, err = s.Sessions.EndAll(ctx, q, userID, id.Session{}, session.UserDeleted); err != nil {
			return err
		}
		r.Sessions = len(ended)
		if dryRun {
			return errDryRun
		}
		if err := s.Users.Delete(ctx, q, userID); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.UserDeleted, "user", id.UUID(userID)))
	})
	if errors.Is(err, errDryRun) {
		return r, nil
	}
	if err != nil {
		return Removal{}, err
	}
	r.Deleted = true
	s.Sessions.Revoked.Add(ended...)
	return r, nil
}

// The lifetime of a session in which an operator acts as a user.
const (
	defaultImpersonation = 15 * time.Minute
	maxImpersonation     = time.Hour
)

// Disguise is the body that makes a session in which an operator acts as a user.
type Disguise struct {
	Reason    string `json:"reason"`               // for the audit log
	ExpiresIn *int64 `json:"expires_in,omitempty"` // seconds, 3600 at most; 900 if absent
}

// Signed is a user with a session of theirs.
type Signed struct {
	User    user.Document  `json:"user"`
	Session session.Tokens `json:"session"`
}

// Impersonate makes a session in which the operator acts as a user. Its tokens
// say so, and it cannot be used to change how the user signs in.
func (s *Service) Impersonate(ctx context.Context, by By, userID id.User, d Disguise) (Signed, error) {
	if err := checkReason(d.Reason, true); err != nil {
		return Signed{}, err
	}
	lifetime := defaultImpersonation
	if d.ExpiresIn != nil {
		if *d.ExpiresIn < 1 || *d.ExpiresIn > int64(maxImpersonation/time.Second) {
			return Signed{}, fault.Input("/expires_in", "invalid_expiry", "It is from 1 to 3600 seconds.")
		}
		lifetime = time.Duration(*d.ExpiresIn) * time.Second
	}
	actor := by.ID.String()
	if actor == "" {
		actor = "operator" // at the database, without a key
	}
	var live session.Live
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := s.Users.Lock(ctx, q, userID); err != nil {
			return err
		}
		var err error
		if live, err = s.Sessions.Impersonate(ctx, q, userID, actor, lifetime, by.From); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.UserImpersonated, "user", id.UUID(userID),
			"reason", d.Reason, "session_id", live.ID.String(), "expires_at", live.ExpiresAt.UTC().Format(time.RFC3339)))
	})
	if err != nil {
		return Signed{}, err
	}
	tokens, err := s.Sessions.Issue(live)
	return Signed{User: user.Document(live.Document), Session: tokens}, err
}
