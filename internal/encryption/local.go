package encryption

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/keyring"
)

// local wraps generated keys under the newest configured key that has not been
// rolled back, and unwraps what any configured key has wrapped. Without a
// configured key it is nil. It never changes.
type local struct {
	ring *keyring.Keyring
}

func newLocal(configured []Configured, known []Key) (*local, error) {
	if len(configured) == 0 {
		return nil, nil //nolint:nilnil // no configured key, no local wrapping
	}
	newest, keys := uint32(0), map[uint32][]byte{}
	for _, c := range configured {
		keys[c.Version] = c.Key
		if k := find(known, c.Version); newest == 0 || k == nil || k.State != RolledBack {
			newest = max(newest, c.Version)
		}
	}
	ring, err := keyring.New(newest, keys)
	if err != nil {
		return nil, err
	}
	return &local{ring}, nil
}

// holds says whether a version is a configured one.
func (l *local) holds(version uint32) bool { return l != nil && l.ring.Holds(version) }

// Wrap implements keyring.Wrapper.
func (l *local) Wrap(_ context.Context, dataKey []byte, binding map[string]string) (keyring.Wrapped, error) {
	return keyring.Wrapped{
		KeyID:      strconv.FormatUint(uint64(l.ring.ActiveVersion()), 10),
		Ciphertext: l.ring.Seal(place(wrappedColumn, binding[versionName]), dataKey),
	}, nil
}

// Unwrap implements keyring.Wrapper.
func (l *local) Unwrap(_ context.Context, w keyring.Wrapped, binding map[string]string) ([]byte, error) {
	key, err := l.ring.Open(place(wrappedColumn, binding[versionName]), w.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("configured key version %s: %w", w.KeyID, err)
	}
	return key, nil
}

// Columns of auth.encryption_keys that something sealed is in.
const (
	wrappedColumn = "wrapped"
	checkColumn   = "check_value"
)

func place(column, row string) keyring.Binding {
	return keyring.Binding{Table: Place, Column: column, Row: row, Purpose: "data_key"}
}

// versionName is the member of a binding that says which version is wrapped.
const versionName = "fluxbase_key_version"

func bindingOf(version uint32) map[string]string {
	return map[string]string{versionName: text(version)}
}

func text(version uint32) string { return strconv.FormatUint(uint64(version), 10) }

// checkValue is what the database tells a key by: nothing, sealed under it.
func checkValue(version uint32, key []byte) ([]byte, error) {
	ring, err := keyring.New(version, map[uint32][]byte{version: key})
	if err != nil {
		return nil, err
	}
	return ring.Seal(place(checkColumn, text(version)), nil), nil
}

// matches says whether a key is the one that the database knows by its version.
func (k *Key) matches(key []byte) bool {
	ring, err := keyring.New(k.Version, map[uint32][]byte{k.Version: key})
	if err != nil {
		return false
	}
	_, err = ring.Open(place(checkColumn, text(k.Version)), k.check)
	return err == nil
}
