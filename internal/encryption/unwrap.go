package encryption

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/fluxbase/fluxbase/internal/keyring"
)

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
		next, err := l.nextVersion(l.keys)
		if err != nil {
			return err
		}
		version = next
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
