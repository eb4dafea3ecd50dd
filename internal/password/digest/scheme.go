package digest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// The schemes that digests are made with.
const (
	Bcrypt   = "bcrypt"
	Argon2id = "argon2id"
)

// Scheme says how digests are made, and at what cost.
type Scheme struct {
	Name        string // Bcrypt or Argon2id
	Cost        int    // of bcrypt, 4 to 16
	Memory      int    // of argon2id, in KiB, 64 to 262144
	Iterations  int    // of argon2id, 1 to 8
	Parallelism int    // of argon2id, 1 to 8
}

// Sizes of what argon2id makes, in bytes: RFC 9106, section 3.1.
const (
	argon2Salt = 16
	argon2Hash = 32
)

// Hash returns a new digest of a password. A password that bcrypt would cut is
// an error, and so are costs out of bounds. pause is as in Digest.
func (s Scheme) Hash(password string, pause func()) (string, error) {
	switch s.Name {
	case Bcrypt:
		if s.Cost < minBcryptCost || s.Cost > maxBcryptCost || len(password) > maxBcryptBytes {
			return "", fmt.Errorf("hashing with %s: %w", s.Name, errBound)
		}
		return newBcrypt(password, s.Cost, pause).format(), nil
	case Argon2id:
		if !argon2Bounded(s.Memory, s.Iterations, s.Parallelism) {
			return "", fmt.Errorf("hashing with %s: %w", s.Name, errBound)
		}
		salt := make([]byte, argon2Salt)
		_, _ = rand.Read(salt) // never fails
		d := argon2Digest{id: true, memory: s.Memory, iterations: s.Iterations, parallelism: s.Parallelism, salt: salt}
		return d.format(d.key(password, argon2Hash)), nil
	}
	return "", fmt.Errorf("hashing with an unknown scheme %q", s.Name)
}

// Made reports whether a digest is as this scheme would make it now; another
// scheme, another cost and a shorter salt are not.
func (s Scheme) Made(d Digest) bool {
	switch d := d.(type) {
	case bcryptDigest:
		return s.Name == Bcrypt && d.cost == s.Cost
	case argon2Digest:
		return s.Name == Argon2id && d.id && d.memory == s.Memory && d.iterations == s.Iterations && d.parallelism == s.Parallelism &&
			len(d.salt) >= argon2Salt && len(d.hash) >= argon2Hash
	}
	return false
}

// format writes a PHC string.
func (d argon2Digest) format(hash []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, d.memory, d.iterations, d.parallelism,
		base64.RawStdEncoding.EncodeToString(d.salt), base64.RawStdEncoding.EncodeToString(hash))
}
