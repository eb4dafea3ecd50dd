package catalog

import (
	"strconv"
	"strings"
)

// origin is where the value of a view's column comes from, unchanged.
type origin struct {
	relation uint32
	column   int16
	entry    int  // the member of the view's FROM that it comes through
	direct   bool // that member is the relation itself, not a subquery over it
}

// origins reads the columns of a view from its rewrite rule: PostgreSQL notes
// for each member of a query's target list the relation and the column that it
// is a plain copy of, through joins, subqueries and common table expressions,
// and notes nothing for an expression, an aggregate or a UNION. Index i is
// column i+1. What cannot be read yields no origin.
func origins(rule string) []origin {
	s := nodes{text: rule}
	var found []origin
	var kinds []string
	list, kind := "", "" // of the outermost query that we are in; of the entry of its range table
	var entry, variable int
	var o origin
	for s.next() {
		switch {
		case s.depth == 2 && strings.HasPrefix(s.token, ":"):
			list = s.token
		case list == ":rtable" && s.depth == 4 && s.token == ":rtekind" && kind == "" && s.next():
			kind = s.token
		case list == ":rtable" && s.depth == 3 && s.token == "}":
			kinds, kind = append(kinds, kind), ""
		case list != ":targetList":
		case s.token == "}" && s.depth == 3:
			if entry > 0 && entry <= maxColumns && o.relation != 0 && o.column > 0 {
				o.entry = variable
				o.direct = variable > 0 && variable <= len(kinds) && kinds[variable-1] == relationKind
				for len(found) < entry {
					found = append(found, origin{})
				}
				found[entry-1] = o
			}
			o, entry, variable = origin{}, 0, 0
		case s.depth == 5 && s.token == ":varno":
			variable = s.number()
		case s.depth != 4 || s.token == ":resname" && s.next(): // a name may look like a field
		case s.token == ":resno":
			entry = s.number()
		case s.token == ":resorigtbl" && s.next():
			oid, _ := strconv.ParseUint(s.token, 10, 32)
			o.relation = uint32(oid)
		case s.token == ":resorigcol":
			o.column = int16(s.number()) //nolint:gosec // the text is PostgreSQL's, and a column number is an int16
		}
	}
	return found
}

const (
	maxColumns   = 1664 // that PostgreSQL returns at most
	relationKind = "0"  // RTE_RELATION
)

// nodes walks the text of a PostgreSQL node tree. Tokens end at blanks and
// brackets; a backslash makes the next character plain.
type nodes struct {
	text  string
	at    int
	token string
	depth int // of brackets that are open, after the token
}

// next takes the next token, and is false at the end.
func (s *nodes) next() bool {
	for s.at < len(s.text) && isBlank(s.text[s.at]) {
		s.at++
	}
	if s.at >= len(s.text) {
		return false
	}
	start := s.at
	s.at++
	switch s.text[start] {
	case '(', '{':
		s.depth++
	case ')', '}':
		s.depth--
	default:
		s.at = start
		for s.at < len(s.text) && !isBlank(s.text[s.at]) && !strings.ContainsRune("(){}", rune(s.text[s.at])) {
			if s.text[s.at] == '\\' {
				s.at++
			}
			s.at++
		}
		s.at = min(s.at, len(s.text))
	}
	s.token = s.text[start:s.at]
	return true
}

// number takes the next token as a number, 0 if it is none.
func (s *nodes) number() int {
	if !s.next() {
		return 0
	}
	n, _ := strconv.Atoi(s.token)
	return n
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' }
