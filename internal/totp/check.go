package totp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const (
	// MaxFailures is how many wrong codes in a row there may be before those of
	// authenticators are no longer accepted (NIST SP 800-63B, 3.2.2).
	MaxFailures = 100

	// After each attemptsAtOnce attempts without a success there is a pause,
	// twice as long as the one before: 5, 10, 20, 40 and then 60 minutes.
	attemptsAtOnce = 5
	firstPause     = 5 * time.Minute
	longestPause   = time.Hour
)

// Attempt is leave to look at one code of a user.
type Attempt struct {
	user   id.User
	number int // since the last success; the first is 1
}

// Begin counts an attempt of a user to give a code. It is a statement of its
// own, so that the count stays when the caller's transaction is undone, and so
// that of any number of attempts at once no more than five are let through.
// What takes back the count is the success of the attempt.
//
// Call it before the transaction begins: within one it would wait for a second
// connection while holding the first, and with enough attempts at once all of
// them would wait for ever.
//
// It returns ErrTooManyAttempts, or ErrNoFactor for a user without factors.
func (s *Service) Begin(ctx context.Context, userID id.User) (Attempt, error) {
	now := s.Now()
	q := s.DB.Single()
	number, err := countAttempt(ctx, q, userID, now)
	if !errors.Is(err, errBlocked) {
		return Attempt{userID, number}, err
	}
	until, err := selectBlock(ctx, q, userID, now)
	if err != nil {
		return Attempt{}, err
	}
	refusal := *ErrTooManyAttempts
	refusal.RetryAfter = max(until.Sub(now), time.Second)
	return Attempt{}, &refusal
}

// Methods of a second factor.
const (
	MethodTOTP         = "totp"
	MethodRecoveryCode = "recovery_code"
)

// Used says which code it was.
type Used struct {
	Method            string
	Factor            id.Factor // zero for a recovery code
	RecoveryCodesLeft int
}

// Check uses up a code of any confirmed factor of the user, or a recovery
// code. It returns ErrCode, ErrLocked, or ErrNoFactor; whatever else it
// returns is no pass either.
func (s *Service) Check(ctx context.Context, q postgres.Querier, a Attempt, code string) (Used, error) {
	used, err := s.use(ctx, q, a, code)
	if err != nil {
		return Used{}, err
	}
	if err := deleteAttempts(ctx, q, a.user); err != nil {
		return Used{}, err
	}
	if used.RecoveryCodesLeft, err = countRecoveryCodes(ctx, q, a.user); err != nil {
		return Used{}, err
	}
	return used, nil
}

func (s *Service) use(ctx context.Context, q postgres.Querier, a Attempt, text string) (Used, error) {
	if err := lockUser(ctx, q, a.user); err != nil {
		return Used{}, err
	}
	factors, err := selectVerified(ctx, q, a.user)
	if err != nil {
		return Used{}, err
	}
	if len(factors) == 0 {
		return Used{}, ErrNoFactor
	}
	if c, ok := parseCode(text); ok {
		if a.number > MaxFailures {
			return Used{}, ErrLocked
		}
		return s.useCode(ctx, q, a.user, factors, c)
	}
	if c, ok := parseRecoveryCode(text); ok {
		return Used{Method: MethodRecoveryCode}, useRecoveryCode(ctx, q, a.user, s.digest(a.user, c), s.Now())
	}
	return Used{}, ErrCode
}

// useCode tries a code on each factor. One whose seed does not open does not
// keep the others from being tried, but then nothing less than a right code
// hides that it is broken.
func (s *Service) useCode(ctx context.Context, q postgres.Querier, userID id.User, factors []record, c code) (Used, error) {
	now := s.Now()
	var broken error
	for _, f := range factors {
		seed, err := s.open(ctx, q, userID, f)
		if err != nil {
			broken = errors.Join(broken, err)
			continue
		}
		for _, step := range matches(seed, c, now) {
			moved, err := moveStep(ctx, q, userID, f.ID, step, now)
			if err != nil {
				return Used{}, err
			}
			if moved {
				return Used{Method: MethodTOTP, Factor: f.ID}, nil
			}
		}
	}
	if broken != nil {
		return Used{}, broken
	}
	return Used{}, ErrCode
}

func (s *Service) open(ctx context.Context, q postgres.Querier, userID id.User, f record) ([]byte, error) {
	seed, err := s.Values.OpenFor(ctx, q, f.sealed, id.Tenant{}, purpose, subject(userID, f.ID))
	if err != nil {
		return nil, fmt.Errorf("opening the seed of a factor: %w", err)
	}
	return seed, nil
}

// Confirm takes a factor into use with a code of it: the one named, or for nil
// the latest that is not confirmed. The code counts as used. With the user's
// first factor it returns ten recovery codes, else none. It returns ErrCode,
// ErrLocked, or ErrNoFactor.
func (s *Service) Confirm(ctx context.Context, q postgres.Querier, a Attempt, factor *id.Factor, text string) ([]string, error) {
	if err := lockUser(ctx, q, a.user); err != nil {
		return nil, err
	}
	if a.number > MaxFailures {
		return nil, ErrLocked
	}
	now := s.Now()
	f, err := selectUnverified(ctx, q, a.user, factor, now.Add(-ConfirmWithin))
	if err != nil {
		return nil, err
	}
	c, ok := parseCode(text)
	if !ok {
		return nil, ErrCode
	}
	seed, err := s.open(ctx, q, a.user, f)
	if err != nil {
		return nil, err
	}
	steps := matches(seed, c, now)
	if len(steps) == 0 {
		return nil, ErrCode
	}
	first, err := verify(ctx, q, a.user, f.ID, steps[len(steps)-1], now)
	if err != nil {
		return nil, err
	}
	if err := deleteAttempts(ctx, q, a.user); err != nil || !first {
		return nil, err
	}
	return s.replaceRecoveryCodes(ctx, q, a.user)
}

// Unlock forgets the attempts of a user, for an administrator who knows whose
// they were.
func (s *Service) Unlock(ctx context.Context, q postgres.Querier, userID id.User) error {
	return deleteAttempts(ctx, q, userID)
}

// Attempts returns how many attempts of a user there were since the last
// success, and until when the next is not looked at, nil if it is. From
// MaxFailures on, codes of authenticators are no longer accepted.
func (s *Service) Attempts(ctx context.Context, q postgres.Querier, userID id.User) (int, *time.Time, error) {
	return selectAttempts(ctx, q, userID, s.Now())
}
