package digest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"slices"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// scryptDigest is of RFC 7914.
type scryptDigest struct {
	ln, r, p   int // ln is the logarithm of the cost N
	salt, hash []byte
}

// parseScrypt reads $scrypt$ln=..,r=..,p=..$salt$hash.
func parseScrypt(text string) (Digest, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, errForm
	}
	n, ok := numbers(parts[2], "ln", "r", "p")
	if !ok {
		return nil, errForm
	}
	d := scryptDigest{ln: n[0], r: n[1], p: n[2]}
	if !d.bounded() {
		return nil, errBound
	}
	var err error
	d.salt, d.hash, err = salted(parts[3], parts[4])
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d scryptDigest) bounded() bool {
	if d.ln < 1 || d.ln > 24 || d.r < 1 || d.r > 64 || d.p < 1 || d.p > 16 {
		return false
	}
	memory := 128 * d.r << d.ln
	return memory <= maxMemory && memory*d.p <= maxWork/4 // a byte costs four times what it does in Argon2
}

func (d scryptDigest) key(password string, length int) []byte {
	key, err := scrypt.Key([]byte(password), d.salt, 1<<d.ln, d.r, d.p, length)
	if err != nil {
		return nil // of no password: it is as long as nothing
	}
	return key
}

// Matches implements Digest.
func (d scryptDigest) Matches(password string, _ func()) bool {
	return subtle.ConstantTimeCompare(d.key(password, len(d.hash)), d.hash) == 1
}

// firebaseDigest is of the scrypt that Firebase has made its own: what scrypt
// derives is the key under which the signer key of the project is encrypted, and
// the ciphertext is the hash.
type firebaseDigest struct {
	scryptDigest // its hash is the ciphertext, its salt has the separator after it

	signer []byte
}

// firebaseKey is the length of a key of AES-256.
const firebaseKey = 32

// parseFirebase reads $fbscrypt$v=1,n=..,r=..,p=..,ss=..,sk=..$salt$hash, where n is
// a logarithm, r is what Firebase calls rounds, and ss may be missing.
func parseFirebase(text string) (Digest, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, errForm
	}
	params, sk, found := strings.Cut(parts[2], ",sk=")
	params, ss, _ := strings.Cut(params, ",ss=")
	n, ok := numbers(params, "v", "n", "r", "p")
	separator, okSeparator := base(ss)
	signer, okSigner := base(sk)
	if !found || !ok || !okSeparator || !okSigner || n[0] != 1 {
		return nil, errForm
	}
	d := firebaseDigest{scryptDigest{ln: n[1], r: n[2], p: n[3]}, signer}
	if !d.bounded() {
		return nil, errBound
	}
	salt, hash, err := salted(parts[3], parts[4])
	if err != nil {
		return nil, err
	}
	if len(hash) != len(signer) || len(separator) > maxSalt {
		return nil, errSize
	}
	d.salt, d.hash = slices.Concat(salt, separator), hash
	return d, nil
}

// Matches implements Digest. The counter begins at zero for every password, as
// each has a key of its own.
func (d firebaseDigest) Matches(password string, _ func()) bool {
	block, err := aes.NewCipher(d.key(password, firebaseKey))
	if err != nil {
		return false
	}
	sealed := make([]byte, len(d.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sealed, d.signer) //nolint:gosec // see above
	return subtle.ConstantTimeCompare(sealed, d.hash) == 1
}
