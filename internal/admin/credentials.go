package admin

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Changed is what an operator has changed of how a user signs in.
type Changed struct {
	By           audit.Actor
	Before       user.Contact
	Email        string    // the address that it is now; empty: as before
	Password     bool      // there is another one
	Reset        bool      // there is none any more, and the sessions end
	Factor       mail.Kind // mail.FactorAdded or mail.FactorRemoved; empty: neither
	KeepSessions bool      // another password alone ends no session
}

// CredentialsChanged does what is the same whoever changes how a user signs in,
// and by whichever route: what was mailed before is worthless, the sessions end,
// which it returns, API keys end with them, and the owner of the address there was is told. It is part
// of the transaction that makes the change; tell session.Revoked afterwards.
func (s *Service) CredentialsChanged(ctx context.Context, q postgres.Querier, userID id.User, c Changed) (ended []id.Session, err error) {
	moved := c.Email != "" && c.Email != c.Before.Email
	var reason session.Reason
	switch {
	case moved:
		reason = session.EmailChanged
	case c.Password || c.Reset:
		reason = session.PasswordChanged
	case c.Factor != "":
		reason = session.FactorChanged
	default:
		return nil, nil
	}
	if err := s.void(ctx, q, userID); err != nil {
		return nil, err
	}
	if moved || c.Factor != "" || c.Reset || !c.KeepSessions {
		if ended, err = s.Sessions.EndAll(ctx, q, userID, id.Session{}, reason); err != nil {
			return nil, err
		}
	}
	if err := s.revokeKeys(ctx, q, userID, c, moved); err != nil {
		return nil, err
	}
	if moved {
		if err := s.notify(ctx, q, mail.EmailChanged, c.Before.Email, mail.Vars{OldEmail: c.Before.Email, NewEmail: c.Email}); err != nil {
			return nil, err
		}
	}
	if c.Password || c.Reset {
		if err := s.notify(ctx, q, mail.PasswordChanged, c.Before.Email, mail.Vars{}); err != nil {
			return nil, err
		}
	}
	if c.Factor != "" {
		err = s.notify(ctx, q, c.Factor, c.Before.Email, mail.Vars{FactorType: "totp"})
	}
	return ended, err
}

// revokeKeys ends the API keys of an account that may be somebody else's from now
// on. A second factor that is added or lost is not that.
func (s *Service) revokeKeys(ctx context.Context, q postgres.Querier, userID id.User, c Changed, moved bool) error {
	switch {
	case moved:
		return s.Keys.RevokeAllOwn(ctx, q, userID, audit.UserUpdated, c.By)
	case c.Reset:
		return s.Keys.RevokeAllOwn(ctx, q, userID, audit.CredentialsWiped, c.By)
	case c.Password && !c.KeepSessions:
		return s.Keys.RevokeAllOwn(ctx, q, userID, audit.PasswordSet, c.By)
	default:
		return nil
	}
}

// notify tells the owner of an account what was done to it. From where the
// operator did it is not for them to know, and the language that they speak is
// not the operator's.
func (s *Service) notify(ctx context.Context, q postgres.Querier, kind mail.Kind, address string, vars mail.Vars) error {
	if s.Notices == nil || address == "" {
		return nil
	}
	return s.Notices.Notify(ctx, q, kind, address, vars, session.Origin{})
}

func (s *Service) void(ctx context.Context, q postgres.Querier, userID id.User) error {
	if s.Links == nil {
		return nil
	}
	return s.Links.Void(ctx, q, userID)
}
