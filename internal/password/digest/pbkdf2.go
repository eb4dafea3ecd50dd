package digest

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // digests of others; PBKDF2 does not need collisions to be hard
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strconv"
	"strings"
)

// maxRounds is the most iterations of PBKDF2, of all blocks of the output.
const maxRounds = 5_000_000

// families are the hash functions of PBKDF2 and SSHA by their names.
var families = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

type pbkdf2Digest struct {
	family     func() hash.Hash
	iterations int
	salt, hash []byte
}

// parsePBKDF2 reads $pbkdf2-sha256$i=..$salt$hash, where l=.. may follow, and the
// form of passlib, which has the number alone and means SHA-1 by $pbkdf2$.
func parsePBKDF2(text string) (Digest, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, errForm
	}
	name, named := strings.CutPrefix(parts[1], "pbkdf2-")
	if !named && name == "pbkdf2" {
		name = "sha1"
	}
	iterations, length, hasLength := strings.Cut(parts[2], ",l=")
	salt, hash, err := salted(parts[3], parts[4])
	if err != nil {
		return nil, err
	}
	if hasLength && length != strconv.Itoa(len(hash)) {
		return nil, errForm
	}
	return newPBKDF2(name, strings.TrimPrefix(iterations, "i="), salt, hash)
}

// parseDjango reads pbkdf2_sha256$iterations$salt$hash, whose salt is text.
func parseDjango(text string) (Digest, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 {
		return nil, errForm
	}
	hash, ok := base(parts[3])
	switch {
	case !ok:
		return nil, errForm
	case parts[2] == "" || len(parts[2]) > maxSalt || len(hash) < minOutput || len(hash) > maxOutput:
		return nil, errSize
	}
	return newPBKDF2(strings.TrimPrefix(parts[0], "pbkdf2_"), parts[1], []byte(parts[2]), hash)
}

func newPBKDF2(name, iterations string, salt, hash []byte) (Digest, error) {
	family := families[name]
	if family == nil {
		return nil, refuse("this variant of PBKDF2 is not known")
	}
	n, err := strconv.ParseUint(iterations, 10, 31)
	if err != nil {
		return nil, errForm
	}
	d := pbkdf2Digest{family, int(n), salt, hash}
	if d.iterations < 1 || d.iterations*d.blocks() > maxRounds {
		return nil, errBound
	}
	return d, nil
}

// blocks is how often the iterations are gone through.
func (d pbkdf2Digest) blocks() int {
	size := d.family().Size()
	return (len(d.hash) + size - 1) / size
}

// Matches implements Digest.
func (d pbkdf2Digest) Matches(password string, _ func()) bool {
	key, err := pbkdf2.Key(d.family, password, d.salt, d.iterations, len(d.hash))
	return err == nil && subtle.ConstantTimeCompare(key, d.hash) == 1
}
