package encryption

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Generate makes a key of the next version, on standby, and makes this instance
// hold it. The provider of the configuration wraps it. What keep does with the
// version belongs to the transaction in which the key enters the database: if
// it fails, there is no key. It may be nil.
func (s *Service) Generate(ctx context.Context, keep func(q postgres.Querier, version uint32) error) (uint32, error) {
	for range 5 {
		keys, err := selectKeys(ctx, s.DB.Single())
		if err != nil {
			return 0, err
		}
		k, err := s.generateNext(ctx, keys)
		if err != nil {
			return 0, err
		}
		if err := s.checkWrapping(ctx, *k.WrappingKey); err != nil {
			return 0, err
		}
		entered, err := s.enterKey(ctx, k, keep)
		if err != nil {
			return 0, err
		}
		if entered {
			return k.Version, s.Reload(ctx)
		}
	}
	return 0, errChanged
}

// enterKey makes the database know a key. It returns false if there is one of
// that version already.
func (s *Service) enterKey(ctx context.Context, k Key, keep func(postgres.Querier, uint32) error) (entered bool, err error) {
	err = s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := lock(ctx, q); err != nil {
			return err
		}
		n, err := insertKeyIfMissing(ctx, q, k)
		if err != nil || n == 0 {
			return err
		}
		if keep != nil {
			if err := keep(q, k.Version); err != nil {
				return err
			}
		}
		entered = true
		return audit.Write(ctx, q, generatedEvent(k))
	})
	return entered, err
}

func generatedEvent(k Key) audit.Event {
	return audit.Actor{}.Did(audit.EncryptionKeyGenerated, "", id.UUID{},
		"key_version", text(k.Version), "provider", *k.Provider, "wrapping_key", *k.WrappingKey)
}

func (s *Service) generateNext(ctx context.Context, keys []Key) (Key, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	next, err := s.nextVersion(keys)
	if err != nil {
		return Key{}, err
	}
	k, _, err := s.generate(ctx, next)
	return k, err
}

// WrappedUnder lists the generated keys that a configured key wraps.
func (s *Service) WrappedUnder(ctx context.Context, q postgres.Querier, version uint32) ([]uint32, error) {
	keys, err := selectKeys(ctx, q)
	return wrappedUnder(keys, version), err
}

// Rewrap wraps the generated keys that a configured key wraps anew, under the
// provider of the configuration: the newest configured key, or the key
// management service. Without another key they stay as they are.
func (s *Service) Rewrap(ctx context.Context, from uint32) error {
	s.loading.Lock()
	defer s.loading.Unlock()

	keys, err := selectKeys(ctx, s.DB.Single())
	if err != nil {
		return err
	}
	for _, version := range wrappedUnder(keys, from) {
		if err := s.rewrapOne(ctx, find(keys, version), from); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) rewrapOne(ctx context.Context, k *Key, from uint32) error {
	material, err := s.unwrapOne(ctx, k)
	if err != nil {
		return err
	}
	w, err := s.wrapper(ctx, s.Provider)
	if err != nil {
		return err
	}
	wrapped, err := w.Wrap(ctx, material, bindingOf(k.Version))
	if err != nil {
		return fmt.Errorf("wrapping key version %d: %w", k.Version, err)
	}
	if s.Provider == Local && wrapped.KeyID == text(from) {
		return nil // there is no newer configured key
	}
	if err := s.checkWrapping(ctx, wrapped.KeyID); errors.Is(err, ErrNotHeld) {
		return nil // it stays under the key that everybody has
	} else if err != nil {
		return err
	}
	return updateWrapped(ctx, s.DB.Single(), k, s.Provider, wrapped)
}

// checkWrapping returns ErrNotHeld if a running program lacks the configured key
// that something is wrapped under. The keys of services are everybody's.
func (s *Service) checkWrapping(ctx context.Context, wrappingKey string) error {
	version, err := strconv.ParseUint(wrappingKey, 10, 31)
	if s.Provider != Local || err != nil {
		return nil //nolint:nilerr // a name in the words of a service
	}
	lacking, err := s.Lacking(ctx, uint32(version))
	if err == nil && len(lacking) > 0 {
		err = notHeld(uint32(version), lacking)
	}
	return err
}

// Retire destroys the generated keys that are older than the newest retain of
// those that are not active, if nothing is sealed under them. It returns the
// versions that it has destroyed.
func (s *Service) Retire(ctx context.Context, q postgres.Querier, retain int) ([]uint32, error) {
	if err := lock(ctx, q); err != nil {
		return nil, err
	}
	keys, err := selectKeys(ctx, q)
	if err != nil {
		return nil, err
	}
	slices.Reverse(keys)
	var destroyed []uint32
	kept := 0
	for _, k := range keys {
		if k.State == Activated || k.State == Standby || k.State == Destroyed {
			continue
		}
		if kept++; kept <= retain || k.Source != generated {
			continue
		}
		n, err := destroy(ctx, q, k.Version)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		destroyed = append(destroyed, k.Version)
		if err := audit.Write(ctx, q, audit.Actor{}.Did(audit.EncryptionKeyDestroyed, "", id.UUID{}, "key_version", text(k.Version))); err != nil {
			return nil, err
		}
	}
	return destroyed, nil
}
