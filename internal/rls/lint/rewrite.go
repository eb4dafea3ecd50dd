package lint

import "strings"

// wrapHelpers puts the calls of helpers that stand alone into queries of their
// own, in an expression as PostgreSQL prints it, and says how many.
func wrapHelpers(expression string) (string, int) {
	var out strings.Builder
	var open []bracket
	count := 0
	for at := 0; at < len(expression); {
		rest := expression[at:]
		size := lexeme(rest)
		word := rest[:size]
		switch {
		case word == "(":
			open = append(open, bracket{})
		case word == ")" && len(open) > 0:
			open = open[:len(open)-1]
		case len(open) > 0 && strings.EqualFold(word, "select"):
			open[len(open)-1].query = true
			open[len(open)-1].from = hasFrom(rest[size:])
		}
		if call := helperCall(rest); call > 0 && (at == 0 || !isWord(expression[at-1]) && expression[at-1] != '.') && !alone(open) {
			out.WriteString("( SELECT " + rest[:call] + ")")
			at += call
			count++
			continue
		}
		out.WriteString(word)
		at += size
	}
	return out.String(), count
}

// bracket is an open bracket, and whether it holds a query over tables.
type bracket struct{ query, from bool }

// alone says that the innermost query around a place reads no table.
func alone(open []bracket) bool {
	for i := len(open) - 1; i >= 0; i-- {
		if open[i].query {
			return !open[i].from
		}
	}
	return false
}

// hasFrom says that a query has FROM before its bracket ends.
func hasFrom(rest string) bool {
	depth := 0
	for at := 0; at < len(rest) && depth >= 0; {
		size := lexeme(rest[at:])
		switch word := rest[at : at+size]; {
		case word == "(":
			depth++
		case word == ")":
			depth--
		case depth == 0 && strings.EqualFold(word, "from"):
			return true
		}
		at += size
	}
	return false
}

// helperCall returns the length of a call of a helper at the beginning of a
// text; 0 if there is none. The arguments are texts, or there are none.
func helperCall(text string) int {
	open := strings.IndexByte(text, '(')
	if open < 0 || !helperNames[text[:open]] {
		return 0
	}
	for at, depth := open, 0; at < len(text); {
		size := lexeme(text[at:])
		switch text[at : at+size] {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return at + size
			}
		}
		at += size
	}
	return 0
}

var helperNames = map[string]bool{
	"auth.uid": true, "auth.role": true, "auth.email": true, "auth.jwt": true, "auth.session_id": true, "auth.sub_tenant_id": true,
	"auth.has_role": true, "auth.has_permission": true, "current_setting": true,
}

// lexeme returns the length of the first lexeme of an expression: a text, a
// quoted name, a word, or one character.
func lexeme(text string) int {
	switch c := text[0]; {
	case c == '\'' || c == '"':
		for i := 1; i < len(text); i++ {
			if text[i] == c {
				if i+1 < len(text) && text[i+1] == c {
					i++
					continue
				}
				return i + 1
			}
		}
		return len(text)
	case (c == 'E') && len(text) > 1 && text[1] == '\'':
		for i := 2; i < len(text); i++ {
			switch {
			case text[i] == '\\':
				i++
			case text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
				i++
			case text[i] == '\'':
				return i + 1
			}
		}
		return len(text)
	case isWord(c):
		for i := 1; i < len(text); i++ {
			if !isWord(text[i]) {
				return i
			}
		}
		return len(text)
	default:
		return 1
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
