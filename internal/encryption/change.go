package encryption

import (
	"context"
	"fmt"
	"log/slog"
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
