package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Rotation is how a key is replaced by a new one.
type Rotation struct {
	Overlap   *int64 `json:"overlap,omitzero"`    // seconds for which the old key goes on; 0 ends it now; a day if null
	ExpiresIn *int64 `json:"expires_in,omitzero"` // seconds; null: as long as the old key was made for
}

const (
	usualOverlap = 24 * time.Hour
	maxOverlap   = 90 * 24 * time.Hour

	// minOverlap is longer than any instance goes on without looking a key up: what
	// ends by its time needs no announcement.
	minOverlap = time.Minute
)

func (r Rotation) overlap() (time.Duration, error) {
	if r.Overlap == nil {
		return usualOverlap, nil
	}
	overlap := time.Duration(*r.Overlap) * time.Second
	if *r.Overlap != 0 && (*r.Overlap < int64(minOverlap/time.Second) || *r.Overlap > int64(maxOverlap/time.Second)) {
		return 0, fault.Input("/overlap", "invalid_overlap", "The old key goes on for 60 seconds to 90 days, or for 0.")
	}
	return overlap, nil
}

// Rotate makes a key in the place of another one, with its name and origins,
// which goes on until the overlap is over. It returns ErrNotFound, and ErrOver if
// the key has been rotated or is over: of several rotations at once one succeeds.
func (k *Keeper) Rotate(ctx context.Context, kind Kind, keyID id.Key, r Rotation, by audit.Actor) (Made, error) {
	overlap, err := r.overlap()
	if err != nil {
		return Made{}, err
	}
	life, err := lifeOf(r.ExpiresIn)
	if err != nil {
		return Made{}, err
	}
	var made Made
	err = k.DB.InTx(ctx, func(q postgres.Querier) error {
		old, err := selectOne(ctx, q, kind, keyID)
		if err != nil {
			return err
		}
		given := life
		if given == 0 && old.ExpiresAt != nil {
			given = old.ExpiresAt.Sub(old.CreatedAt)
		}
		made = k.draft(kind, old.Name, old.AllowedOrigins, given)
		if err := fit(ctx, q, &made, life > 0, by); err != nil { // before its maker is rotated itself
			return err
		}
		until, err := replace(ctx, q, keyID, made.ID, overlap)
		if errors.Is(err, ErrNotFound) {
			return ErrOver
		}
		if err != nil {
			return err
		}
		if made.CreatedAt, err = insert(ctx, q, made.Key, digest(made.Text)); err != nil {
			return err
		}
		made.Replaces = &Replaced{keyID, until.UTC()}
		return audit.Write(ctx, q, by.Did(audit.KeyRotated, "key", id.UUID(keyID), "kind", string(kind), "replaced_by", made.ID.String(),
			"until", until.UTC().Format(time.RFC3339)))
	})
	if err != nil {
		return Made{}, fmt.Errorf("rotating a key: %w", err)
	}
	return made, nil
}

// Revoke ends a key of a kind on every instance. It returns ErrNotFound if there
// is no such key or it is revoked.
func (k *Keeper) Revoke(ctx context.Context, kind Kind, keyID id.Key, by audit.Actor) error {
	return k.DB.InTx(ctx, func(q postgres.Querier) error {
		n, err := revoke(ctx, q, kind, keyID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return audit.Write(ctx, q, by.Did(audit.KeyRevoked, "key", id.UUID(keyID), "kind", string(kind)))
	})
}

// List returns keys of a kind, newest first, those that are over as well. cursor
// is the NextCursor of the page before.
func (k *Keeper) List(ctx context.Context, kind Kind, cursor string, limit int) (Page, error) {
	var before *id.Key
	if cursor != "" {
		last, err := id.Parse(cursor)
		if err != nil {
			return Page{}, fault.Input("?cursor", "invalid_cursor", "The cursor is not one that a page of keys ended with.")
		}
		before = (*id.Key)(&last)
	}
	found, err := selectPage(ctx, k.DB.Single(), kind, before, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("listing keys: %w", err)
	}
	page := Page{Items: found}
	if len(found) > limit {
		page.Items = found[:limit]
		next := found[limit-1].ID.String()
		page.NextCursor = &next
	}
	return page, nil
}
