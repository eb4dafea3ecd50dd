// Package session keeps sign-ins: it makes sessions, rotates their refresh
// tokens, ends them with a reason, and issues and checks access tokens.
//
// The rule that matters: a refresh token names a session and a generation. The
// current generation rotates in one statement; its immediate predecessor gets
// the same successor again for a short grace, so that no number of tabs or lost
// answers signs anybody out; anything older is theft, and ends the session
// (RFC 9700, section 4.14). An ended session is refused at once on every
// instance, although access tokens are verified locally: see Revoked.
package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Reason is why a session is over. Clients get to see it.
type Reason string

// The reasons.
const (
	SignedOut       Reason = "signed_out"
	Expired         Reason = "expired"          // its absolute lifetime is over
	Idle            Reason = "idle"             // not refreshed for too long
	PasswordChanged Reason = "password_changed" // elsewhere
	EmailChanged    Reason = "email_changed"    // elsewhere
	FactorChanged   Reason = "factor_changed"   // elsewhere: a second factor was added or removed
	Replaced        Reason = "replaced"         // by a later sign-in, where one session is allowed
	ReuseDetected   Reason = "reuse_detected"   // an old refresh token was presented
	Admin           Reason = "admin"            // ended by an administrator
	Banned          Reason = "banned"
	UserDeleted     Reason = "user_deleted"
)

// Faults of this package.
var (
	ErrRefreshToken = fault.New(fault.Unauthenticated, "refresh_token_invalid", "The refresh token is not valid.")
	ErrNotFound     = fault.New(fault.NotFound, "session_not_found", "There is no such session.")
	ErrBanned       = fault.New(fault.Forbidden, "user_banned", "The account is banned.")
)

// Ended is the fault of a session that is over.
func Ended(reason Reason) error {
	f := fault.New(fault.Unauthenticated, "session_ended", "The session is over.")
	f.Reason = string(reason)
	return f
}

// Session is one sign-in as its owner gets to see it.
type Session struct {
	ID         id.Session  `json:"id"`
	CreatedAt  time.Time   `json:"created_at"`
	LastUsedAt time.Time   `json:"last_used_at"`
	ExpiresAt  time.Time   `json:"expires_at"`
	IP         *netip.Addr `json:"ip"`
	UserAgent  *string     `json:"user_agent"`
	Device     *string     `json:"device"` // what the user agent says about itself, for people
	AAL        string      `json:"aal"`
	AMR        []string    `json:"amr"`
	Act        *Act        `json:"act,omitempty"` // who is acting as the user, if it is not the user
	Current    bool        `json:"current"`
}

// Act is who acts as somebody else (RFC 8693, section 4.1): the identifier of the
// service key of an operator who impersonates a user.
type Act struct {
	Subject string `json:"sub"`
}

func act(actor *string) *Act {
	if actor == nil || *actor == "" {
		return nil
	}
	return &Act{*actor}
}

// Page is a list of sessions. There is never a second page.
type Page struct {
	Items      []Session `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

// Tokens is a session as the one who signs in receives it.
type Tokens struct {
	ID           id.Session `json:"id"`
	AccessToken  string     `json:"access_token"`
	TokenType    string     `json:"token_type"` // always "bearer"
	ExpiresIn    int64      `json:"expires_in"` // seconds
	ExpiresAt    int64      `json:"expires_at"` // Unix seconds
	RefreshToken string     `json:"refresh_token"`
}

// Origin is where a request about a session came from.
type Origin struct {
	Address   netip.Addr
	Shared    bool // the address is that of a proxy or a gateway: it says nothing about who is there
	UserAgent string
	RequestID string
	Language  string // the field Accept-Language; for mail
}

// Signer makes and checks signatures; see internal/signing.
type Signer interface {
	Sign(typ string, payload []byte) (string, error)
	Verify(typ, token string) ([]byte, error)
	MAC(message []byte) []byte
	CheckMAC(message, tag []byte) bool
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
}

// Config is how long things last and what tokens say.
type Config struct {
	Issuer      string
	Audience    string
	AccessTTL   time.Duration // of an access token
	IdleTTL     time.Duration // of a session that is not refreshed
	MaxLifetime time.Duration // of a session, however often it is refreshed
	Grace       time.Duration // in which the previous refresh token gets the same answer
	Single      bool          // a new session of a user replaces the others
}

// Service keeps sessions. It is safe for concurrent use.
type Service struct {
	DB      Database
	Signer  Signer
	Config  Config
	Revoked *Revoked
	Now     func() time.Time
}

// Live is a session that has just been made or refreshed, with what its tokens
// say about the user.
type Live struct {
	ID         id.Session
	Generation int64
	ExpiresAt  time.Time // of the session, absolute
	AAL        string
	AMR        []string
	Actor      string // who acts as the user; empty: the user
	Known      bool   // of a new session: its user has come in from the same Place before, as long as sessions are kept
	User       Subject
	Document   jsontext.Value // the user, as JSON
}

// Subject is the user of a session, as far as tokens name them.
type Subject struct {
	ID          id.User
	Email       string
	Anonymous   bool
	AppMetadata jsontext.Value
	Version     int64 // of what tokens say; see Service.Check
}

// Create makes a session for a user who has just proven who they are, by the
// methods amr (RFC 8176). If a user may have only one, it ends the others. It
// returns ErrBanned.
func (s *Service) Create(ctx context.Context, q postgres.Querier, userID id.User, aal string, amr []string, from Origin) (Live, error) {
	return s.create(ctx, q, userID, s.Config.MaxLifetime, aal, amr, "", from)
}

// Impersonation is the one method of a session in which somebody else acts as
// the user. Nothing that wants proof of who is there may take it for one.
const Impersonation = "impersonation"

// Impersonate makes a session in which an actor acts as a user, for a while
// that refreshing does not extend. It returns ErrBanned.
func (s *Service) Impersonate(ctx context.Context, q postgres.Querier, userID id.User, actor string, lifetime time.Duration, from Origin) (Live, error) {
	return s.create(ctx, q, userID, min(lifetime, s.Config.MaxLifetime), "aal1", []string{Impersonation}, actor, from)
}

func (s *Service) create(ctx context.Context, q postgres.Querier, userID id.User, lifetime time.Duration, aal string, amr []string, actor string, from Origin) (Live, error) {
	now := s.Now()
	made := Live{ID: id.Session(id.New(now)), ExpiresAt: now.Add(lifetime), AAL: aal, AMR: amr, Actor: actor}
	known, err := insert(ctx, q, made, userID, from)
	if err != nil {
		return Live{}, fmt.Errorf("creating a session: %w", err)
	}
	if s.Config.Single && actor == "" { // after the insertion, which has locked the user
		if _, err := endAll(ctx, q, userID, made.ID, Replaced); err != nil {
			return Live{}, fmt.Errorf("replacing sessions: %w", err)
		}
	}
	live, err := selectLive(ctx, q, made.ID)
	if err != nil {
		return Live{}, fmt.Errorf("reading a new session: %w", err)
	}
	live.Known = known
	return live, nil
}

// Untold notes that the owner of an account has not been told of a session from
// somewhere new: it makes the place no known one.
func (s *Service) Untold(ctx context.Context, q postgres.Querier, sessionID id.Session) error {
	return clearDevice(ctx, q, sessionID)
}

// Live reads a session that stands, for its tokens to be issued once more. It
// returns ErrNotFound.
func (s *Service) Live(ctx context.Context, q postgres.Querier, userID id.User, sessionID id.Session) (Live, error) {
	live, err := selectLive(ctx, q, sessionID)
	if errors.Is(err, errNoSession) || err == nil && live.User.ID != userID {
		return Live{}, ErrNotFound
	}
	return live, err
}

// Fresh says whether the user of a session has proven who they are within the
// window. It returns ErrNotFound if the session is over.
func (s *Service) Fresh(ctx context.Context, q postgres.Querier, sessionID id.Session, window time.Duration) (bool, error) {
	return selectFresh(ctx, q, sessionID, window)
}

// Proven notes that the user of a session has just proven once more who they
// are, by one more method if it is not empty, and returns when that was.
func (s *Service) Proven(ctx context.Context, q postgres.Querier, sessionID id.Session, method string) (time.Time, error) {
	return updateProven(ctx, q, sessionID, method)
}

// Raise makes a session one of two factors, by one more method.
func (s *Service) Raise(ctx context.Context, q postgres.Querier, sessionID id.Session, method string) error {
	return raise(ctx, q, sessionID, method)
}

// Clean removes sessions that have been over for longer than age, some at a
// time: it looks at up to limit after a cursor, the zero value at the
// beginning, and returns the next one. At the end that is the zero value.
func (s *Service) Clean(ctx context.Context, after id.Session, limit int, age time.Duration) (next id.Session, removed int64, err error) {
	next, removed, err = clean(ctx, s.DB.Single(), after, limit, s.Config.IdleTTL, age)
	if err != nil {
		return next, removed, fmt.Errorf("removing old sessions: %w", err)
	}
	return next, removed, nil
}

// Subject returns the session of a refresh token for counting requests by it, or
// nothing if we did not make the token.
func (s *Service) Subject(token string) string {
	sessionID, _, err := s.parseRefreshToken(token)
	if err != nil {
		return ""
	}
	return sessionID.String()
}

// Refresh exchanges a refresh token for the next one, in one statement. The
// faults are ErrRefreshToken and Ended.
func (s *Service) Refresh(ctx context.Context, token string, from Origin) (Live, error) {
	sessionID, generation, err := s.parseRefreshToken(token)
	if err != nil {
		return Live{}, err
	}
	live, reason, err := rotate(ctx, s.DB.Single(), sessionID, generation, s.Config, from)
	switch {
	case errors.Is(err, errNoSession):
		return Live{}, ErrRefreshToken
	case err != nil:
		return Live{}, fmt.Errorf("refreshing a session: %w", err)
	case reason != "":
		s.Revoked.Add(sessionID)
		return Live{}, Ended(reason)
	}
	return live, nil
}

// End ends one session of a user. It returns ErrNotFound if there is no such
// session or it is over. Once the transaction has committed, tell Revoked: the
// announcement takes a moment to come back to this instance.
func (s *Service) End(ctx context.Context, q postgres.Querier, userID id.User, sessionID id.Session, reason Reason) error {
	n, err := end(ctx, q, userID, sessionID, reason)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// EndAll ends the sessions of a user, but for one if except is not zero, and
// returns which.
func (s *Service) EndAll(ctx context.Context, q postgres.Querier, userID id.User, except id.Session, reason Reason) ([]id.Session, error) {
	return endAll(ctx, q, userID, except, reason)
}

// List returns the sessions of a user that are not over, latest use first, at
// most 1,000.
func (s *Service) List(ctx context.Context, userID id.User, current id.Session) ([]Session, error) {
	sessions, err := selectByUser(ctx, s.DB.Single(), userID, s.Config.IdleTTL, nil)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	for i := range sessions {
		sessions[i].Current = !current.IsZero() && sessions[i].ID == current
	}
	return sessions, nil
}

// Get returns one session of a user that is not over, as the current one. It
// returns ErrNotFound.
func (s *Service) Get(ctx context.Context, userID id.User, sessionID id.Session) (Session, error) {
	found, err := selectByUser(ctx, s.DB.Single(), userID, s.Config.IdleTTL, &sessionID)
	if err != nil {
		return Session{}, fmt.Errorf("reading a session: %w", err)
	}
	if len(found) == 0 {
		return Session{}, ErrNotFound
	}
	found[0].Current = true
	return found[0], nil
}
