package typescript

import (
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// member is one line of an object, or several.
type member struct {
	doc   string   // what people wrote about it
	key   string   // as it is written, with ? if it may be absent
	value []string // lines
}

// object returns an object type as lines.
func object(members []member) []string {
	if len(members) == 0 {
		return []string{"{", "  [_ in never]: never", "}"}
	}
	return braced(members, "")
}

// values returns an object as lines.
func values(members []member) []string {
	if len(members) == 0 {
		return []string{"{}"}
	}
	return braced(members, ",")
}

func braced(members []member, end string) []string {
	lines := []string{"{"}
	for _, m := range members {
		lines = append(lines, indented(comment(m.doc))...)
		value := indented(m.value)
		value[0] = strings.TrimRight("  "+m.key+": "+m.value[0], " ")
		value[len(value)-1] += end
		lines = append(lines, value...)
	}
	return append(lines, "}")
}

func indented(lines []string) []string {
	in := make([]string, len(lines))
	for i, line := range lines {
		in[i] = "  " + line
	}
	return in
}

// comment returns what people wrote as a comment, which it cannot end.
func comment(text string) []string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "*/", `*\/`))
	if text == "" {
		return nil
	}
	rows := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' })
	if len(rows) == 1 {
		return []string{"/** " + rows[0] + " */"}
	}
	lines := []string{"/**"}
	for _, row := range rows {
		lines = append(lines, strings.TrimRight(" * "+row, " \t"))
	}
	return append(lines, " */")
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// property returns a name as that of a property of a type.
func property(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return quote(name)
}

// constant returns a name as that of a property of a value, where __proto__
// would be something else.
func constant(name string) string {
	if name == "__proto__" {
		return `["__proto__"]`
	}
	return property(name)
}

// quote returns a text as a literal: JSON's are TypeScript's, too.
func quote(text string) string {
	quoted, _ := jsontext.AppendQuote(nil, text) // fails on what is not UTF-8, which PostgreSQL does not hold
	return string(quoted)
}
