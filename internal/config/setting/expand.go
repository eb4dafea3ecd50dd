package setting

import (
	"errors"
	"fmt"
	"strings"
)

var errReference = errors.New("has a ${...} that is neither ${NAME} nor ${NAME:-default}; write $$ for a dollar sign")

// expand replaces ${NAME} and ${NAME:-default} and turns $$ into $. The default
// also stands in for an empty variable, as in a shell. What was put in is not
// expanded again. It reports whether there was anything to replace.
func expand(text string, environ map[string]string) (string, bool, error) {
	if !strings.Contains(text, "$") {
		return text, false, nil
	}
	var b strings.Builder
	replaced := false
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), replaced, nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "{"):
			reference, rest, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", false, errReference
			}
			value, err := resolve(reference, environ)
			if err != nil {
				return "", false, err
			}
			b.WriteString(value)
			text, replaced = rest, true
		default:
			b.WriteByte('$')
			text = after
		}
	}
}

func resolve(reference string, environ map[string]string) (string, error) {
	name, fallback, hasFallback := strings.Cut(reference, ":-")
	if !isName(name) {
		return "", errReference
	}
	value, ok := environ[name]
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !ok:
		return "", fmt.Errorf("needs the variable %s, which is not set; set it, or write ${%s:-default}", name, name)
	}
	return value, nil
}

func isName(text string) bool {
	for i, r := range text {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}
