package digest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // bcrypt is made of it
)

// What a digest of bcrypt may cost: each step doubles the time, and at 31 one
// verification would keep a worker for two days.
const (
	minBcryptCost = 4
	maxBcryptCost = 16
)

// Sizes of what bcrypt makes, in bytes.
const (
	bcryptSalt = 16
	bcryptHash = 23 // the last byte of three blocks has never been kept

	maxBcryptBytes = 72 // of a password
)

// bcryptForm has the variants that compute the same for every password that is
// taken here: $2a$, $2b$ and $2y$ differ for passwords of 256 bytes and more,
// and $2a$ of some systems for bytes that UTF-8 does not have. $2x$ marks digests
// of an implementation that mixed passwords up, and $2$ leaves the end out.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$`)

var bcryptLetters = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

type bcryptDigest struct {
	cost       int
	salt, hash []byte
}

func parseBcrypt(text string) (Digest, error) {
	m := bcryptForm.FindStringSubmatch(text)
	if m == nil {
		return nil, errForm
	}
	cost, err := strconv.Atoi(m[1])
	if err != nil || cost < minBcryptCost || cost > maxBcryptCost {
		return nil, errBound
	}
	d := bcryptDigest{cost: cost}
	if d.salt, err = bcryptLetters.DecodeString(m[2]); err != nil {
		return nil, errForm
	}
	if d.hash, err = bcryptLetters.DecodeString(m[3]); err != nil {
		return nil, errForm
	}
	return d, nil
}

// newBcrypt makes a digest of a password with a new salt.
func newBcrypt(password string, cost int, pause func()) bcryptDigest {
	d := bcryptDigest{cost: cost, salt: make([]byte, bcryptSalt)}
	_, _ = rand.Read(d.salt) // never fails
	d.hash = d.key(password, pause)
	return d
}

// Matches implements Digest. bcrypt reads 72 bytes and repeats a shorter password
// with a NUL between: what is longer or has a NUL is for the caller to refuse.
func (d bcryptDigest) Matches(password string, pause func()) bool {
	return subtle.ConstantTimeCompare(d.key(password, pause), d.hash) == 1
}

// key is EksBlowfish: the key and the salt are mixed into the cipher's state, as
// often as the cost says, and the state encrypts a text that everybody knows.
// Some 25 microseconds lie between two pauses; that is why the loop is here and
// not the one of golang.org/x/crypto/bcrypt, which the tests compare it with.
func (d bcryptDigest) key(password string, pause func()) []byte {
	key := append([]byte(password), 0)
	cipher, err := blowfish.NewSaltedCipher(key, d.salt)
	if err != nil { // only without a key, and there is the zero
		return nil
	}
	for range 1 << d.cost {
		pause()
		blowfish.ExpandKey(key, cipher)
		blowfish.ExpandKey(d.salt, cipher)
	}
	text := []byte("OrpheanBeholderScryDoubt")
	for block := 0; block < len(text); block += blowfish.BlockSize {
		for range 64 {
			cipher.Encrypt(text[block:], text[block:])
		}
	}
	return text[:bcryptHash]
}

func (d bcryptDigest) format() string {
	return fmt.Sprintf("$2a$%02d$%s%s", d.cost, bcryptLetters.EncodeToString(d.salt), bcryptLetters.EncodeToString(d.hash))
}
