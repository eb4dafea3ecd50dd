package signing

import (
	"strings"
	"testing"
)

// encoding/base64 skips line breaks, also when it is strict, so a signature can
// be written in many ways.
func TestLineBreaksInTheSignature(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, key := range []*key{k.ec, k.mac} {
		token := sign(t, key)
		end := strings.LastIndex(token, ".") + 1
		for _, at := range []int{end, end + 1, len(token) - 1, len(token)} {
			for _, space := range []string{"\n", "\r", "\r\n", "\n\n\n"} {
				wantRefused(t, k, key.alg+" with a line break", token[:at]+space+token[at:])
			}
		}
	}
}
