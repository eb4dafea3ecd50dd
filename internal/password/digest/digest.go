// Package digest is the written form of hashed passwords: making digests of the
// configured scheme, and verifying those and the ones of other systems.
//
// A digest may have been brought by somebody else, and its own text says how much
// work it takes. Parse therefore bounds everything it reads, memory and steps
// above all: what is refused there is never computed.
//
// Formats: modular crypt and PHC strings; RFC 9106 (Argon2), RFC 7914 (scrypt),
// RFC 8018 (PBKDF2), RFC 2307 (LDAP).
package digest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrScheme means that a text is not a digest that can be verified. Errors that
// wrap it say why, and never repeat the text.
var ErrScheme = errors.New("not a password digest that can be verified")

// What a digest may ask for. The largest that people have in use fit; the slowest
// takes a worker a few seconds.
const (
	maxText   = 1024      // bytes of a digest
	maxMemory = 256 << 20 // bytes that one verification may take
	maxWork   = 2 << 30   // bytes that it may fill, over all passes
	minOutput = 16        // bytes that are compared; with fewer another password may fit
	maxOutput = 64        // bytes
	maxSalt   = 128       // bytes
)

// Digest is a digest that has been read. It is safe for concurrent use.
type Digest interface {
	// Matches reports whether it was made of a password. It takes as long as its
	// parameters say, whatever the password is. pause is called now and then
	// where the work can be divided: with bcrypt.
	Matches(password string, pause func()) bool
}

// parsers are the formats by how they begin; no beginning is another's.
var parsers = []struct {
	prefix string
	parse  func(text string) (Digest, error)
}{
	{"$2", parseBcrypt},
	{"$argon2", parseArgon2},
	{"$scrypt$", parseScrypt},
	{"$fbscrypt$", parseFirebase},
	{"$pbkdf2", parsePBKDF2},
	{"pbkdf2_", parseDjango},
	{"{", parseSSHA},
	{"$P$", parsePhpass},
	{"$H$", parsePhpass},
}

// Parse reads a digest. Its errors wrap ErrScheme.
func Parse(text string) (Digest, error) {
	if len(text) > maxText {
		return nil, refuse("it is too long")
	}
	for _, p := range parsers {
		if strings.HasPrefix(text, p.prefix) {
			return p.parse(text)
		}
	}
	return nil, refuse("its scheme is not known")
}

func refuse(why string) error { return fmt.Errorf("%w: %s", ErrScheme, why) }

var (
	errForm  = refuse("it is malformed")
	errBound = refuse("it asks for more work or memory than is allowed, or for too little")
	errSize  = refuse("its salt or hash is too short or too long")
)

// numbers reads "a=1,b=2": exactly these names, in this order, as the PHC string
// format has it.
func numbers(text string, names ...string) ([]int, bool) {
	parts := strings.Split(text, ",")
	if len(parts) != len(names) {
		return nil, false
	}
	values := make([]int, len(names))
	for i, part := range parts {
		digits, found := strings.CutPrefix(part, names[i]+"=")
		n, err := strconv.ParseUint(digits, 10, 31)
		if !found || err != nil {
			return nil, false
		}
		values[i] = int(n)
	}
	return values, true
}

// base reads base64 with padding or without, in each alphabet that digests are
// written in: the standard one, that of URLs, and with a dot for the plus.
func base(text string) ([]byte, bool) {
	plain := strings.NewReplacer("-", "+", "_", "/", ".", "+").Replace(strings.TrimRight(text, "="))
	if strings.ContainsAny(plain, "\r\n") { // the decoder would skip them
		return nil, false
	}
	b, err := base64.RawStdEncoding.DecodeString(plain)
	return b, err == nil
}

// salted reads a salt and a hash in base64, and bounds their lengths.
func salted(salt, hash string) (s, h []byte, err error) {
	s, okSalt := base(salt)
	h, okHash := base(hash)
	switch {
	case !okSalt || !okHash:
		return nil, nil, errForm
	case len(s) == 0 || len(s) > maxSalt || len(h) < minOutput || len(h) > maxOutput:
		return nil, nil, errSize
	}
	return s, h, nil
}
