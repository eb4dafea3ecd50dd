package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
)

// commonList is the 42,692 passwords of six characters and more from the list of
// common passwords of the npm package @zxcvbn-ts/language-common 4.1.3, which is
// under the MIT licence (common.LICENSE), in lower case and sorted.
// scripts/common-passwords makes it.
//
//go:embed common.txt.gz
var commonList []byte

// common are common passwords in lower case, sorted.
type common []string

func readCommon() (common, error) {
	r, err := gzip.NewReader(bytes.NewReader(commonList))
	if err != nil {
		return nil, fmt.Errorf("reading the common passwords: %w", err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the common passwords: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// has compares without case: "Password" is tried right after "password".
func (c common) has(password string) bool {
	_, found := slices.BinarySearch(c, strings.ToLower(password))
	return found
}

// product is tried on every installation.
const product = "fluxbase"

// isAbout says whether a password is one of the things that an attacker knows of
// its owner, or the part of an e-mail address before its @ or before a plus.
func isAbout(password string, about []string) bool {
	for _, thing := range append([]string{product}, about...) {
		local, _, _ := strings.Cut(thing, "@")
		plain, _, _ := strings.Cut(local, "+")
		for _, word := range []string{thing, local, plain} {
			if strings.EqualFold(password, word) {
				return true
			}
		}
	}
	return false
}
