package login

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Scope is which sessions a sign-out ends.
type Scope string

// The scopes of a sign-out.
const (
	Local  Scope = "local"  // the one it is asked through
	Global Scope = "global" // all of the user's
	Others Scope = "others" // all but the one it is asked through
)

// ErrImpersonated is the fault of what a session in somebody else's name cannot
// do.
var ErrImpersonated = fault.New(fault.Forbidden, "impersonation_not_allowed", "A session in somebody else's name cannot do this.")

// SignOut ends sessions of the caller's; one in somebody else's name ends only
// itself.
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
	if p.Impersonated() {
		return ErrImpersonated
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
	if p.Impersonated() && sessionID != p.Session {
		return ErrImpersonated
	}
	err := s.transact(ctx, p, audit.SessionsEnded, id.UUID(sessionID), "session", from, func(q postgres.Querier) error {
		return s.Sessions.End(ctx, q, p.User, sessionID, session.SignedOut)
	})
	if err == nil {
		s.Sessions.Revoked.Add(sessionID)
	}
	return err
}

// transact runs f in one transaction with the audit record of what it does.
func (s *Service) transact(ctx context.Context, p *principal.Principal, action audit.Action, target id.UUID, kind string,
	from session.Origin, f func(postgres.Querier) error,
) error {
	return s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := f(q); err != nil {
			return err
		}
		return audit.Write(ctx, q, audit.By(p, from.Address, from.RequestID).Did(action, kind, target))
	})
}
