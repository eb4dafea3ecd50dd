package kmstest

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"testing"
)

// RFC 3394, section 4.6: 256 bits of key data with a 256-bit KEK.
func TestKeyWrapOfTheRFC(t *testing.T) {
	t.Parallel()
	unhex := func(s string) []byte {
		data, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	block, err := aes.NewCipher(unhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"))
	if err != nil {
		t.Fatal(err)
	}
	plaintext := unhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
	want := unhex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21")
	if got := wrapAES(block, plaintext); !bytes.Equal(got, want) {
		t.Errorf("wrapped %X, want %X", got, want)
	}
	if got, ok := unwrapAES(block, want); !ok || !bytes.Equal(got, plaintext) {
		t.Errorf("unwrapped %X, %v", got, ok)
	}
	want[9] ^= 1
	if _, ok := unwrapAES(block, want); ok {
		t.Error("damage is not noticed")
	}
}
