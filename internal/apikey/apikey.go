// Package apikey keeps the keys of applications (client keys, which name an
// application and give it the role anonymous), of back ends (service keys,
// which bypass Row-Level Security), and of users (API keys, which act as the
// user who made them, as far as their scopes go).
//
// A key is opaque, prefixed and checksummed, shown once and kept as a SHA-256
// digest: it holds 256 random bits, so nothing slower is needed, and looking it
// up by digest reveals nothing through timing. A key that ends before its time
// is announced by a trigger, like a session that does; see internal/session.
//
// A service key makes no key that is good for longer, or from more places, than
// it is itself.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Kind is what a key is for.
type Kind string

// The kinds of keys.
const (
	Client  Kind = "client"
	Service Kind = "service"
	API     Kind = "api" // of a user
)

func (k Kind) known() bool { return k == Client || k == Service || k == API }

// Faults of this package.
var (
	// ErrInvalid is the fault of a key that is malformed, unknown, expired or
	// revoked.
	ErrInvalid = fault.New(fault.Unauthenticated, "invalid_key", "The key is not valid.")

	// ErrNotFound is the fault of a key that does not exist.
	ErrNotFound = fault.New(fault.NotFound, "key_not_found", "There is no such key.")

	// ErrOver is the fault of rotating a key that has been rotated, has expired or
	// is revoked.
	ErrOver = fault.New(fault.Conflict, "key_over", "The key has been rotated already, has expired, or is revoked.")

	// ErrBeyond is the fault of a service key that makes one which may do more.
	ErrBeyond = fault.New(fault.Forbidden, "exceeds_maker", "A service key makes none that lasts longer than itself, or may be sent by more pages.")

	// ErrTooMany is the fault of a user with as many keys as one may have.
	ErrTooMany = fault.New(fault.Conflict, "too_many_keys", "You have as many API keys as one may have; revoke some first.")
)

// Key is a client or service key without its text.
type Key struct {
	ID             id.Key     `json:"id"`
	Kind           Kind       `json:"kind"`
	Name           string     `json:"name"`
	Prefix         string     `json:"prefix"`          // the beginning of its text, to recognise it by
	AllowedOrigins []string   `json:"allowed_origins"` // of pages that may send it; of a client key empty is any, of a service key none
	CreatedAt      time.Time  `json:"created_at"`
	CreatedBy      *id.Key    `json:"created_by"`   // the service key that made it; null: whoever has the database
	LastUsedAt     *time.Time `json:"last_used_at"` // up to half a minute late
	ExpiresAt      *time.Time `json:"expires_at"`
	ReplacedBy     *id.Key    `json:"replaced_by"` // what it was rotated into
	RevokedAt      *time.Time `json:"revoked_at"`
}

// Page is a page of keys, newest first.
type Page struct {
	Items      []Key   `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Keeper is who keeps keys. It is safe for concurrent use.
type Keeper struct {
	DB  Database
	Now func() time.Time

	uses uses
}

// Looks says whether text has the form of a key of any kind, so that it is not
// taken for a token.
func Looks(text string) bool { return strings.HasPrefix(text, "fb_") }

// WellFormed says whether the checksum of a key holds: a slip of the keyboard
// is told from a key without asking the database.
func WellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, "fb_")
	kind, body, found := strings.Cut(rest, "_")
	if !ok || !found || !Kind(kind).known() || strings.ContainsAny(body, "\r\n") { // which the decoder skips
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	return err == nil && len(raw) == 36 && crc32.ChecksumIEEE(raw[:32]) == binary.BigEndian.Uint32(raw[32:])
}

// generate makes the text of a key: fb_KIND_ and base64url of 32 random bytes
// and their CRC-32.
func generate(kind Kind) string {
	raw := make([]byte, 32, 36)
	_, _ = rand.Read(raw)
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	return "fb_" + string(kind) + "_" + base64.RawURLEncoding.EncodeToString(raw)
}

// prefix is the part of a key's text that may be shown.
func prefix(kind Kind, text string) string { return text[:len("fb_")+len(kind)+1+6] }

func digest(text string) []byte {
	d := sha256.Sum256([]byte(text))
	return d[:]
}
