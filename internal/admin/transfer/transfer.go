// Package transfer moves accounts between systems: it imports and exports them
// as JSON lines, one account on each.
//
// Both run in memory that does not grow with the number of accounts. An import
// is written in batches, each one transaction with its audit record; one that
// was cut off is run again with on_conflict=skip, which passes over what is
// there. Errors name lines and members, and never repeat what is in them.
package transfer

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/user"
)

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Factors takes and gives the TOTP seeds of users.
type Factors interface {
	Import(ctx context.Context, q postgres.Querier, userID id.User, seed Seed) error
	Export(ctx context.Context, q postgres.Querier, userID id.User) ([]Seed, error)
}

// Seed is what a TOTP factor is made of.
type Seed struct {
	Secret       string // base32
	Name         string
	LastUsedStep int64 // codes of it and of those before are used
}

// Service imports and exports accounts. It is safe for concurrent use.
type Service struct {
	DB      Database
	Desk    *admin.Service // where accounts are kept, and what a change of them entails
	Factors Factors        // nil: lines with factors are refused, and none are exported
	Now     func() time.Time
}

// Line is an account on its way. What is absent is not known, or not exported.
type Line struct {
	ID             *id.User      `json:"id,omitempty"`
	Email          *string       `json:"email,omitempty"`
	EmailVerified  *bool         `json:"email_verified,omitempty"`
	PasswordDigest *string       `json:"password_digest,omitempty"`
	UserMetadata   user.Metadata `json:"user_metadata,omitempty"`
	AppMetadata    user.Metadata `json:"app_metadata,omitempty"`
	CreatedAt      *time.Time    `json:"created_at,omitempty"`
	LastSignInAt   *time.Time    `json:"last_sign_in_at,omitempty"`
	BannedUntil    *time.Time    `json:"banned_until,omitempty"`
	Identities     []Identity    `json:"identities,omitempty"`
	Factors        []Factor      `json:"factors,omitempty"`
}

// Identity is how another issuer knows the user.
type Identity struct {
	Provider string `json:"provider"`
	Subject  string `json:"subject"`
}

// Factor is a second factor.
type Factor struct {
	Type         string `json:"type"`   // totp
	Secret       string `json:"secret"` // base32
	Name         string `json:"name,omitempty"`
	LastUsedStep int64  `json:"last_used_step,omitzero"` // of 30 seconds since 1970; codes of it and of those before are used
}
