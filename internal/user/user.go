// Package user keeps accounts: who exists, under which identities, with which
// data about themselves.
//
// An account is recognised by an identity, the pair of issuer and subject; an
// e-mail address is a way to reach somebody and to look them up, and proves
// nothing. Credentials are kept elsewhere. Users write user_metadata; nothing
// there authorises anything.
package user

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// MaxMetadata is the size of user_metadata, in bytes of JSON as PostgreSQL
// prints it. The table has the same limit.
const MaxMetadata = 16 << 10

// EmailIssuer is the issuer of accounts that this server vouches for itself:
// their subject is the user's identifier.
const EmailIssuer = "email"

// ErrExists is the fault of an e-mail address that belongs to an account.
var ErrExists = fault.New(fault.Conflict, "user_already_exists", "There is an account with this e-mail address.")

// ErrNotFound is the fault of an account that does not exist.
var ErrNotFound = fault.New(fault.NotFound, "user_not_found", "There is no such user.")

// User is an account as the API shows it. PostgreSQL composes the document
// (view auth.user_documents); this type says what is in it.
type User struct {
	ID            id.User    `json:"id"`
	Email         *string    `json:"email"`
	NewEmail      *string    `json:"new_email"` // asked for and not yet confirmed
	EmailVerified bool       `json:"email_verified"`
	Role          string     `json:"role"`
	UserMetadata  Metadata   `json:"user_metadata"`
	AppMetadata   Metadata   `json:"app_metadata"`
	IsAnonymous   bool       `json:"is_anonymous"`
	Identities    []Identity `json:"identities"`
	MFAEnabled    bool       `json:"mfa_enabled"`
	BannedUntil   *time.Time `json:"banned_until"` // null: not banned
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	LastSignInAt  *time.Time `json:"last_sign_in_at"`
}

// Identity is one way in which an account is recognised.
type Identity struct {
	ID           id.UUID    `json:"id"`
	Provider     string     `json:"provider"`
	Subject      string     `json:"subject"`
	CreatedAt    time.Time  `json:"created_at"`
	LastSignInAt *time.Time `json:"last_sign_in_at"`
}

// Document is a User in JSON, passed on as PostgreSQL made it.
type Document jsontext.Value

// MarshalJSON implements json.Marshaler.
func (d Document) MarshalJSON() ([]byte, error) {
	if d == nil {
		return []byte("null"), nil
	}
	return d, nil
}

// Metadata is a JSON object that a user keeps about themselves.
type Metadata map[string]jsontext.Value

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
}

// Farewell lets go of what is kept by address of an account that is deleted, in
// the same transaction.
type Farewell interface {
	Gone(ctx context.Context, q postgres.Querier, contact Contact) error
}

// Service keeps accounts. It is safe for concurrent use.
type Service struct {
	DB       Database
	Farewell Farewell // nil: nothing is kept by address
	Now      func() time.Time
}

// SignedIn notes that a user has just signed in with an identity, and says
// whether nobody had signed in to the account here before.
func (s *Service) SignedIn(ctx context.Context, q postgres.Querier, userID id.User, issuer, subject string) (first bool, err error) {
	return updateSignIn(ctx, q, userID, issuer, subject)
}

// Noticed notes that the owner of an account is told of a sign-in, and says no if
// that was so within the window before.
func (s *Service) Noticed(ctx context.Context, q postgres.Querier, userID id.User, window time.Duration) (bool, error) {
	return updateNoticed(ctx, q, userID, window)
}

// Get returns an account in one statement. It returns ErrNotFound.
func (s *Service) Get(ctx context.Context, userID id.User) (Document, error) {
	return s.GetIn(ctx, s.DB.Single(), userID)
}

// GetIn is Get as part of a transaction.
func (s *Service) GetIn(ctx context.Context, q postgres.Querier, userID id.User) (Document, error) {
	doc, err := selectDocument(ctx, q, userID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("reading a user: %w", err)
	}
	return doc, err
}

// Merge replaces the named members of a user's own metadata; a null removes
// one. The whole may not exceed MaxMetadata.
func (s *Service) Merge(ctx context.Context, q postgres.Querier, userID id.User, metadata Metadata) error {
	text, err := Encode("/data", metadata)
	if err != nil {
		return err
	}
	remove := []string{}
	for name, value := range metadata {
		if value.Kind() == 'n' {
			remove = append(remove, name)
		}
	}
	return updateMetadata(ctx, q, userID, text, remove)
}
