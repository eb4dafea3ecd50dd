package user

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Forever is the end of a ban that somebody has to lift.
func Forever() time.Time { return time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC) }

// New is an account to be made.
type New struct {
	ID           id.User // zero: one is made
	Email        string  // normalised; empty: an anonymous user
	Verified     bool    // whether the address is known to be theirs
	UserMetadata Metadata
	AppMetadata  Metadata
}

// Add makes an account. It returns ErrExists if there is one with that id or
// address.
func (s *Service) Add(ctx context.Context, q postgres.Querier, n New) (id.User, error) {
	user, err := Encode("/user_metadata", n.UserMetadata)
	if err != nil {
		return id.User{}, err
	}
	app, err := Encode("/app_metadata", n.AppMetadata)
	if err != nil {
		return id.User{}, err
	}
	now := s.Now()
	if n.ID.IsZero() {
		n.ID = id.User(id.New(now))
	}
	if err := insertNew(ctx, q, n, user, app); err != nil {
		return id.User{}, fmt.Errorf("making a user: %w", err)
	}
	if n.Email == "" {
		return n.ID, nil
	}
	return n.ID, s.identify(ctx, q, n.ID)
}

// identify gives an account the identity of its e-mail address, if it lacks it.
func (s *Service) identify(ctx context.Context, q postgres.Querier, userID id.User) error {
	return ensureIdentity(ctx, q, id.New(s.Now()), userID, EmailIssuer, userID.String())
}

// Change is what an administrator changes about an account; nil leaves it as it
// is.
type Change struct {
	Email        *string // normalised; another address is unverified until it is said not to be
	Verified     *bool
	UserMetadata Metadata // merged; a null removes a member
	AppMetadata  Metadata // merged
}

// Amend changes an account, and returns the version of what its tokens have to
// say: those of a lower one are refused from then on. Once the transaction has
// committed, tell session.Revoked. It returns ErrNotFound, or ErrExists for an
// address that belongs to another account.
func (s *Service) Amend(ctx context.Context, q postgres.Querier, userID id.User, c Change) (int64, error) {
	user, err := Encode("/user_metadata", c.UserMetadata)
	if err != nil {
		return 0, err
	}
	app, err := Encode("/app_metadata", c.AppMetadata)
	if err != nil {
		return 0, err
	}
	if c.Email != nil {
		taken, err := selectTaken(ctx, q, *c.Email, userID) // PostgreSQL would log the address
		if err != nil {
			return 0, err
		}
		if taken {
			return 0, ErrExists
		}
	}
	version, err := update(ctx, q, userID, c, user, app)
	if err != nil {
		return 0, fmt.Errorf("changing a user: %w", err)
	}
	if c.Email != nil {
		err = s.identify(ctx, q, userID)
	}
	return version, err
}

// Unproven returns those of some accounts that somebody can come into, with a
// password, by a session or as an API key, who has never proven that the address is theirs.
func (s *Service) Unproven(ctx context.Context, q postgres.Querier, ids ...id.User) (map[id.User]bool, error) {
	return selectUnproven(ctx, q, ids)
}

// Unclaimed returns the account with an address, if nobody can have come into
// it: the address is not proven, there is no password, nobody has signed in. The
// account stays so until the transaction is over. It returns ErrNotFound if the
// address is nobody's, and ErrExists for any other account, and for a banned one.
func (s *Service) Unclaimed(ctx context.Context, q postgres.Querier, email string) (id.User, error) {
	return selectUnclaimed(ctx, q, email)
}

// Ban keeps a user from signing in until an instant and ends their sessions.
// The zero time lifts a ban.
func (s *Service) Ban(ctx context.Context, q postgres.Querier, userID id.User, until time.Time, reason string) error {
	var end *time.Time
	if !until.IsZero() {
		end = &until
	}
	return updateBan(ctx, q, userID, end, reason)
}

// Banned says whether a user is banned. It returns ErrNotFound.
func (s *Service) Banned(ctx context.Context, q postgres.Querier, userID id.User) (bool, error) {
	return selectBanned(ctx, q, userID)
}

// Lock keeps others from changing an account, or making a session of it, until
// the transaction is over. It returns ErrNotFound.
func (s *Service) Lock(ctx context.Context, q postgres.Querier, userID id.User) error {
	return lock(ctx, q, userID)
}

// removed returns the members that a merge takes away.
func (m Metadata) removed() []string {
	names := []string{}
	for name, value := range m {
		if value.Kind() == 'n' {
			names = append(names, name)
		}
	}
	return names
}

// Encode returns metadata in JSON, "{}" for none, or a fault with the pointer if
// there is too much of it.
func Encode(pointer string, m Metadata) (string, error) {
	if m == nil {
		return "{}", nil
	}
	text, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("encoding metadata: %w", err)
	}
	if len(text) > MaxMetadata {
		return "", TooMuch(pointer)
	}
	return string(text), checkNumbers(pointer, text)
}

// checkNumbers refuses numbers that are no double (RFC 8259, section 6):
// PostgreSQL keeps 1e100000 in a few bytes and writes it in a hundred thousand.
func checkNumbers(pointer string, text []byte) error {
	for d := jsontext.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.ReadToken()
		if err != nil {
			return nil //nolint:nilerr // the end: it has just been written
		}
		if token.Kind() != '0' {
			continue
		}
		f, err := strconv.ParseFloat(token.String(), 64)
		digits, _, _ := strings.Cut(strings.ToLower(token.String()), "e")
		if err != nil || f == 0 && strings.ContainsAny(digits, "123456789") {
			return fault.Input(pointer, "invalid_number", "A number is beyond what a double can hold.")
		}
	}
}

// TooMuch is the fault of metadata over its limit.
func TooMuch(pointer string) error {
	return fault.Input(pointer, "metadata_too_large", fmt.Sprintf("Keep all metadata together under %d bytes.", MaxMetadata))
}

// Decode reads metadata as PostgreSQL has it.
func Decode(text []byte) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("decoding metadata: %w", err)
	}
	return m, nil
}
