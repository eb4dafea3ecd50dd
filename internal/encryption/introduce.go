package encryption

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// check is enter for a program that changes nothing.
func (l *load) check(ctx context.Context) error {
	if !l.opening {
		return nil
	}
	if l.active() == nil {
		return errors.New("the database has no active encryption key yet; start the server first")
	}
	return l.DB.InTx(ctx, func(q postgres.Querier) error {
		for _, c := range l.Configured {
			if known := l.find(c.Version); known != nil && known.Source == fromConfiguration && !known.matches(c.Key) {
				return l.wrongKey(ctx, q, c)
			}
		}
		return l.complete(ctx, q)
	})
}

// introduce makes the database know the keys of the configuration, and holds
// those that it knows against what it knows.
func (l *load) introduce(ctx context.Context, q postgres.Querier) error {
	for _, c := range l.Configured {
		known := l.find(c.Version)
		if known == nil {
			if err := l.introduceOne(ctx, q, c); err != nil {
				return err
			}
			continue
		}
		if known.Source == generated {
			next, err := l.nextVersion(l.keys)
			if err != nil {
				return err
			}
			return fmt.Errorf("key version %d (%s) is taken by a key that the server generated; give yours the version %d",
				c.Version, c.Place, next)
		}
		if known.matches(c.Key) {
			continue
		}
		if err := l.replaceUnused(ctx, q, c, known); err != nil {
			return err
		}
	}
	if l.made == nil {
		return nil
	}
	l.keys = append(l.keys, *l.made)
	if err := insertKey(ctx, q, *l.made); err != nil {
		return err
	}
	return audit.Write(ctx, q, generatedEvent(*l.made))
}

// replaceUnused takes another key for a version that has never been used, such
// as one that was mistyped at first. It refuses one that anything depends on.
func (l *load) replaceUnused(ctx context.Context, q postgres.Querier, c Configured, known *Key) error {
	check, err := checkValue(c.Version, c.Key)
	if err != nil {
		return err
	}
	n, err := replaceCheck(ctx, q, c.Version, check)
	if err != nil {
		return err
	}
	if n == 0 || len(wrappedUnder(l.keys, c.Version)) > 0 {
		return l.wrongKey(ctx, q, c)
	}
	known.check = check
	return audit.Write(ctx, q, audit.Actor{}.Did(audit.EncryptionKeyReplaced, "", id.UUID{}, "key_version", text(c.Version)))
}

func (l *load) introduceOne(ctx context.Context, q postgres.Querier, c Configured) error {
	check, err := checkValue(c.Version, c.Key)
	if err != nil {
		return err
	}
	proven, err := proves(ctx, q, c)
	if err != nil {
		return err
	}
	if !proven {
		return l.wrongKey(ctx, q, c)
	}
	k := Key{Version: c.Version, Source: fromConfiguration, State: Standby, check: check}
	l.keys = append(l.keys, k)
	return insertKey(ctx, q, k)
}
