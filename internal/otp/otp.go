// Package otp keeps what is finished by a mailed link, a code, or a second
// factor: flows.
//
// The rule that matters: a flow is consumed once, by one statement, so of any
// number at once one wins; and looking at a flow changes nothing, because mail
// scanners open links. A link carries 256 random bits, of which the table has
// the digest. A code has six digits, so it is good for ten minutes, for five
// tries by whoever names the address and five more by the page that asked, and
// its digest is keyed. The page that asked may hold a secret of
// its own, the waiter, with which it comes in once the owner of the mailbox
// has approved, wherever the link was opened.
//
// What consuming a flow entails is for its caller to do, in the same
// transaction.
package otp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Faults of this package. ErrExpired is the one answer to whatever is wrong
// with a link or a code.
var (
	ErrExpired = fault.New(fault.Forbidden, "otp_expired", "The link or the code is not valid, or its time is over. Ask for a new one.")
	ErrDenied  = fault.New(fault.Forbidden, "flow_denied", "The owner of the address has refused this.")
)

// Kind is what a flow is about.
type Kind string

// The kinds.
const (
	SignUp             Kind = "signup"               // prove the address of a new account
	MagicLink          Kind = "magic_link"           // sign in
	Recovery           Kind = "recovery"             // set a new password
	Invite             Kind = "invite"               // take over an account that an administrator has made
	EmailChange        Kind = "email_change"         // the new address
	EmailChangeCurrent Kind = "email_change_current" // the address there is
	Reauthentication   Kind = "reauthentication"     // prove once more who is there
	SecondFactor       Kind = "second_factor"        // a first factor has been proven
)

// maxTries is how many codes may be tried for one flow by whoever names the
// address alone, and as many besides by whoever shows a secret of the flow. So ten
// of a million are looked at. CodeDigits is their length.
const (
	maxTries   = 5
	CodeDigits = 6
)

// Request asks for a flow. Which of the fields a flow needs depends on its kind.
type Request struct {
	Kind           Kind
	User           id.User // zero: nobody has that address
	NewUser        id.User // of the account that will be made
	Email          string
	RedirectTo     string // checked by the caller
	Data           string // a JSON object; empty is {}
	PasswordDigest string
	Change         id.UUID
	AMR            []string
	From           session.Origin
	Life           time.Duration
	Code           bool // there is a code beside the link
	Waits          bool // the page that asked may wait
	Mailed         bool // somebody receives it
}

// Asked is a new flow with its secrets, which are nowhere else.
type Asked struct {
	ID     id.Flow
	Token  string // for the link
	Code   string // six digits; empty if there is none
	Waiter string // for the page that asked; empty if it may not wait
}

// Flow is a flow as it is found.
type Flow struct {
	ID             id.Flow
	Kind           Kind
	User           id.User
	NewUser        id.User
	Email          string
	RedirectTo     string
	Data           string
	PasswordDigest string
	Change         id.UUID
	AMR            []string
	From           session.Origin // without a request
	CreatedAt      time.Time
	ExpiresAt      time.Time
	Proven         bool // the mailed link has been confirmed in a browser, and what that entails is done
	Waits          bool // the page that asked may wait
}

// MAC makes keyed digests; see internal/signing.
type MAC interface {
	MAC(message []byte) []byte
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
}

// Service keeps flows. It is safe for concurrent use.
type Service struct {
	DB  Database
	MAC MAC
	Now func() time.Time
}

// Ask writes a flow.
func (s *Service) Ask(ctx context.Context, q postgres.Querier, r Request) (Asked, error) {
	asked := Asked{ID: id.Flow(id.New(s.Now())), Token: rand.Text() + rand.Text()}
	var code, waiter []byte
	if r.Code {
		asked.Code = newCode()
		code = s.codeDigest(asked.ID, asked.Code)
	}
	if r.Waits {
		asked.Waiter = rand.Text() + rand.Text()
		waiter = digest(asked.Waiter)
	}
	if err := insert(ctx, q, asked.ID, r, digest(asked.Token), waiter, code); err != nil {
		return Asked{}, fmt.Errorf("beginning a flow: %w", err)
	}
	return asked, nil
}

// Find returns the open flow of a link, and changes nothing. The token of a
// second factor is no link. It returns ErrExpired.
func (s *Service) Find(ctx context.Context, token string) (Flow, error) {
	return selectOpen(ctx, s.DB.Single(), digest(token))
}

// Redirect returns where the link of a flow was to lead, whatever has become of
// it, for as long as the flow is kept; "" is nowhere.
func (s *Service) Redirect(ctx context.Context, token string) (string, error) {
	return selectRedirect(ctx, s.DB.Single(), digest(token))
}

// Consume consumes the flow of a link, if it is of one of the kinds. It returns
// ErrExpired.
func (s *Service) Consume(ctx context.Context, q postgres.Querier, token string, kinds ...Kind) (Flow, error) {
	return consume(ctx, q, digest(token), kinds)
}

// TryCode finds the latest flow of an address and of one of the kinds by its
// code, to be consumed by ConsumeID. A page that has a waiter sends it, and then
// it is the flow of that page, whatever others have asked for since, with tries of
// its own. A try counts whatever becomes of it, so this comes before the
// transaction begins. It returns ErrExpired.
func (s *Service) TryCode(ctx context.Context, email, waiter, code string, kinds ...Kind) (id.Flow, error) {
	var flow id.Flow
	var want []byte
	var err error
	if waiter == "" {
		flow, want, err = tryCode(ctx, s.DB.Single(), email, kinds, maxTries)
	} else {
		flow, want, err = tryPage(ctx, s.DB.Single(), email, digest(waiter), kinds, maxTries)
	}
	if err != nil {
		return id.Flow{}, err
	}
	got := s.codeDigest(flow, strings.ReplaceAll(strings.TrimSpace(code), " ", ""))
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return id.Flow{}, ErrExpired
	}
	return flow, nil
}

// ConsumeID consumes a flow that has been found by its code. It returns
// ErrExpired.
func (s *Service) ConsumeID(ctx context.Context, q postgres.Querier, flow id.Flow) (Flow, error) {
	return consumeID(ctx, q, flow)
}

// Try counts a try at an open flow of a kind, by somebody who has its token, and
// returns it; after five tries it returns ErrExpired. Like TryCode it comes before the transaction begins.
func (s *Service) Try(ctx context.Context, token string, kind Kind) (Flow, error) {
	return tryToken(ctx, s.DB.Single(), digest(token), kind, maxTries)
}

// Settle takes the link of a flow of one of the kinds as confirmed: it is dead
// from then on, and the page that asked, if one waits, may come in. It returns
// ErrExpired.
func (s *Service) Settle(ctx context.Context, q postgres.Querier, token string, kinds ...Kind) (Flow, error) {
	return settle(ctx, q, digest(token), nil, claimLife, kinds)
}

// HandOver is Settle for the application that the browser is sent to: it
// returns a token that is good for a minute, and nobody else comes in.
func (s *Service) HandOver(ctx context.Context, q postgres.Querier, token string, kinds ...Kind) (Flow, string, error) {
	fresh := rand.Text() + rand.Text()
	flow, err := settle(ctx, q, digest(token), digest(fresh), handOverLife, kinds)
	return flow, fresh, err
}

// How long a page that waits has to come in at least, and an application to
// exchange what it was handed.
const (
	claimLife    = 2 * time.Minute
	handOverLife = time.Minute
)

// SetUser notes whose a flow is, and that what it entails is done: the
// password is the account's by then, and no longer here.
func (s *Service) SetUser(ctx context.Context, q postgres.Querier, flow id.Flow, userID id.User) error {
	return updateUser(ctx, q, flow, userID)
}

// Deny ends a flow that the owner of the mailbox has not asked for. It returns
// ErrExpired.
func (s *Service) Deny(ctx context.Context, q postgres.Querier, token string) (Flow, error) {
	return deny(ctx, q, digest(token))
}

// Proven says whether the page that waits may come in by now. It returns
// ErrDenied and ErrExpired.
func (s *Service) Proven(ctx context.Context, waiter string) (bool, error) {
	isOpen, proven, denied, err := selectWaiting(ctx, s.DB.Single(), digest(waiter))
	switch {
	case err != nil:
		return false, err
	case denied:
		return false, ErrDenied
	case !isOpen:
		return false, ErrExpired
	}
	return proven, nil
}

// Claim consumes a flow that is proven, for the page that waits. It returns
// ErrExpired.
func (s *Service) Claim(ctx context.Context, q postgres.Querier, waiter string) (Flow, error) {
	return claim(ctx, q, digest(waiter))
}

// Latest returns the latest flow of a kind to an address that has not come to
// anything yet, whether or not its time is over. It returns ErrExpired if there is none.
func (s *Service) Latest(ctx context.Context, q postgres.Querier, email string, kind Kind) (Flow, error) {
	return selectLatest(ctx, q, email, kind)
}

// Mailed is what an address was to receive of a kind.
type Mailed struct {
	Near   int  // at the request of the same network: an address, or in IPv6 the same 64 bits
	All    int  // at that of anybody
	Known  bool // the owner of the address has come in from that network
	Denied bool // or has refused what was asked for from there
}

// Mailed counts the messages of a kind that an address was to receive within the
// time before, for somebody who asks for another, and says whether the owner has
// refused one within refused. Of transactions that ask about one address at the
// same time one is told; the others get ok false, rather than wait for it.
func (s *Service) Mailed(ctx context.Context, q postgres.Querier, email string, kind Kind, from session.Origin, within, refused time.Duration) (m Mailed, ok bool, err error) {
	return countMailed(ctx, q, email, kind, from.Place(), within, refused)
}

// Of returns the flow of a page that waits, or has waited, whatever has become
// of it. It returns ErrExpired.
func (s *Service) Of(ctx context.Context, q postgres.Querier, waiter string) (Flow, error) {
	return selectOf(ctx, q, digest(waiter))
}

// Cancel ends the open flows of a user that are of one of the kinds.
func (s *Service) Cancel(ctx context.Context, q postgres.Querier, userID id.User, kinds ...Kind) error {
	return cancel(ctx, q, userID, kinds)
}

// OpenChange says whether a confirmation of a change of address is still
// outstanding, or will be for ever.
func (s *Service) OpenChange(ctx context.Context, q postgres.Querier, change id.UUID) (bool, error) {
	return selectOpenChange(ctx, q, change)
}

// kept is how long flows are kept after their time, for a sign-up that is to be
// mailed once more.
const kept = 24 * time.Hour

// Clean removes flows that are long over, some at a time, and says whether it
// may have left some.
func (s *Service) Clean(ctx context.Context, limit int) (more bool, err error) {
	n, err := deleteOld(ctx, s.DB.Single(), kept, limit)
	return n == int64(limit), err
}

func digest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// codeDigest is keyed: whoever has read the table cannot try a million codes.
func (s *Service) codeDigest(flow id.Flow, code string) []byte {
	message := append([]byte("flow code\x00"), flow[:]...)
	return s.MAC.MAC(append(message, code...))
}

func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic("crypto/rand: " + err.Error()) // documented never to happen
	}
	return fmt.Sprintf("%0*d", CodeDigits, n)
}

// Hash returns the hash of a token that templates may show, as TokenHash.
func Hash(token string) string { return base64.RawURLEncoding.EncodeToString(digest(token)) }
