package config

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// keySize is the length of a key, in bytes.
const keySize = 32

var (
	errKeyForm      = errors.New("must be 32 bytes: 64 hexadecimal digits (openssl rand -hex 32), base64, or exactly 32 characters")
	errVaultForm    = errors.New("must be a Vault reference written {{ vault `mount/path` }} or {{ vault `mount/path#field` }}, or a key that does not begin with {{")
	errInVault      = errors.New("is a Vault reference: Vault has the key")
	errKeyEmpty     = errors.New("is empty; a version has a key or is left out")
	vaultReference  = regexp.MustCompile("^\\{\\{\\s*vault\\s+(?:`([^`\"]*)`|\"([^`\"]*)\")\\s*\\}\\}$")
	vaultSecretPath = regexp.MustCompile(`^[\w.@:+~=,-]+(?:/[\w.@:+~=,-]+)+$`)
	vaultField      = regexp.MustCompile(`^[\w.@:+~=,-]+$`)
)

// EncryptionKey is one configured key-encryption key.
type EncryptionKey struct {
	Version  uint32 // from 1 to 2147483647
	Material Secret // as it was written: the key itself, or a Vault reference
	Place    string // where it came from, for messages: "fluxbase.yaml:12", "env FLUXBASE_SECRET_KEY_2"
}

// EncryptionKeys returns every key in effect, of secret_key,
// FLUXBASE_SECRET_KEY_N and security.encryption.keys together, in ascending
// order of version, one of each. The caller owns the slice.
func (c *Config) EncryptionKeys() []EncryptionKey {
	keys := slices.Clone(c.Security.Encryption.Keys)
	if c.SecretKeyText != "" && !slices.ContainsFunc(keys, func(k EncryptionKey) bool { return k.Version == 1 }) {
		place := c.Source("secret_key")
		if place == setting.FromDefault { // whoever derived it knows better
			place = "secret_key"
		}
		keys = append(keys, EncryptionKey{Version: 1, Material: c.SecretKeyText, Place: place})
	}
	slices.SortFunc(keys, func(a, b EncryptionKey) int { return cmp.Compare(a.Version, b.Version) })
	return keys
}

// HasEncryption reports whether there is anything to seal with: a key, or a
// provider that keeps its own.
func (c *Config) HasEncryption() bool {
	provider := c.Security.Encryption.Provider
	return len(c.EncryptionKeys()) > 0 || provider != "" && provider != ProviderLocal
}

// Bytes returns the 32 bytes of a key that is written out. It is an error for a
// Vault reference; no error repeats the key. The caller owns the slice.
func (k EncryptionKey) Bytes() ([]byte, error) {
	text := k.Material.Reveal()
	err := checkMaterial(text)
	if _, _, inVault := k.VaultPath(); inVault {
		err = errInVault
	}
	if err != nil {
		return nil, fmt.Errorf("key version %d (%s) %w", k.Version, k.Place, err)
	}
	return DecodeKey(text)
}

// VaultPath returns the parts of a Vault reference, and whether the key is one.
// The path begins with the mount; the field is empty when none is named.
func (k EncryptionKey) VaultPath() (path, field string, ok bool) {
	m := vaultReference.FindStringSubmatch(strings.TrimSpace(k.Material.Reveal()))
	if m == nil {
		return "", "", false
	}
	path, field, named := strings.Cut(m[1]+m[2], "#")
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." { // an HTTP client would walk up with it
			return "", "", false
		}
	}
	if !vaultSecretPath.MatchString(path) || named && !vaultField.MatchString(field) {
		return "", "", false
	}
	return path, field, true
}

// text is the key as it may be shown: the path of a Vault reference is no secret.
func (k EncryptionKey) text() string {
	path, field, ok := k.VaultPath()
	switch {
	case !ok:
		return k.Material.String()
	case field != "":
		path += "#" + field
	}
	return "{{ vault `" + path + "` }}"
}

// shownMaterial is what may be seen of a key as it was written.
func shownMaterial(text string) string { return EncryptionKey{Material: Secret(text)}.text() }

// sameKey reports whether two keys are written differently at most. What Vault
// has cannot be compared, so a reference equals only itself.
func sameKey(a, b EncryptionKey) bool {
	if a.text() != setting.Redacted || b.text() != setting.Redacted {
		return a.text() == b.text()
	}
	x, errX := a.Bytes()
	y, errY := b.Bytes()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func checkSecretKey(value any) error {
	secret, _ := value.(Secret)
	if secret == "" {
		return nil
	}
	return checkMaterial(secret.Reveal())
}

// checkMaterial refuses what is neither a key nor a Vault reference. A reference
// with a slip in it may be 32 characters long and must not become a key.
func checkMaterial(text string) error {
	if text == "" {
		return errKeyEmpty
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{{") {
		if _, _, ok := (EncryptionKey{Material: Secret(text)}).VaultPath(); !ok {
			return errVaultForm
		}
		return nil
	}
	_, err := DecodeKey(text)
	return err
}

// DecodeKey returns the 32 bytes of a key written as 64 hexadecimal digits, as
// base64, or as exactly 32 characters. Its error does not repeat the text. The
// caller owns the slice.
func DecodeKey(text string) ([]byte, error) {
	switch len(text) { // the lengths tell the forms apart
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
