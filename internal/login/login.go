// Package login is how people come in and go out: sign-up, sign-in, refresh,
// sign-out and what they may see of themselves.
//
// It decides the next step and composes what the records and methods below it
// offer; each deed is one transaction with its audit record.
package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Faults of this package.
var (
	ErrInvalidCredentials = fault.New(fault.Unauthenticated, "invalid_credentials", "The e-mail address or the password is wrong.")
	ErrSignupDisabled     = fault.New(fault.Forbidden, "signup_disabled", "New accounts are not open to everybody here.")
)

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Service signs people in and out. It is safe for concurrent use.
type Service struct {
	DB        Database
	Users     *user.Service
	Passwords *password.Service
	Sessions  *session.Service
	SignUps   bool // whether strangers may make accounts
}

// Answer is what somebody receives who has come in.
type Answer struct {
	User    user.Document  `json:"user"`
	Session session.Tokens `json:"session"`
}

// NewAccount is a sign-up with a password.
type NewAccount struct {
	Email    string        `json:"email"`
	Password string        `json:"password"`
	Data     user.Metadata `json:"data,omitempty"`
	Options  struct {
		Data user.Metadata `json:"data,omitempty"`
	} `json:"options,omitzero"`
}

// SignUp makes an account and signs its owner in. Account, password, identity,
// session and audit record exist together or not at all.
func (s *Service) SignUp(ctx context.Context, account NewAccount, from session.Origin) (Answer, error) {
	if !s.SignUps {
		return Answer{}, ErrSignupDisabled
	}
	email, err := user.NormalizeEmail(account.Email)
	if err != nil {
		return Answer{}, err
	}
	if err := s.Passwords.Check(ctx, "/password", account.Password, email); err != nil {
		return Answer{}, err
	}
	metadata := account.Data
	if account.Options.Data != nil {
		if metadata != nil {
			return Answer{}, fault.Input("/data", "invalid_type", "Send data or options.data, not both.")
		}
		metadata = account.Options.Data
	}
	digest, err := s.Passwords.Hash(ctx, account.Password)
	if err != nil {
		return Answer{}, err
	}
	return s.open(ctx, from, audit.UserSignedUp, func(q postgres.Querier) (id.User, error) {
		userID, err := s.Users.Create(ctx, q, email, metadata)
		if err != nil {
			return id.User{}, err
		}
		return userID, s.Passwords.Set(ctx, q, userID, digest)
	})
}

// Credentials are an e-mail address and a password.
type Credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// SignIn signs in with a password. Whether the address or the password was
// wrong is told by neither the answer nor the time it takes.
func (s *Service) SignIn(ctx context.Context, c Credentials, from session.Origin) (Answer, error) {
	var userID id.User
	var digest string
	email, err := user.NormalizeEmail(c.Email)
	if err == nil {
		userID, digest, err = s.Passwords.Find(ctx, s.DB.Single(), email)
		if err != nil {
			return Answer{}, fmt.Errorf("signing in: %w", err)
		}
	}
	stale, err := s.Passwords.Verify(ctx, digest, c.Password)
	if errors.Is(err, password.ErrMismatch) {
		return Answer{}, s.reject(ctx, userID, from)
	}
	if err != nil {
		return Answer{}, err
	}
	var renewed string
	if stale {
		renewed = s.renew(ctx, c.Password)
	}
	return s.open(ctx, from, audit.UserSignedIn, func(q postgres.Querier) (id.User, error) {
		if renewed == "" {
			return userID, nil
		}
		return userID, s.Passwords.Replace(ctx, q, userID, digest, renewed)
	})
}

// renew returns a new digest of a password that has just been verified, or
// nothing if it cannot be made now: a queue that is full is no reason to keep
// somebody out whose password is right, and the next sign-in tries again.
func (s *Service) renew(ctx context.Context, password string) string {
	digest, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return ""
	}
	return digest
}

func (s *Service) reject(ctx context.Context, userID id.User, from session.Origin) error {
	err := audit.Write(ctx, s.DB.Single(), audit.Event{
		Action: audit.SignInRejected, Failed: true, ActorKind: "anonymous",
		TargetKind: "user", Target: id.UUID(userID), Address: from.Address, RequestID: from.RequestID,
	})
	if err != nil {
		return err
	}
	return ErrInvalidCredentials
}

// open makes a session for the user that prove returns, in one transaction
// with whatever prove does.
func (s *Service) open(ctx context.Context, from session.Origin, action audit.Action, prove func(postgres.Querier) (id.User, error)) (Answer, error) {
	var live session.Live
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		userID, err := prove(q)
		if err != nil {
			return err
		}
		if err := s.Users.SignedIn(ctx, q, userID, user.EmailIssuer, userID.String()); err != nil {
			return err
		}
		live, err = s.Sessions.Create(ctx, q, userID, "aal1", []string{"pwd"}, from)
		if err != nil {
			return err
		}
		return audit.Write(ctx, q, audit.Event{
			Action: action, ActorKind: "user", Actor: id.UUID(userID), TargetKind: "session", Target: id.UUID(live.ID),
			Address: from.Address, RequestID: from.RequestID,
		})
	})
	if err != nil {
		return Answer{}, fmt.Errorf("opening a session: %w", err)
	}
	return s.answer(live)
}

// Refresh exchanges a refresh token; see session.Service.Refresh.
func (s *Service) Refresh(ctx context.Context, token string, from session.Origin) (Answer, error) {
	live, err := s.Sessions.Refresh(ctx, token, from)
	if err != nil {
		return Answer{}, err
	}
	return s.answer(live)
}

func (s *Service) answer(live session.Live) (Answer, error) {
	tokens, err := s.Sessions.Issue(live)
	if err != nil {
		return Answer{}, err
	}
	return Answer{User: user.Document(live.Document), Session: tokens}, nil
}

// Scope is which sessions a sign-out ends.
type Scope string

// The scopes of a sign-out.
const (
	Local  Scope = "local"  // the one it is asked through
	Global Scope = "global" // all of the user's
	Others Scope = "others" // all but the one it is asked through
)

// SignOut ends sessions of the caller's.
func (s *Service) SignOut(ctx context.Context, p *principal.Principal, scope Scope, from session.Origin) error {
	except := id.Session{}
	switch scope {
	case Local, "":
		return s.End(ctx, p, p.Session, from)
	case Others:
		except = p.Session
	case Global:
	default:
		return fault.Input("/scope", "invalid_scope", "The scope is local, global or others.")
	}
	var ended []id.Session
	err := s.transact(ctx, p, audit.SessionsEnded, id.UUID(p.User), "user", from, func(q postgres.Querier) error {
		var err error
		ended, err = s.Sessions.EndAll(ctx, q, p.User, except, session.SignedOut)
		return err
	})
	if err == nil {
		s.Sessions.Revoked.Add(ended...)
	}
	return err
}

// End ends one session of the caller's.
func (s *Service) End(ctx context.Context, p *principal.Principal, sessionID id.Session, from session.Origin) error {
	err := s.transact(ctx, p, audit.SessionsEnded, id.UUID(sessionID), "session", from, func(q postgres.Querier) error {
		return s.Sessions.End(ctx, q, p.User, sessionID, session.SignedOut)
	})
	if err == nil {
		s.Sessions.Revoked.Add(sessionID)
	}
	return err
}

// Update merges into the caller's own metadata and returns the user.
func (s *Service) Update(ctx context.Context, p *principal.Principal, metadata user.Metadata, from session.Origin) (user.Document, error) {
	var doc user.Document
	err := s.transact(ctx, p, audit.UserUpdated, id.UUID(p.User), "user", from, func(q postgres.Querier) error {
		err := s.Users.Merge(ctx, q, p.User, metadata)
		if err == nil {
			doc, err = s.Users.GetIn(ctx, q, p.User)
		}
		return err
	})
	return doc, err
}

// transact runs f in one transaction with the audit record of what it does.
func (s *Service) transact(ctx context.Context, p *principal.Principal, action audit.Action, target id.UUID, kind string,
	from session.Origin, f func(postgres.Querier) error,
) error {
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := f(q); err != nil {
			return err
		}
		return audit.Write(ctx, q, audit.Event{
			Action: action, ActorKind: "user", Actor: id.UUID(p.User), TargetKind: kind, Target: target,
			Address: from.Address, RequestID: from.RequestID,
		})
	})
}
