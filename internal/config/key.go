package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// keySize is the length of the key in secret_key, in bytes.
const keySize = 32

var (
	errKeyForm  = errors.New("must be 32 bytes: 64 hexadecimal digits (openssl rand -hex 32), base64, or exactly 32 characters")
	errKeyUnset = errors.New("configuration: secret_key is not set")
)

// SecretKey returns the 32 bytes of secret_key, or an error when it is unset.
// The caller owns the slice.
func (c *Config) SecretKey() ([]byte, error) {
	if c.SecretKeyText == "" {
		return nil, errKeyUnset
	}
	return decodeKey(c.SecretKeyText.Reveal())
}

func checkSecretKey(value any) error {
	secret, _ := value.(Secret)
	if secret == "" {
		return nil
	}
	_, err := decodeKey(secret.Reveal())
	return err
}

// decodeKey tells the three forms apart by length: 64, 43 or 44, 32.
func decodeKey(text string) ([]byte, error) {
	switch len(text) {
	case hex.EncodedLen(keySize):
		if key, err := hex.DecodeString(text); err == nil {
			return key, nil
		}
	case base64.RawStdEncoding.EncodedLen(keySize), base64.StdEncoding.EncodedLen(keySize):
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSuffix(text, "="))
		if key, err := base64.RawStdEncoding.Strict().DecodeString(plain); err == nil && len(key) == keySize {
			return key, nil
		}
	case keySize:
		return []byte(text), nil
	}
	return nil, errKeyForm
}
