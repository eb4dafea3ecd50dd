package certificate

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/acme/autocert"

	"github.com/fluxbase/fluxbase/internal/fault"
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
	err := c.write(ctx, key, data)
	if fault.KindOf(err) == fault.Conflict || errors.Is(err, sealed.ErrNotFound) { // another instance was quicker: to make it, or to delete it
		err = c.write(ctx, key, data)
	}
	if err != nil {
		return fmt.Errorf("keeping what ACME needs: %w", err)
	}
	return nil
}

func (c *Cache) write(ctx context.Context, key string, data []byte) error {
	q := c.DB.Single()
	found, err := c.Values.Find(ctx, q, purpose, key)
	if errors.Is(err, sealed.ErrNotFound) {
		_, err = c.Values.Put(ctx, q, purpose, key, data)
		return err //nolint:wrapcheck // wrapped by Put
	}
	if err != nil {
		return err //nolint:wrapcheck // wrapped by Put
	}
	return c.Values.Replace(ctx, q, found, data) //nolint:wrapcheck // wrapped by Put
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
