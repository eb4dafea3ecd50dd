// Package admin is what operators do to accounts and sessions, with a service
// key. Every deed is one transaction with its audit record, which names the key.
//
// What has been decided here bites at once on every instance: sessions that end
// are refused, and so are tokens that say what is no longer so. The tables see
// to that, see migration 00012.
package admin

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/totp"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Database is the owner's door.
type Database interface {
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Passwords hashes new passwords and keeps their digests.
type Passwords interface {
	// Digest returns the digest of a password, or a fault that points to
	// /password if it may not be one.
	Digest(ctx context.Context, password string) (string, error)
	Set(ctx context.Context, q postgres.Querier, userID id.User, digest string) error
	Remove(ctx context.Context, q postgres.Querier, userID id.User) error
	// Unlock forgets the wrong passwords of a user.
	Unlock(ctx context.Context, q postgres.Querier, userID id.User) error
}

// Digests takes digests that another program made.
type Digests interface {
	// Recognize returns nil for a digest that passwords can be verified with.
	Recognize(digest string) error
	SetDigest(ctx context.Context, q postgres.Querier, userID id.User, digest string) error
}

// Inviter mails an invitation, in the transaction that makes the account.
type Inviter interface {
	Invite(ctx context.Context, q postgres.Querier, userID id.User, email, redirectTo string, data map[string]any, from session.Origin) error
	Configured() bool // messages go anywhere
}

// Links voids what has been mailed to a user and not been used.
type Links interface {
	Void(ctx context.Context, q postgres.Querier, userID id.User) error
}

// Notices tells the owner of an account what has happened to it, if mail goes
// anywhere.
type Notices interface {
	Notify(ctx context.Context, q postgres.Querier, kind mail.Kind, address string, vars mail.Vars, from session.Origin) error
}

// Service is the operator's desk. It is safe for concurrent use.
type Service struct {
	DB        Database
	Users     *user.Service
	Sessions  *session.Service
	Keys      *apikey.Keeper // of users
	Passwords Passwords
	Digests   Digests // nil: none are taken
	Factors   *totp.Service
	Inviter   Inviter // nil: nobody can be invited
	Links     Links   // nil: none are mailed
	Notices   Notices // nil: nobody is told
	Schemas   []string
	Now       func() time.Time
}

// By is who does something, and where the request came from.
type By struct {
	audit.Actor
	From session.Origin
}

// transact does something to a user in one transaction with its audit record,
// and then tells this instance which sessions that has ended.
func (s *Service) transact(ctx context.Context, by By, userID id.User, action audit.Action, details []string,
	do func(postgres.Querier) ([]id.Session, error),
) error {
	var ended []id.Session
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := s.Users.Lock(ctx, q, userID); err != nil {
			return err
		}
		var err error
		if ended, err = do(q); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(action, "user", id.UUID(userID), details...))
	})
	if err == nil {
		s.Sessions.Revoked.Add(ended...)
	}
	return err
}

// EndSessions ends every session of a user, and returns how many.
func (s *Service) EndSessions(ctx context.Context, by By, userID id.User) (int, error) {
	var n int
	err := s.transact(ctx, by, userID, audit.SessionsEnded, nil, func(q postgres.Querier) ([]id.Session, error) {
		ended, err := s.Sessions.EndAll(ctx, q, userID, id.Session{}, session.Admin)
		n = len(ended)
		return ended, err
	})
	return n, err
}

// EndSession ends one session, whosever it is.
func (s *Service) EndSession(ctx context.Context, by By, sessionID id.Session) error {
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		userID, err := s.Sessions.EndOne(ctx, q, sessionID, session.Admin)
		if err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.SessionsEnded, "session", id.UUID(sessionID), "user_id", userID.String()))
	})
	if err == nil {
		s.Sessions.Revoked.Add(sessionID)
	}
	return err
}

// Ban is a ban of a user.
type Ban struct {
	Until  *time.Time `json:"until,omitempty"`  // null or absent: until it is lifted
	Reason string     `json:"reason,omitempty"` // for the audit log
}

// Ban ends the sessions of a user and keeps them from signing in.
func (s *Service) Ban(ctx context.Context, by By, userID id.User, b Ban) (user.Document, error) {
	until := user.Forever()
	if b.Until != nil {
		until = *b.Until
	}
	if err := s.checkBan("/until", until); err != nil {
		return nil, err
	}
	if err := checkReason(b.Reason, false); err != nil {
		return nil, err
	}
	err := s.transact(ctx, by, userID, audit.UserBanned, []string{"until", until.UTC().Format(time.RFC3339), "reason", b.Reason},
		func(q postgres.Querier) ([]id.Session, error) { return s.BanIn(ctx, q, userID, until, b.Reason) })
	if err != nil {
		return nil, err
	}
	return s.Users.Get(ctx, userID)
}

// BanIn is a ban as part of a transaction, without its record, and returns which
// sessions that has ended: it ends them itself, although the table would.
func (s *Service) BanIn(ctx context.Context, q postgres.Querier, userID id.User, until time.Time, reason string) ([]id.Session, error) {
	ended, err := s.Sessions.EndAll(ctx, q, userID, id.Session{}, session.Banned)
	if err != nil {
		return nil, err
	}
	if err := s.void(ctx, q, userID); err != nil {
		return nil, err
	}
	return ended, s.Users.Ban(ctx, q, userID, until, reason)
}

// Unban lifts a ban. There need not be one.
func (s *Service) Unban(ctx context.Context, by By, userID id.User) (user.Document, error) {
	err := s.transact(ctx, by, userID, audit.UserUnbanned, nil, func(q postgres.Querier) ([]id.Session, error) {
		return nil, s.Users.Ban(ctx, q, userID, time.Time{}, "")
	})
	if err != nil {
		return nil, err
	}
	return s.Users.Get(ctx, userID)
}
