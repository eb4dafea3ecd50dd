package digest

import (
	"crypto/md5" //nolint:gosec // digests of others, replaced at the first sign-in
	"crypto/subtle"
	"hash"
	"strings"
)

// sshaDigest is a salted hash of one pass, as LDAP servers keep it. It protects
// little: it is there to be replaced.
type sshaDigest struct {
	family     func() hash.Hash
	salt, hash []byte
}

var sshaNames = map[string]string{"SSHA": "sha1", "SSHA256": "sha256", "SSHA512": "sha512"}

// parseSSHA reads {SSHA}, {SSHA256} and {SSHA512}, in any case: base64 of the hash
// with the salt after it.
func parseSSHA(text string) (Digest, error) {
	name, encoded, found := strings.Cut(text[1:], "}")
	family := families[sshaNames[strings.ToUpper(name)]]
	if !found || family == nil {
		return nil, refuse("its scheme is not known")
	}
	b, ok := base(encoded)
	if !ok {
		return nil, errForm
	}
	size := family().Size()
	if len(b) <= size || len(b) > size+maxSalt {
		return nil, errSize
	}
	return sshaDigest{family, b[size:], b[:size]}, nil
}

// Matches implements Digest.
func (d sshaDigest) Matches(password string, _ func()) bool {
	h := d.family()
	h.Write([]byte(password))
	h.Write(d.salt)
	return subtle.ConstantTimeCompare(h.Sum(nil), d.hash) == 1
}

// phpassDigest is of the portable hashes of phpass: MD5, 2^cost times.
type phpassDigest struct {
	cost       int
	salt, hash string
}

const (
	phpassLetters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	maxPhpassCost = 20
)

// parsePhpass reads $P$ and $H$, a letter for the cost, 8 of salt and 22 of hash.
func parsePhpass(text string) (Digest, error) {
	const length = 3 + 1 + 8 + 22
	if len(text) != length || strings.Trim(text[3:], phpassLetters) != "" {
		return nil, errForm
	}
	d := phpassDigest{strings.IndexByte(phpassLetters, text[3]), text[4:12], text[12:]}
	if d.cost < 7 || d.cost > maxPhpassCost {
		return nil, errBound
	}
	return d, nil
}

// Matches implements Digest.
func (d phpassDigest) Matches(password string, _ func()) bool {
	sum := md5.Sum([]byte(d.salt + password)) //nolint:gosec // see above
	for range 1 << d.cost {
		sum = md5.Sum(append(sum[:], password...)) //nolint:gosec // see above
	}
	return subtle.ConstantTimeCompare([]byte(phpassText(sum[:])), []byte(d.hash)) == 1
}

// phpassText is base64 with the lowest bits first, in an alphabet of its own.
func phpassText(b []byte) string {
	var text strings.Builder
	value, bits := 0, 0
	for _, c := range b {
		value |= int(c) << bits
		for bits += 8; bits >= 6; bits -= 6 {
			text.WriteByte(phpassLetters[value&63])
			value >>= 6
		}
	}
	if bits > 0 {
		text.WriteByte(phpassLetters[value&63])
	}
	return text.String()
}
