// Package keyring holds the keys that values are sealed under, by version, and
// seals with AES-256-GCM (NIST SP 800-38D).
//
// An envelope names the version it was sealed under, and is bound to the place
// it belongs to: moved to another row, purpose or sub-tenant it does not open.
// The keyring knows keys only; where sealed values are kept is the business of
// internal/sealed, and which versions there are that of internal/encryption.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrNoKey means that an envelope names a version that the keyring lacks.
var ErrNoKey = errors.New("no key of that version")

// ErrNotOpened means that an envelope is damaged, was sealed under other key
// material, or belongs somewhere else. Which of them cannot be told.
var ErrNotOpened = errors.New("sealed value does not open here")

// Envelope layout: format byte, key version (4 bytes, big endian), nonce
// (12 bytes), ciphertext and tag.
const (
	format     = 1
	headerSize = 1 + 4
	nonceSize  = 12
	tagSize    = 16
)

// Overhead is the difference in length of an envelope and what it holds, in bytes.
const Overhead = headerSize + nonceSize + tagSize

// HeadSize is how much of an envelope's beginning tells it from every other, in
// bytes: nonces are random and never used again.
const HeadSize = headerSize + nonceSize

// Keyring seals under its active version and opens every version it holds. It
// is safe for concurrent use and never changes.
type Keyring struct {
	active uint32
	aeads  map[uint32]cipher.AEAD
}

// New makes a keyring of keys by version, which count from 1.
func New(active uint32, keys map[uint32][]byte) (*Keyring, error) {
	k := &Keyring{active: active, aeads: make(map[uint32]cipher.AEAD, len(keys))}
	for version, key := range keys {
		if version == 0 || len(key) != KeySize {
			return nil, fmt.Errorf("key version %d: want a version from 1 and %d bytes, got %d bytes", version, KeySize, len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key version %d: %w", version, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("key version %d: %w", version, err)
		}
		k.aeads[version] = aead
	}
	if !k.Holds(active) {
		return nil, fmt.Errorf("active key version %d: %w", active, ErrNoKey)
	}
	return k, nil
}

// Binding is the place that a sealed value belongs to.
type Binding struct {
	Table   string
	Column  string
	Row     string
	Purpose string
	Subject string
	Tenant  string // the sub-tenant; empty for none
}

// ActiveVersion is the version that Seal uses.
func (k *Keyring) ActiveVersion() uint32 { return k.active }

// Holds says whether the keyring has the key of a version.
func (k *Keyring) Holds(version uint32) bool { return k.aeads[version] != nil }

// Versions are the versions of the keys, ascending.
func (k *Keyring) Versions() []uint32 { return slices.Sorted(maps.Keys(k.aeads)) }

// Seal encrypts plaintext for one place under the active key. The nonce is
// random; one key may seal 2^32 values.
func (k *Keyring) Seal(b Binding, plaintext []byte) []byte {
	return k.seal(k.active, b, plaintext)
}

// Open decrypts an envelope at the place it belongs to. It returns ErrNoKey or
// ErrNotOpened.
func (k *Keyring) Open(b Binding, envelope []byte) ([]byte, error) {
	version, err := Version(envelope)
	if err != nil {
		return nil, err
	}
	aead := k.aeads[version]
	if aead == nil {
		return nil, fmt.Errorf("version %d: %w", version, ErrNoKey)
	}
	var scratch [scratchSize]byte
	plaintext, err := aead.Open(nil, nil, envelope[headerSize:], b.associated(scratch[:0], version))
	if err != nil {
		return nil, ErrNotOpened
	}
	return plaintext, nil
}

// Rewrap opens an envelope and seals what it holds for the same place under
// another version. It returns ErrNoKey or ErrNotOpened.
func (k *Keyring) Rewrap(b Binding, envelope []byte, version uint32) ([]byte, error) {
	if !k.Holds(version) {
		return nil, fmt.Errorf("version %d: %w", version, ErrNoKey)
	}
	plaintext, err := k.Open(b, envelope)
	if err != nil {
		return nil, err
	}
	sealed := k.seal(version, b, plaintext)
	clear(plaintext)
	return sealed, nil
}

func (k *Keyring) seal(version uint32, b Binding, plaintext []byte) []byte {
	envelope := make([]byte, headerSize, Overhead+len(plaintext))
	envelope[0] = format
	binary.BigEndian.PutUint32(envelope[1:], version)
	var scratch [scratchSize]byte
	return k.aeads[version].Seal(envelope, nil, plaintext, b.associated(scratch[:0], version)) //nolint:gosec // a nil nonce asks this AEAD for a random one
}

// Version is the version that an envelope was sealed under. It returns
// ErrNotOpened for what cannot be an envelope.
func Version(envelope []byte) (uint32, error) {
	if len(envelope) < Overhead || envelope[0] != format {
		return 0, ErrNotOpened
	}
	return binary.BigEndian.Uint32(envelope[1:]), nil
}

// scratchSize is what the additional data of most places fits into.
const scratchSize = 192

// associated appends the additional data: each part behind its length, so that
// no two places have the same. A value of no sub-tenant has no such part.
func (b *Binding) associated(data []byte, version uint32) []byte {
	data = append(data, format)
	data = binary.BigEndian.AppendUint32(data, version)
	for _, part := range [...]string{b.Table, b.Column, b.Row, b.Purpose, b.Subject} {
		data = appendPart(data, part)
	}
	if b.Tenant != "" {
		data = appendPart(data, b.Tenant)
	}
	return data
}

func appendPart(data []byte, part string) []byte {
	data = binary.BigEndian.AppendUint32(data, uint32(len(part))) //nolint:gosec // parts are names, far below 4 GiB
	return append(data, part...)
}
