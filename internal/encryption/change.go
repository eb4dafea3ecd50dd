package encryption

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// ErrNotHeld is the fault of a version whose key some running program lacks.
var ErrNotHeld = fault.New(fault.Conflict, "encryption_key_not_held", "Not every running instance has the key of this version.")

// Keys returns every key version that the database knows, ascending.
func (s *Service) Keys(ctx context.Context) ([]Key, error) {
	return selectKeys(ctx, s.DB.Single())
}

// Get returns one key version. It returns a not-found fault.
func (s *Service) Get(ctx context.Context, q postgres.Querier, version uint32) (Key, error) {
	keys, err := selectKeys(ctx, q)
	if err != nil {
		return Key{}, err
	}
	k := find(keys, version)
	if k == nil {
		return Key{}, fault.Newf(fault.NotFound, "encryption_key_not_found", "There is no encryption key of version %d.", version)
	}
	return *k, nil
}

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
	k, _, err := s.generate(ctx, s.nextVersion(keys))
	return k, err
}

// Lacking names the running programs that do not hold the key of a version.
func (s *Service) Lacking(ctx context.Context, version uint32) ([]string, error) {
	return selectLacking(ctx, s.DB.Single(), version, s.instance)
}

// AwaitHeld waits until every running program holds the key of a version. It
// returns ErrNotHeld, naming those that do not, when limit is over.
func (s *Service) AwaitHeld(ctx context.Context, version uint32, limit time.Duration) error {
	began, said := s.Now(), false
	for {
		lacking, err := s.Lacking(ctx, version)
		if err != nil || len(lacking) == 0 {
			return err
		}
		switch waited := s.Now().Sub(began); {
		case waited > limit:
			return notHeld(version, lacking)
		case waited > time.Second && !said:
			s.Logger.WarnContext(ctx, "waiting for every instance to have an encryption key; one that has ended counts for 15 s",
				slog.Uint64("key_version", uint64(version)), slog.Any("lacking", lacking))
			said = true
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func notHeld(version uint32, lacking []string) error {
	f := *ErrNotHeld
	f.Detail = fmt.Sprintf("Not every running instance has the key of version %d: restart with it %s.", version, strings.Join(lacking, " and "))
	return &f
}

// Activate makes a version the active one. It returns ErrNotHeld.
func (s *Service) Activate(ctx context.Context, version uint32) error {
	err := s.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := lock(ctx, q); err != nil {
			return err
		}
		k, err := s.Get(ctx, q, version)
		if err != nil || k.State == Activated {
			return err
		}
		if k.State != Standby {
			return fault.Newf(fault.Conflict, "encryption_key_not_usable", "The key of version %d is %s.", version, k.State)
		}
		if err := checkForward(ctx, q, version); err != nil {
			return err
		}
		lacking, err := selectLacking(ctx, q, version, s.instance)
		if err != nil {
			return err
		}
		if len(lacking) > 0 {
			return notHeld(version, lacking)
		}
		return makeActive(ctx, q, version)
	})
	if err != nil {
		return err
	}
	return s.Reload(ctx)
}

// checkForward refuses to go back: that is a rollback.
func checkForward(ctx context.Context, q postgres.Querier, version uint32) error {
	active, err := selectActive(ctx, q)
	if err == nil && active > version {
		return fault.Newf(fault.Conflict, "encryption_key_behind",
			"Version %d is active, and %d is an earlier one: going back is a rollback, which has a reason.", active, version)
	}
	return err
}

// RollBack makes an earlier version the active one, and keeps every later one
// from becoming it ever again. It belongs to the transaction q and takes effect
// with it; it returns how many versions it has barred.
func (s *Service) RollBack(ctx context.Context, q postgres.Querier, to uint32, reason string) (int64, error) {
	if err := lock(ctx, q); err != nil {
		return 0, err
	}
	k, err := s.Get(ctx, q, to)
	if err != nil {
		return 0, err
	}
	if k.State != Activated && k.State != Retired {
		return 0, fault.Newf(fault.Conflict, "encryption_key_not_usable",
			"The key of version %d is %s; a rollback goes back to one that has been active.", to, k.State)
	}
	if err := checkBack(ctx, q, to); err != nil {
		return 0, err
	}
	lacking, err := selectLacking(ctx, q, to, s.instance)
	if err != nil {
		return 0, err
	}
	if len(lacking) > 0 {
		return 0, notHeld(to, lacking)
	}
	barred, err := rollBack(ctx, q, to, reason)
	if err != nil || k.State == Activated {
		return barred, err
	}
	return barred, makeActive(ctx, q, to)
}

// checkBack refuses a rollback to a later version than the active one.
func checkBack(ctx context.Context, q postgres.Querier, to uint32) error {
	active, err := selectActive(ctx, q)
	if err == nil && active < to {
		return fault.Newf(fault.Conflict, "encryption_key_ahead", "Version %d is active, and %d is a later one.", active, to)
	}
	return err
}

// makeActive is the one way in which a version becomes active.
func makeActive(ctx context.Context, q postgres.Querier, version uint32) error {
	if err := activate(ctx, q, version); err != nil {
		return err
	}
	return audit.Write(ctx, q, audit.Actor{}.Did(audit.EncryptionKeyActivated, "", id.UUID{}, "key_version", text(version)))
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

// Discard destroys a generated key that has never been active. Any other it
// leaves alone.
func (s *Service) Discard(ctx context.Context, q postgres.Querier, version uint32) error {
	if err := lock(ctx, q); err != nil {
		return err
	}
	n, err := discard(ctx, q, version)
	if err != nil || n == 0 {
		return err
	}
	return audit.Write(ctx, q, audit.Actor{}.Did(audit.EncryptionKeyDestroyed, "", id.UUID{}, "key_version", text(version)))
}

// Holds says whether this instance has the key of a version.
func (s *Service) Holds(version uint32) bool { return s.Keyring().Holds(version) }

// ActiveVersion is the version that values are sealed under.
func (s *Service) ActiveVersion() uint32 { return s.Keyring().ActiveVersion() }

var _ keyring.Wrapper = (*local)(nil)
