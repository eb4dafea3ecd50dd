package kmstest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

// vessel is key material that never leaves a service: AES-256-GCM, with ciphertexts
// that begin with the name of the key.
type vessel struct {
	name []byte
	aead cipher.AEAD
}

func newVessel() vessel {
	key := make([]byte, 32)
	v := vessel{name: make([]byte, 16)}
	_, _ = rand.Read(key)
	_, _ = rand.Read(v.name)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	if v.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		panic(err)
	}
	return v
}

func (v vessel) seal(plaintext, associated []byte) []byte {
	return v.aead.Seal(bytes.Clone(v.name), nil, plaintext, associated) //nolint:gosec // a nil nonce asks this AEAD for a random one
}

func (v vessel) made(ciphertext []byte) bool { return bytes.HasPrefix(ciphertext, v.name) }

func (v vessel) open(ciphertext, associated []byte) ([]byte, bool) {
	if !v.made(ciphertext) || len(ciphertext) < len(v.name)+v.aead.Overhead() {
		return nil, false
	}
	plaintext, err := v.aead.Open(nil, nil, ciphertext[len(v.name):], associated)
	return plaintext, err == nil
}
