package digest

import (
	"regexp"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// maxBcryptCost is the highest cost of a digest: each step doubles the time, and
// at 31 one verification would keep a worker for two days.
const maxBcryptCost = 16

// bcryptForm has the variants that compute the same for every password that is
// taken here: $2a$, $2b$ and $2y$ differ for passwords of 256 bytes and more,
// and $2a$ of some systems for bytes that UTF-8 does not have. $2x$ marks digests
// of an implementation that mixed passwords up, and $2$ leaves the end out.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

type bcryptDigest struct {
	text string
	cost int
}

func parseBcrypt(text string) (Digest, error) {
	m := bcryptForm.FindStringSubmatch(text)
	if m == nil {
		return nil, errForm
	}
	cost, err := strconv.Atoi(m[1])
	if err != nil || cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil, errBound
	}
	return bcryptDigest{text, cost}, nil
}

// Matches implements Digest. bcrypt reads 72 bytes and repeats a shorter password
// with a NUL between: what is longer or has a NUL is for the caller to refuse.
func (d bcryptDigest) Matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(d.text), []byte(password)) == nil
}
