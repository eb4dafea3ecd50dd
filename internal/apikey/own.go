package apikey

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Own is an API key as its user gets to see it, without its text.
type Own struct {
	ID         id.Key            `json:"id"`
	Name       string            `json:"name"`
	Prefix     string            `json:"prefix"`
	Scopes     []principal.Scope `json:"scopes"`
	CreatedAt  time.Time         `json:"created_at"`
	LastUsedAt *time.Time        `json:"last_used_at"` // up to half a minute late
	ExpiresAt  *time.Time        `json:"expires_at"`
}

// OwnList is all API keys of a user. There is never a second page.
type OwnList struct {
	Items      []Own   `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// NewOwn is an API key to be made.
type NewOwn struct {
	Name      string            `json:"name"`
	ExpiresIn *int64            `json:"expires_in,omitzero"` // seconds; null: until it is revoked
	Scopes    []principal.Scope `json:"scopes,omitzero"`     // null: DefaultScopes
}

// MadeOwn is an API key that has just been made.
type MadeOwn struct {
	Own

	Text string `json:"key"` // cannot be had again
}

// maxOwn is how many API keys a user may have that are not revoked.
const maxOwn = 100

// DefaultScopes are those of an API key that was made without a word about them:
// the data API, and nothing that was added to Fluxbase since.
func DefaultScopes() []principal.Scope {
	return []principal.Scope{principal.ReadTables, principal.WriteTables, principal.CallFunctions}
}

// Check returns the fault of an API key that cannot be made, and fills in what
// was left out.
func (n *NewOwn) Check() error {
	if err := checkName(n.Name); err != nil {
		return err
	}
	if _, err := lifeOf(n.ExpiresIn); err != nil {
		return err
	}
	if n.Scopes == nil {
		n.Scopes = DefaultScopes()
	}
	if len(n.Scopes) == 0 {
		return fault.Input("/scopes", "invalid_scope", "An API key has at least one scope.")
	}
	for i, scope := range n.Scopes {
		if !slices.Contains(principal.Scopes(), scope) || slices.Contains(n.Scopes[:i], scope) {
			return fault.Input(fmt.Sprintf("/scopes/%d", i), "invalid_scope",
				"A scope is one of tables:read, tables:write, rpc:execute, realtime and functions:invoke, each once.")
		}
	}
	return nil
}

// CreateOwn makes an API key for a user, in the transaction of whoever has made
// sure that it is them, and locked their account. It returns ErrTooMany, and
// ErrNotFound if the user is banned or gone.
func (k *Keeper) CreateOwn(ctx context.Context, q postgres.Querier, userID id.User, n NewOwn) (MadeOwn, error) {
	if err := n.Check(); err != nil {
		return MadeOwn{}, err
	}
	life, err := lifeOf(n.ExpiresIn)
	if err != nil {
		return MadeOwn{}, err
	}
	d := k.draft(API, n.Name, nil, life)
	made := MadeOwn{Text: d.Text, Own: Own{ID: d.ID, Name: d.Name, Prefix: d.Prefix, Scopes: n.Scopes, ExpiresAt: d.ExpiresAt}}
	made.CreatedAt, err = insertOwn(ctx, q, userID, made.Own, digest(made.Text))
	return made, err
}

// ListOwn returns the API keys of a user that are not revoked, newest first.
func (k *Keeper) ListOwn(ctx context.Context, userID id.User) ([]Own, error) {
	found, err := selectOwn(ctx, k.DB.Single(), userID)
	if err != nil {
		return nil, fmt.Errorf("listing API keys: %w", err)
	}
	return found, nil
}

// RevokeOwn ends an API key of a user. It returns ErrNotFound for one that is not
// theirs, too.
func (k *Keeper) RevokeOwn(ctx context.Context, q postgres.Querier, userID id.User, keyID id.Key) error {
	n, err := revokeOwn(ctx, q, userID, &keyID)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// RevokeAllOwn ends every API key of a user, because of what the record of that
// action says: whoever has made them may have been somebody else.
func (k *Keeper) RevokeAllOwn(ctx context.Context, q postgres.Querier, userID id.User, because audit.Action, by audit.Actor) error {
	n, err := revokeOwn(ctx, q, userID, nil)
	if err != nil || n == 0 {
		return err
	}
	return audit.Write(ctx, q, by.Did(audit.APIKeysRevoked, "user", id.UUID(userID), "because", string(because), "keys", strconv.FormatInt(n, 10)))
}
