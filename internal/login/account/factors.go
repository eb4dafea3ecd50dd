package account

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/totp"
)

// FactorName names a factor to be enrolled.
type FactorName struct {
	Name string `json:"name,omitzero"`
}

// Enroll makes a second factor that counts once it is confirmed.
func (s *Service) Enroll(ctx context.Context, p *principal.Principal, n FactorName, from session.Origin) (totp.Enrollment, error) {
	if p.Anonymous {
		return totp.Enrollment{}, errAnonymous
	}
	if err := s.prove(ctx, p, Proof{}, from); err != nil {
		return totp.Enrollment{}, err
	}
	var e totp.Enrollment
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		err := s.still(ctx, q, p)
		if err != nil {
			return err
		}
		if e, err = s.Factors.Enroll(ctx, q, p.User, p.Email, n.Name); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(audit.FactorEnrolled, "user", id.UUID(p.User), "factor", e.ID.String()))
	})
	return e, err
}

// Confirmation is a code of a factor that has just been enrolled.
type Confirmation struct {
	Code string     `json:"code"`
	ID   *id.Factor `json:"id,omitzero"` // null is the latest
}

// Codes are recovery codes, shown once.
type Codes struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

// Confirm takes a second factor into use. The session has two factors from then
// on, and all others end.
func (s *Service) Confirm(ctx context.Context, p *principal.Principal, c Confirmation, from session.Origin) (Codes, error) {
	if err := s.prove(ctx, p, Proof{}, from); err != nil {
		return Codes{}, err
	}
	attempt, err := s.Factors.Begin(ctx, p.User)
	if err != nil {
		return Codes{}, err
	}
	codes := Codes{RecoveryCodes: []string{}}
	err = s.factorChange(ctx, p, from, mail.FactorAdded, audit.FactorAdded, func(q postgres.Querier) error {
		recovery, err := s.Factors.Confirm(ctx, q, attempt, c.ID, c.Code)
		if err != nil {
			return err
		}
		codes.RecoveryCodes = append(codes.RecoveryCodes, recovery...)
		return s.Sessions.Raise(ctx, q, p.Session, "otp")
	})
	return codes, err
}

// factorChange runs f, ends the other sessions, and tells the owner.
func (s *Service) factorChange(ctx context.Context, p *principal.Principal, from session.Origin, notice mail.Kind, action audit.Action,
	f func(postgres.Querier) error,
) error {
	var ended []id.Session
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		err := s.still(ctx, q, p)
		if err != nil {
			return err
		}
		if err = f(q); err != nil {
			return err
		}
		if ended, err = s.Sessions.EndAll(ctx, q, p.User, p.Session, session.FactorChanged); err != nil {
			return err
		}
		if err := s.noticeOf(ctx, q, p, notice, from); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(action, "user", id.UUID(p.User)))
	})
	if err == nil {
		s.Sessions.Revoked.Add(ended...)
	}
	return err
}

// Status is what there is of second factors.
type Status struct {
	Enabled           bool          `json:"enabled"`
	Factors           []totp.Factor `json:"factors"`
	RecoveryCodesLeft int           `json:"recovery_codes_left"`
}

// Status returns the second factors of the caller.
func (s *Service) Status(ctx context.Context, p *principal.Principal) (Status, error) {
	q := s.DB.Single()
	factors, err := s.Factors.Factors(ctx, q, p.User)
	if err != nil {
		return Status{}, err
	}
	left, err := s.Factors.RecoveryCodesLeft(ctx, q, p.User)
	return Status{Enabled: len(factors) > 0, Factors: factors, RecoveryCodesLeft: left}, err
}

// Removal takes second factors away: one, or all if none is named.
type Removal struct {
	Proof

	ID *id.Factor `json:"id,omitzero"`
}

// Disable removes second factors. All other sessions end.
func (s *Service) Disable(ctx context.Context, p *principal.Principal, r Removal, from session.Origin) error {
	if err := s.prove(ctx, p, r.Proof, from); err != nil {
		return err
	}
	return s.factorChange(ctx, p, from, mail.FactorRemoved, audit.FactorRemoved, func(q postgres.Querier) error {
		n, err := s.Factors.Remove(ctx, q, p.User, r.ID)
		if err == nil && n == 0 {
			err = totp.ErrNoFactor
		}
		return err
	})
}

// NewCodes replaces the recovery codes.
func (s *Service) NewCodes(ctx context.Context, p *principal.Principal, proof Proof, from session.Origin) (Codes, error) {
	if err := s.prove(ctx, p, proof, from); err != nil {
		return Codes{}, err
	}
	var codes Codes
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		err := s.still(ctx, q, p)
		if err != nil {
			return err
		}
		if codes.RecoveryCodes, err = s.Factors.NewRecoveryCodes(ctx, q, p.User); err != nil {
			return err
		}
		if err := s.noticeOf(ctx, q, p, mail.RecoveryCodesMade, from); err != nil {
			return err
		}
		return audit.Write(ctx, q, login.By(p.User, from).Did(audit.RecoveryCodesMade, "user", id.UUID(p.User)))
	})
	return codes, err
}
