// Package totp keeps second factors: codes of authenticator apps (RFC 6238:
// SHA-1, six digits, thirty seconds) and the recovery codes that stand in for
// a lost one.
//
// Each code is good once: the step it belongs to moves a factor's last used
// step forward in one conditional statement. Each attempt is counted before
// its code is looked at, whichever factor it is for, and the count outlives
// the transaction of the attempt; see Begin. Seeds lie among the sealed values
// and are seen by nobody after enrolment, except by an administrator's Export.
//
// Methods that take a Querier expect a transaction of the caller's.
package totp

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// ErrCode is the fault of a code that is not right: wrong, used already, of
// another time, or not the form of a code at all.
var ErrCode = fault.New(fault.Forbidden, "mfa_verification_failed", "The code is wrong, or has been used already.")

// ErrTooManyAttempts is the fault of an attempt that comes too soon after too
// many. Its RetryAfter is when the next will be looked at.
var ErrTooManyAttempts = fault.New(fault.TooMany, "over_request_rate_limit", "There were too many wrong codes. Wait, then try again.")

// ErrLocked is the fault of an authenticator's code after MaxFailures wrong
// ones in a row. A recovery code still signs in.
var ErrLocked = fault.New(fault.Forbidden, "mfa_verification_rejected",
	"After so many wrong codes those of an authenticator app are no longer accepted. Use a recovery code, or ask the administrator.")

// ErrNoFactor is the fault of a factor that does not exist, and of a user who
// has none.
var ErrNoFactor = fault.New(fault.NotFound, "mfa_factor_not_found", "There is no such factor.")

// ErrTooManyFactors is the fault of one factor more than MaxFactors.
var ErrTooManyFactors = fault.Newf(fault.Conflict, "too_many_enrolled_mfa_factors",
	"An account has at most %d factors, those included that are not confirmed yet. Remove one first.", MaxFactors)

const (
	// MaxFactors is how many factors a user has at most, confirmed or not.
	MaxFactors = 10

	// MaxName is the length of the longest name of a factor, in characters.
	MaxName = 64

	// ConfirmWithin is how long an enrolment waits to be confirmed.
	ConfirmWithin = time.Hour

	defaultName = "Authenticator"
	seedSize    = 20 // 160 random bits, as RFC 4226 recommends
)

// Factor is a confirmed authenticator app.
type Factor struct {
	ID         id.Factor  `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// Enrollment is what an authenticator app needs to know. It is shown once.
type Enrollment struct {
	ID     id.Factor `json:"id"`
	Secret string    `json:"secret"`  // base32, for typing
	URI    string    `json:"uri"`     // otpauth://
	QRCode string    `json:"qr_code"` // the URI as data:image/png;base64
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
}

// MAC authenticates messages under a key of the server's.
type MAC interface {
	MAC(message []byte) []byte
}

// Service keeps second factors. It is safe for concurrent use.
type Service struct {
	DB     Database // counts attempts, beside the transactions of callers
	Values *sealed.Service
	MAC    MAC
	Issuer string // shown in the authenticator app; not empty
	Now    func() time.Time
}

// Enroll makes a factor that is good for nothing until it is confirmed, which
// has to happen within ConfirmWithin. account is shown in the app. It returns
// ErrTooManyFactors, and a fault of the name.
func (s *Service) Enroll(ctx context.Context, q postgres.Querier, userID id.User, account, name string) (Enrollment, error) {
	seed := make([]byte, seedSize)
	_, _ = rand.Read(seed) // crypto/rand.Read never fails: it ends the program instead
	factorID, err := s.add(ctx, q, userID, addition{name: name, seed: seed})
	if err != nil {
		return Enrollment{}, err
	}
	uri := keyURI(s.Issuer, account, seed)
	picture, err := qrCode(uri)
	if err != nil {
		return Enrollment{}, err
	}
	return Enrollment{ID: factorID, Secret: encodeSeed(seed), URI: uri, QRCode: picture}, nil
}

// addition is a factor to be added.
type addition struct {
	name     string
	seed     []byte
	verified bool
	lastStep int64
}

func (s *Service) add(ctx context.Context, q postgres.Querier, userID id.User, a addition) (id.Factor, error) {
	name, err := cleanName(a.name)
	if err != nil {
		return id.Factor{}, err
	}
	if err := lockUser(ctx, q, userID); err != nil {
		return id.Factor{}, err
	}
	now := s.Now()
	if err := deleteStale(ctx, q, userID, now.Add(-ConfirmWithin)); err != nil {
		return id.Factor{}, err
	}
	n, err := countFactors(ctx, q, userID)
	if err != nil {
		return id.Factor{}, err
	}
	if n >= MaxFactors {
		return id.Factor{}, ErrTooManyFactors
	}
	factorID := id.Factor(id.New(now))
	sealedID, err := s.Values.Put(ctx, q, purpose, subject(userID, factorID), a.seed)
	if err != nil {
		return id.Factor{}, err
	}
	r := record{Factor: Factor{ID: factorID, Name: name, CreatedAt: now}, sealed: sealedID, lastStep: a.lastStep}
	return factorID, insertFactor(ctx, q, userID, r, a.verified)
}

// purpose and subject are what a seed is sealed for: it opens for no other
// factor, and for no other user.
const purpose = "totp_seed"

func subject(userID id.User, factorID id.Factor) string {
	return userID.String() + "/" + factorID.String()
}

// cleanName returns the name of a factor without spaces around it.
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return defaultName, nil
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fault.Input("/name", "invalid_name", fmt.Sprintf("A name has at most %d characters, none of them a control character.", MaxName))
	}
	return name, nil
}

// Enabled says whether a user has a confirmed factor.
func (s *Service) Enabled(ctx context.Context, q postgres.Querier, userID id.User) (bool, error) {
	return isEnabled(ctx, q, userID)
}

// Factors returns the confirmed factors of a user, oldest first.
func (s *Service) Factors(ctx context.Context, q postgres.Querier, userID id.User) ([]Factor, error) {
	records, err := selectVerified(ctx, q, userID)
	factors := make([]Factor, len(records))
	for i, r := range records {
		factors[i] = r.Factor
	}
	return factors, err
}

// Remove deletes a factor, confirmed or not, or all for nil, with their seeds,
// and returns how many those were. When no confirmed factor is left, recovery
// codes and the count of attempts go too. It returns ErrNoFactor for a factor
// that the user does not have.
func (s *Service) Remove(ctx context.Context, q postgres.Querier, userID id.User, factor *id.Factor) (int, error) {
	if err := lockUser(ctx, q, userID); err != nil {
		return 0, err
	}
	n, err := deleteFactors(ctx, q, userID, factor)
	if err != nil {
		return 0, err
	}
	if n == 0 && factor != nil {
		return 0, ErrNoFactor
	}
	enabled, err := isEnabled(ctx, q, userID)
	if err != nil || enabled {
		return n, err
	}
	if err := deleteRecoveryCodes(ctx, q, userID); err != nil {
		return n, err
	}
	return n, deleteAttempts(ctx, q, userID)
}
