package totp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Exported is a confirmed factor with its seed, to be taken to another server.
// Recovery codes are not exported: they are kept under a key of this server.
type Exported struct {
	Name         string     `json:"name"`
	Secret       string     `json:"secret"` // base32
	LastUsedStep int64      `json:"last_used_step,omitzero"`
	CreatedAt    *time.Time `json:"created_at,omitzero"` // not imported
}

// Seeds of other servers: Google Authenticator began with 80 bits.
const (
	minSeed = 10
	maxSeed = 64
)

// errSeed points to the member of Exported.
var errSeed = fault.Input("/secret", "invalid_secret", fmt.Sprintf("A secret is base32 of %d to %d bytes.", minSeed, maxSeed))

// ParseSeed reads a seed in base32, in either case, with or without padding and
// with spaces or hyphens between groups.
func ParseSeed(text string) ([]byte, error) {
	text = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(text))
	seed, err := base32Text.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(seed) < minSeed || len(seed) > maxSeed {
		return nil, errSeed
	}
	return seed, nil
}

// Import adds a confirmed factor to a user, for an administrator. Codes of the
// last used step and of those before it are used already. It returns
// ErrTooManyFactors, and faults of the name and of the secret.
func (s *Service) Import(ctx context.Context, q postgres.Querier, userID id.User, e Exported) (id.Factor, error) {
	seed, err := ParseSeed(e.Secret)
	if err != nil {
		return id.Factor{}, err
	}
	if e.LastUsedStep < 0 || e.LastUsedStep > stepAt(s.Now())+skew {
		return id.Factor{}, fault.Input("/last_used_step", "invalid_last_used_step", "A last used step is that of a time before now.")
	}
	return s.add(ctx, q, userID, addition{name: e.Name, seed: seed, verified: true, lastStep: e.LastUsedStep})
}

// Export returns the confirmed factors of a user with their seeds, for an
// administrator. It fails if one does not open.
func (s *Service) Export(ctx context.Context, q postgres.Querier, userID id.User) ([]Exported, error) {
	records, err := selectVerified(ctx, q, userID)
	if err != nil {
		return nil, err
	}
	exported := make([]Exported, len(records))
	for i, r := range records {
		seed, err := s.open(ctx, q, userID, r)
		if err != nil {
			return nil, err
		}
		exported[i] = Exported{Name: r.Name, Secret: encodeSeed(seed), LastUsedStep: r.lastStep, CreatedAt: &r.CreatedAt}
	}
	return exported, nil
}
