package certificate

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/acme/autocert"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// purpose is that of the sealed values here. Their subjects are the names that
// autocert gives them: of domains, of challenges and of the account.
const purpose = "acme"

// Cache keeps what ACME needs in the database, sealed, so that every instance
// shows the same certificates, answers the challenges that another has ordered,
// and finds the account again.
type Cache struct {
	DB     *postgres.DB
	Values *sealed.Service
}

var _ autocert.Cache = (*Cache)(nil)

// Get implements autocert.Cache.
func (c *Cache) Get(ctx context.Context, key string) (data []byte, err error) {
	q := c.DB.Single()
	found, err := c.Values.Find(ctx, q, purpose, key)
	if err == nil {
		data, err = c.Values.Open(ctx, q, found)
	}
	if errors.Is(err, sealed.ErrNotFound) {
		return nil, autocert.ErrCacheMiss
	}
	if err != nil {
		return nil, fmt.Errorf("reading what ACME keeps: %w", err)
	}
	return data, nil
}

// Put implements autocert.Cache. Of several instances at once the last one's
// value is kept.
func (c *Cache) Put(ctx context.Context, key string, data []byte) error {
	q := c.DB.Single()
	kept, err := c.Values.Ensure(ctx, q, purpose, key, func() []byte { return data })
	if err == nil && !bytes.Equal(kept, data) {
		var found id.Sealed
		if found, err = c.Values.Find(ctx, q, purpose, key); err == nil {
			err = c.Values.Replace(ctx, q, found, data)
		}
	}
	if err != nil {
		return fmt.Errorf("keeping what ACME needs: %w", err)
	}
	return nil
}

// Delete implements autocert.Cache.
func (c *Cache) Delete(ctx context.Context, key string) error {
	q := c.DB.Single()
	found, err := c.Values.Find(ctx, q, purpose, key)
	if errors.Is(err, sealed.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = c.Values.Delete(ctx, q, found)
	}
	if err != nil {
		return fmt.Errorf("forgetting what ACME has kept: %w", err)
	}
	return nil
}
