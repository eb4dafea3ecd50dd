// Package keyring holds the key-encryption keys by version and seals values
// under them with AES-256-GCM (NIST SP 800-38D).
//
// An envelope names the version it was sealed under, and is bound to the place
// it belongs to: moved to another row or purpose it does not open. The keyring
// knows keys only; where sealed values are kept is the business of
// internal/secret.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
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
	if _, ok := k.aeads[active]; !ok {
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
}

// ActiveVersion is the version that Seal uses.
func (k *Keyring) ActiveVersion() uint32 { return k.active }

// Seal encrypts plaintext for one place under the active key. The nonce is
// random; one key may seal 2^32 values.
func (k *Keyring) Seal(b Binding, plaintext []byte) []byte {
	envelope := make([]byte, headerSize, Overhead+len(plaintext))
	envelope[0] = format
	binary.BigEndian.PutUint32(envelope[1:], k.active)
	return k.aeads[k.active].Seal(envelope, nil, plaintext, b.associated(k.active)) //nolint:gosec // a nil nonce asks this AEAD for a random one
}

// Open decrypts an envelope at the place it belongs to. It returns ErrNoKey or
// ErrNotOpened.
func (k *Keyring) Open(b Binding, envelope []byte) ([]byte, error) {
	if len(envelope) < Overhead || envelope[0] != format {
		return nil, ErrNotOpened
	}
	version := binary.BigEndian.Uint32(envelope[1:])
	aead, ok := k.aeads[version]
	if !ok {
		return nil, fmt.Errorf("version %d: %w", version, ErrNoKey)
	}
	plaintext, err := aead.Open(nil, nil, envelope[headerSize:], b.associated(version))
	if err != nil {
		return nil, ErrNotOpened
	}
	return plaintext, nil
}

// associated is the additional data: each part behind its length, so that no
// two places have the same.
func (b Binding) associated(version uint32) []byte {
	parts := []string{b.Table, b.Column, b.Row, b.Purpose, b.Subject}
	data := make([]byte, 0, 8+len(strings.Join(parts, ""))+4*len(parts))
	data = append(data, format)
	data = binary.BigEndian.AppendUint32(data, version)
	for _, part := range parts {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part))) //nolint:gosec // parts are names, far below 4 GiB
		data = append(data, part...)
	}
	return data
}
