package account

import (
	"context"
	"errors"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
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

// Proof is a password or a code with which somebody proves once more who they
// are. All may be empty: then the session has to be a fresh one.
type Proof struct {
	Password string `json:"password,omitzero"`
	Code     string `json:"code,omitzero"` // of an authenticator app, a recovery code, or one that was mailed
}

// prove takes the proof, if one is sent, and otherwise wants that the session
// has had one lately.
func (s *Service) prove(ctx context.Context, p *principal.Principal, proof Proof, from session.Origin) error {
	if p.Impersonated() {
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
		check, err = s.checkPassword(ctx, p, proof.Password, from)
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

// checkPassword counts wrong passwords together with those of sign-ins: whoever
// has taken over a session is to guess no more of them.
func (s *Service) checkPassword(ctx context.Context, p *principal.Principal, text string, from session.Origin) (func(postgres.Querier) (string, error), error) {
	attempt, err := s.Passwords.Begin(ctx, s.DB.Single(), p.Email, from)
	if err != nil {
		return nil, err
	}
	_, err = s.Passwords.Compare(ctx, s.DB.Single(), attempt, text)
	if errors.Is(err, password.ErrMismatch) || err == nil && attempt.User != p.User {
		return nil, ErrPassword
	}
	if err != nil {
		return nil, err
	}
	return func(q postgres.Querier) (string, error) { return password.AMR, s.Passwords.Succeeded(ctx, q, attempt) }, nil
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
	if p.Impersonated() {
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
