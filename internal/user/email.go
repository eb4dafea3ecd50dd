package user

import (
	"strings"

	"golang.org/x/net/idna"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// maxEmail is the longest address, in bytes (RFC 5321, 4.5.3.1.3, less the
// angle brackets).
const maxEmail = 254

// ErrInvalidEmail is the fault of text that is not an address we can mail to.
var ErrInvalidEmail = fault.Input("/email", "invalid_email", "This is not an e-mail address.")

// NormalizeEmail returns the one spelling under which an address is kept:
// lower case, the domain in ASCII. It takes addr-spec with a dot-atom (RFC 5322,
// 3.4.1) before the @, and no quoted strings, comments, lists or display names,
// which parsers disagree about.
func NormalizeEmail(text string) (string, error) {
	local, domain, ok := strings.Cut(strings.TrimSpace(text), "@")
	if !ok || len(local) == 0 || len(local) > 64 || !dotAtom(local) {
		return "", ErrInvalidEmail
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !hostName(ascii) {
		return "", ErrInvalidEmail
	}
	address := strings.ToLower(local) + "@" + strings.ToLower(ascii)
	if len(address) > maxEmail {
		return "", ErrInvalidEmail
	}
	return address, nil
}

func dotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			if !alphanumeric(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return false
			}
		}
	}
	return true
}

func hostName(s string) bool {
	labels := strings.Split(s, ".")
	if len(labels) < 2 || len(s) > 253 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !alphanumeric(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
