package rest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"

	"github.com/fluxbase/fluxbase/internal/dataapi"
)

// MAC makes keyed digests of 32 bytes, the same on every instance; see
// internal/signing.
type MAC interface {
	MAC(message []byte) []byte
}

// tagger names representations by their content (RFC 9110, section 8.8.3).
//
// A body goes through the polynomial hash of AES-GCM, which costs a fifth of
// SHA-256 and tells nobody without the key which bodies collide; what comes of
// it is hashed once more with the secret, so that no tag tells anything about
// that key. Half of the second hash is kept, so that it cannot be gone on with.
type tagger struct {
	mac MAC
	key atomic.Pointer[tagKey]
}

type tagKey struct {
	secret [sha256.Size]byte // the one that hash was made of
	hash   cipher.AEAD
}

// of returns the tag of a result in a media type: 128 bits.
func (t *tagger) of(r dataapi.Result, m media) string {
	key := t.current()
	var nonce [12]byte // the same for all: what GCM would give away by that is hashed
	text := append(make([]byte, 0, 160), key.secret[:]...)
	text = key.hash.Seal(text, nonce[:], nil, r.Body)
	text = append(append(append(text, m.name...), '\n'), contentRange(r)...)
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:sha256.Size/2]) + `"`
}

// current returns the key, made anew if the server's secret is another one.
func (t *tagger) current() *tagKey {
	secret := [sha256.Size]byte(t.mac.MAC([]byte("entity tags")))
	if key := t.key.Load(); key != nil && key.secret == secret {
		return key
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // a key of 32 bytes is one of AES
	}
	hash, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // so is its block
	}
	key := &tagKey{secret, hash}
	t.key.Store(key)
	return key
}
