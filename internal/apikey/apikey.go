// Package apikey keeps the keys of applications (client keys, which name an
// application and give it the role anonymous) and of back ends (service keys,
// which bypass Row-Level Security).
//
// A key is opaque, prefixed and checksummed, shown once and kept as a SHA-256
// digest: it holds 256 random bits, so nothing slower is needed, and looking it
// up by digest reveals nothing through timing.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Kind is what a key is for.
type Kind string

// The kinds of keys.
const (
	Client  Kind = "client"
	Service Kind = "service"
)

// ErrInvalid is the fault of a key that is malformed, unknown or revoked.
var ErrInvalid = fault.New(fault.Unauthenticated, "invalid_key", "The key is not valid.")

// ErrNotFound is the fault of a key that does not exist.
var ErrNotFound = fault.New(fault.NotFound, "key_not_found", "There is no such key.")

// Key is a key without its text.
type Key struct {
	ID        id.Key     `json:"id"`
	Kind      Kind       `json:"kind"`
	Name      string     `json:"name"`
	Prefix    string     `json:"prefix"` // the beginning of its text, to recognise it by
	CreatedAt time.Time  `json:"created_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// Database is the owner's door.
type Database interface {
	Single() postgres.Querier
	InTx(ctx context.Context, f func(postgres.Querier) error) error
}

// Keeper is who keeps keys.
type Keeper struct {
	DB  Database
	Now func() time.Time
}

// Create makes a key and returns its text, which cannot be had again.
func (k *Keeper) Create(ctx context.Context, kind Kind, name string) (Key, string, error) {
	text := generate(kind)
	key := Key{ID: id.Key(id.New(k.Now())), Kind: kind, Name: name, Prefix: text[:len("fb_")+len(kind)+1+6]}
	err := k.DB.InTx(ctx, func(q postgres.Querier) error {
		var err error
		if key.CreatedAt, err = insert(ctx, q, key, digest(text)); err != nil {
			return err
		}
		return audit.Write(ctx, q, audit.Event{
			Action: audit.KeyCreated, ActorKind: "system", TargetKind: "key", Target: id.UUID(key.ID),
			Details: map[string]string{"kind": string(kind)},
		})
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("creating a key: %w", err)
	}
	return key, text, nil
}

// Revoke ends a key on every instance. It returns ErrNotFound if there is no
// such key or it is revoked.
func (k *Keeper) Revoke(ctx context.Context, keyID id.Key) error {
	return k.DB.InTx(ctx, func(q postgres.Querier) error {
		n, err := revoke(ctx, q, keyID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return audit.Write(ctx, q, audit.Event{
			Action: audit.KeyRevoked, ActorKind: "system", TargetKind: "key", Target: id.UUID(keyID),
		})
	})
}

// List returns all keys, newest first.
func (k *Keeper) List(ctx context.Context) ([]Key, error) {
	return selectAll(ctx, k.DB.Single())
}

// Verify returns the principal of a key. It returns ErrInvalid.
func (k *Keeper) Verify(ctx context.Context, text string) (*principal.Principal, error) {
	if !WellFormed(text) {
		return nil, ErrInvalid
	}
	key, err := selectByDigest(ctx, k.DB.Single(), digest(text))
	if errors.Is(err, ErrNotFound) {
		return nil, ErrInvalid
	}
	if err != nil {
		return nil, fmt.Errorf("looking up a key: %w", err)
	}
	if key.Kind == Service {
		return &principal.Principal{Role: principal.Service, Key: key.ID, Claims: `{"role":"service_role"}`}, nil
	}
	p := principal.Nobody()
	p.AppKey = key.ID
	return p, nil
}

// Looks says whether text has the form of a key of any kind, so that it is not
// taken for a token.
func Looks(text string) bool { return strings.HasPrefix(text, "fb_") }

// WellFormed says whether the checksum of a key holds: a slip of the keyboard
// is told from a key without asking the database.
func WellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, "fb_")
	kind, body, found := strings.Cut(rest, "_")
	if !ok || !found || Kind(kind) != Client && Kind(kind) != Service {
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

func digest(text string) []byte {
	d := sha256.Sum256([]byte(text))
	return d[:]
}
