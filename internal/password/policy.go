package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// Policy is what a new password must be, as far as the password alone can tell.
type Policy struct {
	MinLength int // code points

	RequireUppercase bool // in any script that has cases
	RequireLowercase bool
	RequireDigit     bool // decimal, in any script
	RequireSpecial   bool // neither letter nor digit; a space is one
}

// Check returns a fault that points to the password's place in the input and has
// every reason against it, or nil. Service.Check asks for more.
func (p Policy) Check(pointer, password string) error {
	return weak(pointer, p.reasons(password))
}

// weak is the fault of these reasons, each of which is a sentence.
func weak(pointer string, reasons []string) error {
	if len(reasons) == 0 {
		return nil
	}
	f := fault.New(fault.Invalid, "weak_password", strings.Join(reasons, " "))
	for _, reason := range reasons {
		f.Fields = append(f.Fields, fault.Field{Pointer: pointer, Detail: reason})
	}
	return f
}

func (p Policy) reasons(password string) []string {
	if !utf8.ValidString(password) {
		return []string{"The password is not valid UTF-8."} // and nothing in it can be counted
	}
	var reasons []string
	add := func(broken bool, reason string) {
		if broken {
			reasons = append(reasons, reason)
		}
	}
	lacks := func(is func(rune) bool) bool { return !strings.ContainsFunc(password, is) }
	add(utf8.RuneCountInString(password) < p.MinLength, fmt.Sprintf("Use at least %d characters.", p.MinLength))
	add(len(password) > MaxBytes, fmt.Sprintf("Use at most %d bytes; letters outside ASCII take several.", MaxBytes))
	add(strings.Contains(password, "\x00"), "Leave out the NUL character.")
	add(p.RequireUppercase && lacks(unicode.IsUpper), "Use an upper-case letter.")
	add(p.RequireLowercase && lacks(unicode.IsLower), "Use a lower-case letter.")
	add(p.RequireDigit && lacks(unicode.IsDigit), "Use a digit.")
	add(p.RequireSpecial && lacks(isSpecial), "Use a special character, such as ! or a space.")
	return reasons
}

// isSpecial takes a mark for a part of its letter, and any number for a digit.
func isSpecial(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.C)
}
