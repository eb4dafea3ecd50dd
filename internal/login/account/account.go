// Package account is what people do to their own account once they are in:
// their data, address, password, second factors, and its end.
//
// The rule that matters: whatever changes how one signs in, or ends the
// account, wants proof that is at most some minutes old, and where a second
// factor is enrolled a session of two. A session that an administrator has
// opened in somebody's name can do none of it.
package account

import (
	"context"
	"errors"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Service changes accounts on behalf of their owners. It is safe for concurrent
// use.
type Service struct {
	*login.Service

	Window time.Duration // how old a proof may be
}

// Update merges into the caller's own metadata and returns the user.
func (s *Service) Update(ctx context.Context, p *principal.Principal, metadata user.Metadata, from session.Origin) (user.Document, error) {
	return s.change(ctx, p, from, audit.UserUpdated, func(q postgres.Querier) error {
		return s.Users.Merge(ctx, q, p.User, metadata)
	})
}

// still makes changes of an account wait for each other, and refuses one whose
// session has ended since the request began: that may have been on purpose of
// keeping whoever makes it out. It returns session.ErrNotFound.
func (s *Service) still(ctx context.Context, q postgres.Querier, p *principal.Principal) error {
	if _, err := s.Users.Contact(ctx, q, p.User); err != nil {
		return err
	}
	_, err := s.Sessions.Fresh(ctx, q, p.Session, s.Window)
	return err
}

// change runs f in a transaction with its audit record, and returns the user.
func (s *Service) change(ctx context.Context, p *principal.Principal, from session.Origin, action audit.Action, f func(postgres.Querier) error,
) (user.Document, error) {
	var doc user.Document
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		err := f(q)
		if err != nil {
			return err
		}
		if doc, err = s.Users.GetIn(ctx, q, p.User); err != nil || action == "" {
			return err
		}
		return audit.Write(ctx, q, audit.By(p, from.Address, from.RequestID).Did(action, "user", id.UUID(p.User)))
	})
	return doc, err
}

// NewPassword is a change of password. Whoever has none leaves the current one out.
type NewPassword struct {
	CurrentPassword string `json:"current_password,omitzero"`
	NewPassword     string `json:"new_password"`
	RevokeAPIKeys   bool   `json:"revoke_api_keys,omitzero"` // true: the API keys end too; else they go on
}

// ChangePassword sets a new password; all other sessions end.
func (s *Service) ChangePassword(ctx context.Context, p *principal.Principal, n NewPassword, from session.Origin) (user.Document, error) {
	if p.Anonymous {
		return nil, errAnonymous
	}
	current, err := s.Passwords.Of(ctx, s.DB.Single(), p.User)
	if err != nil {
		return nil, err
	}
	if current != "" && n.CurrentPassword == "" {
		return nil, fault.Input("/current_password", "current_password_required", "Send the current password, too.")
	}
	if err := s.Passwords.Check(ctx, "/new_password", n.NewPassword, p.Email); err != nil {
		return nil, err
	}
	if err := s.prove(ctx, p, Proof{Password: n.CurrentPassword}, from); err != nil {
		return nil, pointTo("/current_password", err)
	}
	digest, err := s.Passwords.Hash(ctx, n.NewPassword)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, p, from, "", func(q postgres.Querier) error {
		if err := s.still(ctx, q, p); err != nil {
			return err
		}
		if n.RevokeAPIKeys {
			if err := s.Keys.RevokeAllOwn(ctx, q, p.User, audit.PasswordChanged, login.By(p.User, from)); err != nil {
				return err
			}
		}
		return s.SetPassword(ctx, q, p.User, digest, p.Session, audit.PasswordChanged, from)
	})
}

// pointTo moves the fault of a wrong password to where it was sent.
func pointTo(pointer string, err error) error {
	if errors.Is(err, ErrPassword) {
		return fault.Input(pointer, ErrPassword.Code, ErrPassword.Detail)
	}
	return err
}

// NewEmail is a change of address.
type NewEmail struct {
	Email      string `json:"email"`
	Password   string `json:"password,omitzero"`
	RedirectTo string `json:"redirect_to,omitzero"`
}

// ChangeEmail gives the account another address: once both mailboxes have
// agreed where addresses are proven, at once otherwise.
func (s *Service) ChangeEmail(ctx context.Context, p *principal.Principal, n NewEmail, from session.Origin) (user.Document, error) {
	email, err := user.NormalizeEmail(n.Email)
	if err != nil {
		return nil, err
	}
	if p.Anonymous {
		return nil, errAnonymous
	}
	if err := s.prove(ctx, p, Proof{Password: n.Password}, from); err != nil {
		return nil, err
	}
	return s.change(ctx, p, from, audit.EmailChangeRequested, func(q postgres.Querier) error {
		if err := s.still(ctx, q, p); err != nil {
			return err
		}
		return s.AskChange(ctx, q, p, email, n.RedirectTo, from)
	})
}

// Deletion ends an account.
type Deletion struct {
	Password string `json:"password,omitzero"`
	Code     string `json:"code,omitzero"`
}

// Delete ends the caller's account with all that the server keeps of it.
func (s *Service) Delete(ctx context.Context, p *principal.Principal, d Deletion, from session.Origin) error {
	if err := s.prove(ctx, p, Proof(d), from); err != nil {
		return err
	}
	var ended []id.Session
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		err := s.still(ctx, q, p)
		if err != nil {
			return err
		}
		if ended, err = s.Sessions.EndAll(ctx, q, p.User, id.Session{}, session.UserDeleted); err != nil {
			return err
		}
		if err := s.Users.Delete(ctx, q, p.User); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(audit.UserDeleted, "user", id.UUID(p.User)))
	})
	if err == nil {
		s.Sessions.Revoked.Add(ended...)
	}
	return err
}

// Conversion makes an anonymous user a permanent one.
type Conversion struct {
	Email    string        `json:"email"`
	Password string        `json:"password"`
	Data     user.Metadata `json:"data,omitzero"`

	RedirectTo string `json:"redirect_to,omitzero"` // where the mailed link leads in the end
}

// Convert gives an anonymous user an address and a password. Identifier, rows
// and session stay. Where addresses are proven, the user stays anonymous until
// that is done.
func (s *Service) Convert(ctx context.Context, p *principal.Principal, c Conversion, from session.Origin) (login.Answer, error) {
	if !p.Anonymous {
		return login.Answer{}, login.ErrNotAnonymous
	}
	if p.Impersonated() {
		return login.Answer{}, ErrImpersonated
	}
	flow, err := s.AskConversion(ctx, p, login.NewAccount{Email: c.Email, Password: c.Password, Data: c.Data, RedirectTo: c.RedirectTo}, from)
	if err != nil {
		return login.Answer{}, err
	}
	answer, err := s.Answer(ctx, p)
	answer.FlowID = flow
	return answer, err
}

// noticeOf tells the owner of an account what has changed.
func (s *Service) noticeOf(ctx context.Context, q postgres.Querier, p *principal.Principal, kind mail.Kind, from session.Origin) error {
	account, err := s.Users.Contact(ctx, q, p.User)
	if err != nil {
		return err
	}
	return s.Notify(ctx, q, kind, account.Email, mail.Vars{FactorType: "totp"}, from)
}
