package encryption

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
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

// unwrap opens the generated keys that are not in memory yet.
func (l *load) unwrap(ctx context.Context) {
	for i := range l.keys {
		k := &l.keys[i]
		if k.wrapped == nil {
			continue
		}
		if material, ok := l.material[k.Version]; ok && k.matches(material) {
			continue
		}
		delete(l.material, k.Version)
		material, err := l.try(ctx, k)
		if err != nil {
			l.closed[k.Version] = err
			continue
		}
		l.material[k.Version] = material
	}
}

// unwrapLimit is how long the unwrapping of one key may take.
const unwrapLimit = 8 * time.Second

// attempt remembers a key that did not unwrap, so that a service that is away
// is not asked all the time.
type attempt struct {
	err   error
	pause time.Duration
	next  time.Time
}

// try unwraps a key, unless it has just been tried in vain.
func (l *load) try(ctx context.Context, k *Key) ([]byte, error) {
	last := l.attempts[k.Version]
	if !l.opening && l.Now().Before(last.next) {
		return nil, last.err
	}
	ctx, cancel := context.WithTimeout(ctx, unwrapLimit)
	defer cancel()
	material, err := l.unwrapOne(ctx, k)
	if err != nil {
		pause := min(max(2*last.pause, beat), time.Minute)
		l.attempts[k.Version] = attempt{err, pause, l.Now().Add(pause)}
		return nil, err
	}
	delete(l.attempts, k.Version)
	return material, nil
}

func (s *Service) unwrapOne(ctx context.Context, k *Key) ([]byte, error) {
	w, err := s.wrapper(ctx, *k.Provider)
	if err != nil {
		return nil, err
	}
	material, err := w.Unwrap(ctx, keyring.Wrapped{KeyID: *k.WrappingKey, Ciphertext: k.wrapped}, bindingOf(k.Version))
	if err != nil {
		return nil, fmt.Errorf("unwrapping key version %d: %w", k.Version, err)
	}
	if !k.matches(material) {
		return nil, fmt.Errorf("unwrapping key version %d: it is not the key that the database knows", k.Version)
	}
	return material, nil
}

func (s *Service) wrapper(ctx context.Context, provider string) (keyring.Wrapper, error) {
	if provider == Local {
		if s.local == nil {
			return nil, errors.New("there is no key in the configuration to wrap keys under")
		}
		return s.local, nil
	}
	if w := s.wrappers[provider]; w != nil {
		return w, nil
	}
	w, err := s.Wrapper(ctx, provider)
	if err != nil {
		return nil, fmt.Errorf("opening the key management service: %w", err)
	}
	s.wrappers[provider] = w
	return w, nil
}

// make generates the key that the configuration asks for, if a key management
// service is to wrap it and the database does not have it.
func (l *load) make(ctx context.Context) error {
	if !l.opening || l.Reader || l.Provider == Local {
		return nil
	}
	version := l.Active
	if version == 0 {
		if l.newestOf(l.Provider) != nil || l.wentBack() {
			return nil
		}
		version = l.nextVersion(l.keys)
	}
	if l.find(version) != nil || l.local.holds(version) {
		return nil
	}
	key, material, err := l.generate(ctx, version)
	if err != nil {
		return err
	}
	l.made, l.material[version] = &key, material
	return nil
}

// generate makes a key and wraps it. It is unwrapped once, so that nothing is
// ever sealed under a key that could not be had again.
func (s *Service) generate(ctx context.Context, version uint32) (Key, []byte, error) {
	material := make([]byte, keyring.KeySize)
	_, _ = rand.Read(material)
	w, err := s.wrapper(ctx, s.Provider)
	if err != nil {
		return Key{}, nil, err
	}
	wrapped, err := w.Wrap(ctx, material, bindingOf(version))
	if err != nil {
		return Key{}, nil, fmt.Errorf("wrapping key version %d: %w", version, err)
	}
	again, err := w.Unwrap(ctx, wrapped, bindingOf(version))
	if err != nil || !bytes.Equal(again, material) {
		return Key{}, nil, fmt.Errorf("key version %d was wrapped and does not unwrap again: %w", version, err)
	}
	k := Key{
		Version: version, Source: generated, Provider: &s.Provider, WrappingKey: &wrapped.KeyID, State: Standby,
		wrapped: wrapped.Ciphertext,
	}
	k.check, err = checkValue(version, material)
	return k, material, err
}

// enter writes what the database does not know yet.
func (l *load) enter(ctx context.Context) error {
	switch {
	case l.Reader:
		return l.check(ctx)
	case !l.opening && !l.canPromote():
		return upsertInstance(ctx, l.DB.Single(), l.instance, name(), l.versions())
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
	if err := upsertInstance(ctx, q, l.instance, name(), l.versions()); err != nil {
		return err
	}
	if err := l.promote(ctx, q); err != nil {
		return err
	}
	l.keys, err = selectKeys(ctx, q)
	return err
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
			return fmt.Errorf("key version %d (%s) is taken by a key that the server generated; give yours the version %d",
				c.Version, c.Place, l.nextVersion(l.keys))
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
