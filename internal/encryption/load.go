package encryption

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// errChanged means that the keys of the database changed while this program was
// busy with them.
var errChanged = errors.New("the encryption keys keep changing")

// load makes memory agree with the database, and the database know of this
// instance. What needs the key management service is done outside of the
// transaction, which begins again if the keys have changed meanwhile.
func (s *Service) load(ctx context.Context, opening bool) error {
	s.loading.Lock()
	defer s.loading.Unlock()

	busy := false
	for range 5 {
		keys, err := selectKeys(ctx, s.DB.Single())
		if err != nil {
			return err
		}
		if s.local, err = newLocal(s.Configured, keys); err != nil {
			return err
		}
		l := &load{Service: s, opening: opening, busy: busy, keys: keys, closed: map[uint32]error{}}
		l.unwrap(ctx)
		if err := l.make(ctx); err != nil {
			return err
		}
		err = l.enter(ctx)
		if err == nil {
			return l.use(ctx)
		}
		busy = errors.Is(err, ErrBusy)
		if !busy && !errors.Is(err, errChanged) {
			return err
		}
	}
	return errChanged
}

// load is one attempt.
type load struct {
	*Service
	opening bool
	busy    bool             // another time for a key to become active
	keys    []Key            // of the database
	closed  map[uint32]error // generated keys that do not unwrap, and why
	made    *Key             // a key that the configuration asks for and the database lacks
}

// enter writes what the database does not know yet.
func (l *load) enter(ctx context.Context) error {
	switch {
	case l.Reader:
		return l.check(ctx)
	case !l.opening && !l.canPromote():
		return upsertInstance(ctx, l.DB.Single(), l.instance, name(), l.versions(), l.requests.now(l.Requests))
	}
	err := l.DB.InTx(ctx, func(q postgres.Querier) error {
		if err := l.enterIn(ctx, q); err != nil {
			return err
		}
		if l.examining {
			return errExamined
		}
		return nil
	})
	if errors.Is(err, errExamined) {
		return nil
	}
	return err
}

// errExamined undoes a transaction that was only to see whether it works.
var errExamined = errors.New("only looking")

func (l *load) enterIn(ctx context.Context, q postgres.Querier) error {
	if err := lock(ctx, q); err != nil {
		return err
	}
	now, err := selectKeys(ctx, q)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(now, l.keys, Key.same) {
		return errChanged
	}
	if err := l.introduce(ctx, q); err != nil {
		return err
	}
	if err := l.complete(ctx, q); err != nil {
		return err
	}
	if err := upsertInstance(ctx, q, l.instance, name(), l.versions(), l.requests.now(l.Requests)); err != nil {
		return err
	}
	if err := l.promote(ctx, q); err != nil {
		return err
	}
	l.keys, err = selectKeys(ctx, q)
	return err
}

// versions are those whose key this program has.
func (l *load) versions() []uint32 {
	var held []uint32
	for _, k := range l.keys {
		if l.holds(k) {
			held = append(held, k.Version)
		}
	}
	return held
}

func (l *load) holds(k Key) bool {
	if k.Source == fromConfiguration {
		return l.local.holds(k.Version)
	}
	return k.wrapped != nil && l.material[k.Version] != nil
}

func (l *load) find(version uint32) *Key { return find(l.keys, version) }

func find(keys []Key, version uint32) *Key {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Version == version })
	if i < 0 {
		return nil
	}
	return &keys[i]
}

// use swaps the keyring. An instance that lacks the active key goes on reading
// what it can; the database lets it write nothing.
func (l *load) use(ctx context.Context) error {
	held := map[uint32][]byte{}
	var active uint32
	for _, k := range l.keys {
		if l.holds(k) {
			held[k.Version] = l.keyOf(k)
		}
		if k.State == Activated {
			active = k.Version
		}
	}
	lacks := held[active] == nil && !l.opening
	if lacks {
		l.once(ctx, fmt.Sprintf("this instance does not have the active encryption key, of version %d, and cannot keep secrets", active),
			slog.Any("error", l.closed[active]))
		active = l.Keyring().ActiveVersion()
	}
	l.lacks.Store(lacks)
	ring, err := keyring.New(active, held)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.ring = ring
	l.mu.Unlock()
	return nil
}

func (l *load) keyOf(k Key) []byte {
	if k.Source == generated {
		return l.material[k.Version]
	}
	for _, c := range l.Configured {
		if c.Version == k.Version {
			return c.Key
		}
	}
	return nil
}

// same says whether two readings of a key are equal in what matters here.
func (k Key) same(o Key) bool {
	return k.Version == o.Version && k.State == o.State && bytes.Equal(k.wrapped, o.wrapped)
}
