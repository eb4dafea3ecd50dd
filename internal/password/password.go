// Package password checks and keeps passwords.
//
// Hashing is slow on purpose, so it is done by a fixed number of workers behind
// a queue of fixed length, also for users who do not exist: however many sign-ins
// arrive, the rest of the server keeps its share of the processors, and when the
// queue is full the answer is ErrBusy at once. A password longer than bcrypt can
// take is refused and never cut.
package password

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// MaxBytes is the longest password, in bytes of UTF-8: bcrypt ignores the rest.
const MaxBytes = 72

// Faults of this package.
var (
	// ErrBusy means that the queue of the hashing workers is full.
	ErrBusy = &fault.Error{
		Kind: fault.Unavailable, Code: "over_hashing_capacity",
		Detail: "Too many sign-ins at the moment.", RetryAfter: time.Second,
	}
	// ErrMismatch means that a password is not the one that is kept.
	ErrMismatch = errors.New("password does not match")
)

// Policy is what a new password must be.
type Policy struct {
	MinLength int // code points
}

// Check returns a fault that points to the password's place in the input, or nil.
func (p Policy) Check(pointer, password string) error {
	switch {
	case !utf8.ValidString(password):
		return fault.Input(pointer, "weak_password", "The password is not valid UTF-8.")
	case utf8.RuneCountInString(password) < p.MinLength:
		return fault.Input(pointer, "weak_password", fmt.Sprintf("Use at least %d characters.", p.MinLength))
	case len(password) > MaxBytes:
		return fault.Input(pointer, "weak_password", fmt.Sprintf("Use at most %d bytes; letters outside ASCII take several.", MaxBytes))
	}
	return nil
}

// Service keeps password digests. It is safe for concurrent use.
type Service struct {
	Pool   *Pool
	Policy Policy
	Cost   int // of bcrypt, 4 to 31

	dummy []byte // the digest that unknown users are compared with
}

// NewService makes the digest that passwords of unknown users are compared
// with, which takes as long as one sign-in.
func NewService(pool *Pool, policy Policy, cost int) (*Service, error) {
	dummy, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), cost)
	if err != nil {
		return nil, fmt.Errorf("hashing at cost %d: %w", cost, err)
	}
	return &Service{Pool: pool, Policy: policy, Cost: cost, dummy: dummy}, nil
}

// Hash returns the digest of a new password that satisfies the policy.
func (s *Service) Hash(ctx context.Context, password string) (digest string, err error) {
	var hashed []byte
	poolErr := s.Pool.Do(ctx, func() {
		hashed, err = bcrypt.GenerateFromPassword([]byte(password), s.Cost)
	})
	if poolErr != nil {
		return "", poolErr
	}
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hashed), nil
}

// Verify returns nil if password is what digest was made of, and ErrMismatch if
// not. An empty digest stands for a user who does not exist or has no password,
// and takes as long as any other.
func (s *Service) Verify(ctx context.Context, digest, password string) error {
	against := []byte(digest)
	if digest == "" {
		against = s.dummy
	}
	var err error
	if poolErr := s.Pool.Do(ctx, func() { err = bcrypt.CompareHashAndPassword(against, []byte(password)) }); poolErr != nil {
		return poolErr
	}
	switch {
	case digest == "" || len(password) > MaxBytes || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return ErrMismatch
	case err != nil:
		return fmt.Errorf("comparing a password: %w", err)
	}
	return nil
}

// Set keeps the digest of a user's password, replacing an earlier one.
func (s *Service) Set(ctx context.Context, q postgres.Querier, userID id.User, digest string) error {
	return upsert(ctx, q, userID, digest)
}

// Find returns the user with an e-mail address, which must be normalised, and
// the digest of their password. Where there is none both are zero.
func (s *Service) Find(ctx context.Context, q postgres.Querier, email string) (id.User, string, error) {
	return selectByEmail(ctx, q, email)
}
