package digest

import (
	"crypto/subtle"
	"strings"

	"golang.org/x/crypto/argon2"
)

type argon2Digest struct {
	id                              bool // argon2id, else argon2i
	memory, iterations, parallelism int  // memory in KiB
	salt, hash                      []byte
}

// parseArgon2 reads $argon2id$v=19$m=..,t=..,p=..$salt$hash, and argon2i. Argon2d
// and version 16, which also is what no version means, cannot be computed here.
func parseArgon2(text string) (Digest, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return nil, errForm
	}
	var d argon2Digest
	switch parts[1] {
	case "argon2id":
		d.id = true
	case "argon2i":
	default:
		return nil, refuse("this variant of Argon2 is not known")
	}
	if parts[2] != "v=19" {
		return nil, refuse("this version of Argon2 is not known")
	}
	n, ok := numbers(parts[3], "m", "t", "p")
	if !ok {
		return nil, errForm
	}
	d.memory, d.iterations, d.parallelism = n[0], n[1], n[2]
	if !argon2Bounded(d.memory, d.iterations, d.parallelism) {
		return nil, errBound
	}
	var err error
	d.salt, d.hash, err = salted(parts[4], parts[5])
	if err != nil {
		return nil, err
	}
	return d, nil
}

// argon2Bounded takes the memory in KiB. At least eight blocks for each lane:
// RFC 9106, section 3.1.
func argon2Bounded(memory, iterations, parallelism int) bool {
	return parallelism >= 1 && parallelism <= 16 && memory >= 8*parallelism && memory <= maxMemory>>10 &&
		iterations >= 1 && iterations <= maxWork>>10/memory
}

func (d argon2Digest) key(password string, length int) []byte {
	compute := argon2.Key
	if d.id {
		compute = argon2.IDKey
	}
	return compute([]byte(password), d.salt, uint32(d.iterations), uint32(d.memory), uint8(d.parallelism), uint32(length)) //nolint:gosec // all bounded
}

// Matches implements Digest.
func (d argon2Digest) Matches(password string, _ func()) bool {
	return subtle.ConstantTimeCompare(d.key(password, len(d.hash)), d.hash) == 1
}
