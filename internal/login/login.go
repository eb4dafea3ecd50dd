// Package login is how people come in and go out: sign-up, sign-in, refresh,
// sign-out and what they may see of themselves.
//
// It decides the next step and composes what the records and methods below it
// offer; each deed is one transaction with its audit record.
package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/otp"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/totp"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Faults of this package.
var (
	ErrInvalidCredentials = fault.New(fault.Unauthenticated, "invalid_credentials", "The e-mail address or the password is wrong.")
	ErrNotConfirmed       = fault.New(fault.Forbidden, "email_not_confirmed", "Confirm your e-mail address first: open the link that was mailed to it.")
	ErrSignupDisabled     = fault.New(fault.Forbidden, "signup_disabled", "New accounts are not open to everybody here.")
)

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Config is which ways in there are.
type Config struct {
	SignUps    bool          // whether strangers may make accounts
	Verify     bool          // whether an address has to be proven before it signs in
	MagicLinks bool          // whether a mailed link signs in
	Anonymous  bool          // whether one may come in without saying who one is
	PublicURL  string        // of this server; mailed links begin with it
	LinkLife   time.Duration // of mailed links and codes; ASVS 6.5.5 has at most 10 minutes
	ResetLife  time.Duration // of those that reset a password
	InviteLife time.Duration // of those that invite
	MailLimit  int           // messages of a kind to one address within an hour, at the request of one network
	NewSignIns bool          // whether the owner of an account is told of a sign-in from somewhere new
	Redirects  func(url string) bool
}

// Service signs people in and out. It is safe for concurrent use.
type Service struct {
	DB        Database
	Users     *user.Service
	Passwords *password.Service
	Factors   *totp.Service
	Flows     *otp.Service
	Mail      *mail.Service
	Sessions  *session.Service
	Keys      *apikey.Keeper // of users
	SignIns   *SignIns       // nil counts nothing
	Config    Config
}

// NewAccount is a sign-up with a password.
type NewAccount struct {
	Email    string        `json:"email"`
	Password string        `json:"password"`
	Data     user.Metadata `json:"data,omitzero"`
	Options  struct {
		Data user.Metadata `json:"data,omitzero"`
	} `json:"options,omitzero"`
	RedirectTo string `json:"redirect_to,omitzero"`
}

// checked is an account to be made, whose parts have been found fit.
type checked struct {
	email, digest, metadata string
	data                    user.Metadata
}

func (s *Service) check(ctx context.Context, account NewAccount) (checked, error) {
	email, err := user.NormalizeEmail(account.Email)
	if err != nil {
		return checked{}, err
	}
	if err := s.Passwords.Check(ctx, "/password", account.Password, email); err != nil {
		return checked{}, err
	}
	if err := s.checkRedirect(account.RedirectTo); err != nil {
		return checked{}, err
	}
	data := account.Data
	if account.Options.Data != nil {
		if data != nil {
			return checked{}, fault.Input("/data", "invalid_type", "Send data or options.data, not both.")
		}
		data = account.Options.Data
	}
	metadata, err := user.CheckMetadata(data)
	if err != nil {
		return checked{}, err
	}
	digest, err := s.Passwords.Hash(ctx, account.Password)
	return checked{email, digest, metadata, data}, err
}

// SignUp makes an account and signs its owner in. Account, password, identity,
// session and audit record exist together or not at all.
//
// Where addresses have to be proven there is no account before that: whoever
// signs up with an address makes a flow, and the one who has the mailbox makes
// the account of it. The answer says nothing about whether there is one, and
// nobody can put a password on an account that its owner has yet to make.
func (s *Service) SignUp(ctx context.Context, account NewAccount, from session.Origin) (Answer, error) {
	if !s.Config.SignUps {
		return Answer{}, ErrSignupDisabled
	}
	c, err := s.check(ctx, account)
	if err != nil {
		return Answer{}, err
	}
	if s.Config.Verify {
		return s.askSignUp(ctx, c, account.RedirectTo, from)
	}
	return s.enter(ctx, from, audit.UserSignedUp, func(q postgres.Querier) (entry, error) {
		userID, err := s.Users.Add(ctx, q, user.New{Email: c.email, UserMetadata: c.data})
		if err != nil {
			return entry{}, err
		}
		return entry{user: userID, amr: password.AMR}, s.Passwords.Set(ctx, q, userID, c.digest)
	})
}

// Credentials are an e-mail address and a password.
type Credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// SignIn signs in with a password. Whether the address or the password was
// wrong is told by neither the answer nor the time it takes.
func (s *Service) SignIn(ctx context.Context, c Credentials, from session.Origin) (Answer, error) {
	answer, err := s.signIn(ctx, c, from)
	if errors.Is(err, password.ErrMismatch) { // its digest is another one by now: of the same password, perhaps
		answer, err = s.signIn(ctx, c, from)
	}
	if errors.Is(err, password.ErrMismatch) {
		err = ErrInvalidCredentials
	}
	return answer, err
}

// signIn returns password.ErrMismatch if the password was replaced while it was
// being verified.
func (s *Service) signIn(ctx context.Context, c Credentials, from session.Origin) (Answer, error) {
	var attempt password.Attempt
	email, err := user.NormalizeEmail(c.Email)
	if err == nil {
		attempt, err = s.Passwords.Begin(ctx, s.DB.Single(), email, from)
		if err != nil {
			return Answer{}, fmt.Errorf("signing in: %w", err)
		}
	}
	found := attempt.Found
	stale, err := s.Passwords.Compare(ctx, s.DB.Single(), attempt, c.Password)
	if errors.Is(err, password.ErrMismatch) {
		return Answer{}, s.mismatch(ctx, email, attempt, c.Password, from)
	}
	if err != nil {
		return Answer{}, err
	}
	if s.Config.Verify && !found.Verified {
		return Answer{}, s.remind(ctx, email, attempt, found.Digest, from)
	}
	var renewed string
	if stale {
		renewed = s.renew(ctx, c.Password)
	}
	held := func(q postgres.Querier) error {
		if err := s.Passwords.Hold(ctx, q, found.User, found.Digest); err != nil {
			return err
		}
		if err := s.Passwords.Succeeded(ctx, q, attempt); err != nil || renewed == "" {
			return err
		}
		return s.Passwords.Replace(ctx, q, found.User, found.Digest, renewed)
	}
	return s.enter(ctx, from, audit.UserSignedIn, func(postgres.Querier) (entry, error) {
		return entry{user: found.User, amr: password.AMR, locked: held}, nil
	})
}

// renew returns a new digest of a password that has just been verified, or
// nothing if it cannot be made now: a queue that is full is no reason to keep
// somebody out whose password is right, and the next sign-in tries again.
func (s *Service) renew(ctx context.Context, password string) string {
	digest, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return ""
	}
	return digest
}

// mismatch refuses a password that is not the account's. Where addresses have to
// be proven it may be that of a sign-up: whoever sends that one is told what is
// missing, whether or not the address belongs to somebody, and whoever fails has
// waited for two comparisons.
func (s *Service) mismatch(ctx context.Context, email string, attempt password.Attempt, text string, from session.Origin) error {
	if !s.Config.Verify {
		return s.reject(ctx, attempt, from)
	}
	pending, err := s.Passwords.Pending(ctx, s.DB.Single(), email)
	if err != nil {
		return err
	}
	_, err = s.Passwords.Verify(ctx, pending, attempt.Text(text))
	switch {
	case errors.Is(err, password.ErrMismatch):
		return s.reject(ctx, attempt, from)
	case err != nil:
		return err
	}
	return s.remind(ctx, email, attempt, pending, from)
}

func (s *Service) reject(ctx context.Context, attempt password.Attempt, from session.Origin) error {
	record := nobody(from).Did(audit.SignInRejected, "user", id.UUID(attempt.User))
	if record.Failed = true; attempt.Refused {
		record.Details["reason"] = "too_many_failures"
	}
	if err := audit.Write(ctx, s.DB.Single(), record); err != nil {
		return err
	}
	return ErrInvalidCredentials
}

// NewGuest is a sign-in without saying who one is.
type NewGuest struct {
	Data user.Metadata `json:"data,omitzero"`
}

// ErrAnonymousDisabled is the fault of a server that knows its guests.
var ErrAnonymousDisabled = fault.New(fault.Forbidden, "anonymous_provider_disabled", "Sign-in without an account is not open here.")

// SignInAnonymously makes an account of which nothing is known, and signs it in.
func (s *Service) SignInAnonymously(ctx context.Context, guest NewGuest, from session.Origin) (Answer, error) {
	if !s.Config.Anonymous || !s.Config.SignUps {
		return Answer{}, ErrAnonymousDisabled
	}
	if _, err := user.CheckMetadata(guest.Data); err != nil {
		return Answer{}, err
	}
	return s.enter(ctx, from, audit.UserSignedUp, func(q postgres.Querier) (entry, error) {
		userID, err := s.Users.Add(ctx, q, user.New{UserMetadata: guest.Data})
		return entry{user: userID, amr: "anonymous"}, err
	})
}

// Refresh exchanges a refresh token; see session.Service.Refresh.
func (s *Service) Refresh(ctx context.Context, token string, from session.Origin) (Answer, error) {
	live, err := s.Sessions.Refresh(ctx, token, from)
	if err != nil {
		return Answer{}, err
	}
	return s.answer(live)
}
