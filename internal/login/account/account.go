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
	"slices"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Faults of this package.
var (
	ErrReauthenticate = fault.New(fault.Forbidden, "reauthentication_needed",
		"Prove who you are once more: POST /api/v1/auth/reauthenticate with your password or a code.")
	ErrInsufficientAAL = fault.New(fault.Forbidden, "insufficient_aal", "Sign in with your second factor first.")
	ErrImpersonated    = login.ErrImpersonated
	ErrPassword        = fault.Input("/password", "invalid_credentials", "The password is wrong.")

	errAnonymous = fault.New(fault.Conflict, "anonymous_user", "Convert the anonymous user first.")
)

// Impersonation is the method of a session that an administrator has opened.
const Impersonation = "impersonation"

// Service changes accounts on behalf of their owners. It is safe for concurrent
// use.
type Service struct {
	*login.Service

	Window time.Duration // how old a proof may be
}

// Proof is a password or a code with which somebody proves once more who they
// are. All may be empty: then the session has to be a fresh one.
type Proof struct {
	Password string `json:"password,omitzero"`
	Code     string `json:"code,omitzero"` // of an authenticator app, a recovery code, or one that was mailed
}

// prove takes the proof, if one is sent, and otherwise wants that the session
// has had one lately.
func (s *Service) prove(ctx context.Context, p *principal.Principal, proof Proof, from session.Origin) error {
	if slices.Contains(p.AMR, Impersonation) {
		return ErrImpersonated
	}
	if p.Anonymous {
		return nil // who has nothing to prove it with
	}
	enabled, err := s.Factors.Enabled(ctx, s.DB.Single(), p.User)
	if err != nil {
		return err
	}
	if enabled && p.AAL == "aal1" {
		return ErrInsufficientAAL
	}
	if proof != (Proof{}) {
		_, err := s.reprove(ctx, p, proof, enabled, from)
		return err
	}
	fresh, err := s.Sessions.Fresh(ctx, s.DB.Single(), p.Session, s.Window)
	if err == nil && !fresh {
		return ErrReauthenticate
	}
	return err
}

// reprove checks a proof and makes the session fresh.
func (s *Service) reprove(ctx context.Context, p *principal.Principal, proof Proof, enabled bool, from session.Origin) (time.Time, error) {
	var check func(q postgres.Querier) (amr string, err error)
	var err error
	switch {
	case proof.Password != "":
		check, err = s.checkPassword(ctx, p, proof.Password)
	case enabled:
		check, err = s.checkFactor(ctx, p, proof.Code, from)
	default:
		check, err = s.checkMailed(ctx, p, proof.Code)
	}
	if err != nil {
		return time.Time{}, s.rejected(ctx, p, from, err)
	}
	var at time.Time
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		amr, err := check(q)
		if err != nil {
			return err
		}
		if at, err = s.Sessions.Proven(ctx, q, p.Session, amr); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(audit.Reauthenticated, "session", id.UUID(p.Session)))
	})
	if err != nil {
		return at, s.rejected(ctx, p, from, err)
	}
	return at, nil
}

func (s *Service) rejected(ctx context.Context, p *principal.Principal, from session.Origin, cause error) error {
	record := login.By(p.User, from).Did(audit.Reauthenticated, "session", id.UUID(p.Session))
	record.Failed = true
	if err := audit.Write(ctx, s.DB.Single(), record); err != nil {
		return err
	}
	return cause
}

func (s *Service) checkPassword(ctx context.Context, p *principal.Principal, text string) (func(postgres.Querier) (string, error), error) {
	digest, err := s.Passwords.Of(ctx, s.DB.Single(), p.User)
	if err != nil {
		return nil, err
	}
	if _, err := s.Passwords.Verify(ctx, digest, text); errors.Is(err, password.ErrMismatch) {
		return nil, ErrPassword
	} else if err != nil {
		return nil, err
	}
	return func(postgres.Querier) (string, error) { return password.AMR, nil }, nil
}

func (s *Service) checkFactor(ctx context.Context, p *principal.Principal, code string, from session.Origin) (func(postgres.Querier) (string, error), error) {
	attempt, err := s.Factors.Begin(ctx, p.User)
	if err != nil {
		return nil, err
	}
	return func(q postgres.Querier) (string, error) {
		used, err := s.Factors.Check(ctx, q, attempt, code)
		if err != nil {
			return "", err
		}
		return login.AMROf(used), s.NoticeRecoveryCode(ctx, q, p.User, used, from)
	}, nil
}

func (s *Service) checkMailed(ctx context.Context, p *principal.Principal, code string) (func(postgres.Querier) (string, error), error) {
	flow, err := s.Flows.TryCode(ctx, p.Email, "", code, otp.Reauthentication)
	if err != nil {
		return nil, err
	}
	return func(q postgres.Querier) (string, error) {
		found, err := s.Flows.ConsumeID(ctx, q, flow)
		if err == nil && found.User != p.User {
			err = otp.ErrExpired
		}
		return "email", err
	}, nil
}

// Fresh is when somebody has proven once more who they are.
type Fresh struct {
	AuthTime int64 `json:"auth_time"` // Unix seconds
}

// Reauthenticate proves once more who is there. Without a proof it mails a code
// and returns nil.
func (s *Service) Reauthenticate(ctx context.Context, p *principal.Principal, proof Proof, from session.Origin) (*Fresh, error) {
	if slices.Contains(p.AMR, Impersonation) {
		return nil, ErrImpersonated
	}
	if proof == (Proof{}) {
		return nil, s.MailCode(ctx, p, from)
	}
	enabled, err := s.Factors.Enabled(ctx, s.DB.Single(), p.User)
	if err != nil {
		return nil, err
	}
	at, err := s.reprove(ctx, p, proof, enabled, from)
	if err != nil {
		return nil, err
	}
	return &Fresh{AuthTime: at.Unix()}, nil
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
}

// Convert gives an anonymous user an address and a password. Identifier, rows
// and session stay. Where addresses are proven, the user stays anonymous until
// that is done.
func (s *Service) Convert(ctx context.Context, p *principal.Principal, c Conversion, from session.Origin) (login.Answer, error) {
	if !p.Anonymous {
		return login.Answer{}, login.ErrNotAnonymous
	}
	if slices.Contains(p.AMR, Impersonation) {
		return login.Answer{}, ErrImpersonated
	}
	flow, err := s.AskConversion(ctx, p, login.NewAccount{Email: c.Email, Password: c.Password, Data: c.Data}, from)
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
