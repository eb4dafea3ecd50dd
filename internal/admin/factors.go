package admin

import (
	"context"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/totp"
)

// Factors is what there is of a user's second factors.
type Factors struct {
	Factors           []totp.Factor `json:"factors"`
	RecoveryCodesLeft int           `json:"recovery_codes_left"`
	FailedAttempts    int           `json:"failed_attempts"` // since the last success
	BlockedUntil      *time.Time    `json:"blocked_until"`   // null: the next code is looked at
	Locked            bool          `json:"locked"`          // codes of authenticators are no longer accepted
}

// FactorsOf returns the second factors of a user, and whether they are locked.
func (s *Service) FactorsOf(ctx context.Context, userID id.User) (Factors, error) {
	var f Factors
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		_, err := s.Users.GetIn(ctx, q, userID)
		if err != nil {
			return err
		}
		if f.Factors, err = s.Factors.Factors(ctx, q, userID); err != nil {
			return err
		}
		if f.RecoveryCodesLeft, err = s.Factors.RecoveryCodesLeft(ctx, q, userID); err != nil {
			return err
		}
		f.FailedAttempts, f.BlockedUntil, err = s.Factors.Attempts(ctx, q, userID)
		f.Locked = f.FailedAttempts >= totp.MaxFailures
		return err
	})
	return f, err
}

// Reset is the body that takes second factors from a user.
type Reset struct {
	Reason string `json:"reason"` // for the audit log
}

// ResetFactors takes a second factor from a user who has lost it, or all for nil.
// When none is left, the recovery codes and the count of wrong codes go, too. The
// sessions of the user end, and the owner of the address is told. It returns
// totp.ErrNoFactor if there is nothing to take.
func (s *Service) ResetFactors(ctx context.Context, by By, userID id.User, factor *id.Factor, r Reset) (Factors, error) {
	if err := checkReason(r.Reason, true); err != nil {
		return Factors{}, err
	}
	which := "all"
	if factor != nil {
		which = factor.String()
	}
	err := s.transact(ctx, by, userID, audit.FactorRemoved, []string{"factor", which, "reason", r.Reason}, func(q postgres.Querier) ([]id.Session, error) {
		before, err := s.Users.Contact(ctx, q, userID)
		if err != nil {
			return nil, err
		}
		n, err := s.Factors.Remove(ctx, q, userID, factor)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, totp.ErrNoFactor
		}
		return s.CredentialsChanged(ctx, q, userID, Changed{By: by.Actor, Before: before, Factor: mail.FactorRemoved})
	})
	if err != nil {
		return Factors{}, err
	}
	return s.FactorsOf(ctx, userID)
}

// UnlockFactors forgets the wrong codes and the wrong passwords of a user. There
// need not be any.
func (s *Service) UnlockFactors(ctx context.Context, by By, userID id.User) (Factors, error) {
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := s.Users.Lock(ctx, q, userID); err != nil {
			return err
		}
		failed, _, err := s.Factors.Attempts(ctx, q, userID)
		if err != nil {
			return err
		}
		if err := s.Factors.Unlock(ctx, q, userID); err != nil {
			return err
		}
		if err := s.Passwords.Unlock(ctx, q, userID); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.FactorsUnlocked, "user", id.UUID(userID), "failed_attempts", strconv.Itoa(failed)))
	})
	if err != nil {
		return Factors{}, err
	}
	return s.FactorsOf(ctx, userID)
}
