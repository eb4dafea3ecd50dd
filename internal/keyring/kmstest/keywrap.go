package kmstest

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
)

// wrapAES and unwrapAES are the AES key wrap of RFC 3394, which Azure calls A256KW.
func wrapAES(block cipher.Block, plaintext []byte) []byte {
	out := append(bytes.Repeat([]byte{0xa6}, 8), plaintext...)
	n := len(plaintext) / 8
	var b [16]byte
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[:8], out[:8])
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:8])^uint64(n*j+i))
			copy(out[8*i:], b[8:])
		}
	}
	return out
}

func unwrapAES(block cipher.Block, wrapped []byte) ([]byte, bool) {
	n := len(wrapped)/8 - 1
	if n < 2 || len(wrapped)%8 != 0 {
		return nil, false
	}
	out := bytes.Clone(wrapped)
	var b [16]byte
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(out)^uint64(n*j+i)) //nolint:gosec // small
			copy(b[8:], out[8*i:8*i+8])
			block.Decrypt(b[:], b[:])
			copy(out[:8], b[:8])
			copy(out[8*i:], b[8:])
		}
	}
	return out[8:], bytes.Equal(out[:8], bytes.Repeat([]byte{0xa6}, 8))
}
