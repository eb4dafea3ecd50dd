// Package password checks and keeps passwords.
//
// Hashing is slow on purpose, so it is done by a fixed number of workers behind
// a queue of fixed length, also for users who do not exist: however many sign-ins
// arrive, the rest of the server keeps its share of the processors, and when the
// queue is full the answer is ErrBusy at once. A password longer than bcrypt can
// take is refused and never cut.
//
// Digests of other systems are verified as they are (internal/password/digest),
// and replaced by one of the configured scheme when their owner comes in.
package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/password/digest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// MaxBytes is the longest password, in bytes of UTF-8, with every scheme: bcrypt
// ignores the rest, and the scheme may be changed to it.
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
	// ErrScheme means that a digest is not one that can be verified.
	ErrScheme = digest.ErrScheme
)

// Service keeps password digests. It is safe for concurrent use.
type Service struct {
	Pool     *Pool
	Policy   Policy
	Scheme   digest.Scheme // of new digests
	Breaches *Breaches     // who knows breached passwords; nil is nobody
	Limit    Limit         // of wrong passwords for one account

	common common
	dummy  digest.Digest // what unknown users are compared with
}

// NewService makes the digest that passwords of unknown users are compared
// with, which takes as long as one sign-in.
func NewService(pool *Pool, policy Policy, scheme digest.Scheme) (*Service, error) {
	words, err := readCommon()
	if err != nil {
		return nil, err
	}
	text, err := scheme.Hash("nobody has this password", func() {})
	if err != nil {
		return nil, err
	}
	dummy, err := digest.Parse(text)
	if err != nil {
		return nil, err
	}
	return &Service{Pool: pool, Policy: policy, Scheme: scheme, common: words, dummy: dummy}, nil
}

// Check returns a fault that points to a new password's place in the input and
// has every reason against it, or nil. about is what an attacker would try first,
// such as the e-mail address: it must not be the password.
func (s *Service) Check(ctx context.Context, pointer, password string, about ...string) error {
	reasons := s.Policy.reasons(password)
	switch {
	case isAbout(password, about):
		reasons = append(reasons, "Do not use your e-mail address or the name of this service as your password.")
	case s.common.has(password):
		reasons = append(reasons, "This is one of the most common passwords. Use another.")
	case len(reasons) == 0 && s.Breaches.has(ctx, password): // nobody is asked about what is refused anyway
		reasons = append(reasons, "This password is in a known data breach. Use another.")
	}
	return weak(pointer, reasons)
}

// Hash returns the digest of a new password that satisfies the policy.
func (s *Service) Hash(ctx context.Context, password string) (text string, err error) {
	if poolErr := s.Pool.Do(ctx, func(pause func()) { text, err = s.Scheme.Hash(password, pause) }); poolErr != nil {
		return "", poolErr
	}
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return text, nil
}

// Verify returns nil if password is what a digest was made of, and ErrMismatch if
// not. An empty digest stands for a user who does not exist or has no password,
// and takes as long as any other of the configured scheme. stale means that the
// password is right and its digest is of another scheme or cost than configured:
// hash it anew and Replace it.
func (s *Service) Verify(ctx context.Context, text, password string) (stale bool, err error) {
	against, known := s.dummy, text != ""
	if known {
		if against, err = digest.Parse(text); err != nil {
			return false, fmt.Errorf("comparing a password: %w", err)
		}
	}
	if !possible(password) {
		password, known = "", false // the work is done all the same
	}
	matches := false
	current := s.Scheme.Made(against)
	err = s.Pool.Do(ctx, func(pause func()) {
		matches = against.Matches(password, pause)
		if !matches && !current { // which may have been quicker than what unknown users are compared with
			_ = s.dummy.Matches(password, pause)
		}
	})
	if err != nil {
		return false, err
	}
	if !known || !matches {
		return false, ErrMismatch
	}
	return !current, nil
}

// possible says whether anybody can have a password. bcrypt would cut a longer
// one, and takes "a" and "a\x00a" for the same; an imported digest of nothing
// would let everybody in.
func possible(password string) bool {
	return password != "" && len(password) <= MaxBytes && !strings.Contains(password, "\x00")
}

// Recognize returns nil if a digest, of this or another system, can be verified,
// and an error that wraps ErrScheme and says why if not. It does not repeat the
// digest, and computes nothing.
func Recognize(text string) error {
	_, err := digest.Parse(text)
	return err
}

// Set keeps the digest of a user's password, replacing an earlier one, at which
// wrong ones do not count.
func (s *Service) Set(ctx context.Context, q postgres.Querier, userID id.User, text string) error {
	return upsert(ctx, q, userID, text)
}

// Replace puts a new digest of the same password in the place of old. If old is
// not there any more, somebody else has changed it, and that stays: no error.
func (s *Service) Replace(ctx context.Context, q postgres.Querier, userID id.User, old, text string) error {
	return replace(ctx, q, userID, old, text)
}

// AMR is the method in the words of RFC 8176.
const AMR = "pwd"

// Found is what there is under an address.
type Found struct {
	User     id.User // zero: nobody
	Digest   string  // of the account's password; empty if there is none
	Verified bool    // the address has been proven
}

// Find looks an address up, which must be normalised.
func (s *Service) Find(ctx context.Context, q postgres.Querier, email string) (Found, error) {
	return selectByEmail(ctx, q, email)
}

// Pending returns the digest of the latest sign-up with an address that has yet
// to be proven, "" if there is none.
func (s *Service) Pending(ctx context.Context, q postgres.Querier, email string) (string, error) {
	return selectPending(ctx, q, email)
}

// Hold keeps a user's password from being changed until the end of the
// transaction. It returns ErrMismatch if its digest is another one by now: a
// sign-in that has verified the old one comes too late.
func (s *Service) Hold(ctx context.Context, q postgres.Querier, userID id.User, text string) error {
	return hold(ctx, q, userID, text)
}

// Of returns the digest of a user's password, "" if there is none.
func (s *Service) Of(ctx context.Context, q postgres.Querier, userID id.User) (string, error) {
	return selectDigest(ctx, q, userID)
}

// Remove takes a user's password away.
func (s *Service) Remove(ctx context.Context, q postgres.Querier, userID id.User) error {
	return remove(ctx, q, userID)
}
