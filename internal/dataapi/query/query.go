// Package query reads the URL dialect of the data API (PostgREST's) into a
// tree. It is pure: it knows no table, and names in the tree are whatever the
// caller wrote.
//
// Errors say what was expected, and where: the parameter and the position in
// its decoded text. They repeat names, never values.
package query

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Query is a parsed query string.
type Query struct {
	Select  []Item // nil is every column
	Filters []Filter
	Order   []Term
	Limit   *int64
	Offset  *int64
	Columns []string // of ?columns=, for writes; nil if not given
}

// Item is one member of the answer: a column under its own or another name.
type Item struct {
	Column string // "*" for all
	Alias  string // "" for the column's own name
}

// Op is an operator of a filter.
type Op string

// The operators.
const (
	Eq  Op = "eq"
	Neq Op = "neq"
	Gt  Op = "gt"
	Gte Op = "gte"
	Lt  Op = "lt"
	Lte Op = "lte"
	In  Op = "in"
	Is  Op = "is"
)

// Filter is a condition on one column.
type Filter struct {
	Column  string
	Negated bool
	Op      Op
	Value   string   // for Is: null, not_null, true, false or unknown
	List    []string // for In
}

// Term is one part of an order.
type Term struct {
	Column     string
	Descending bool
	Nulls      string // "first", "last" or ""
}

// Error is a fault in one parameter.
type Error struct {
	Param    string
	Position int // bytes from the beginning of the parameter's decoded value
	Expected string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("failed to parse %q at position %d: expected %s", e.Param, e.Position+1, e.Expected)
}

// Limits, so that nobody can have statements prepared that are larger than any
// real one. PostgreSQL cuts names at 63 bytes.
const (
	maxParams = 200 // in a query string
	maxItems  = 200 // in select, and in order
	maxName   = 63  // bytes of an alias
)

// Parse reads a raw query string. Parameters that are not reserved are filters;
// a repeated column adds another condition.
func Parse(raw string) (Query, error) {
	var q Query
	params, err := split(raw)
	if err != nil {
		return q, err
	}
	seen := map[string]bool{}
	for _, p := range params {
		if parse, reserved := reservedParams[p.name]; reserved {
			if seen[p.name] {
				return q, &Error{p.name, 0, "the parameter once"}
			}
			seen[p.name] = true
			if err := parse(&q, p.value); err != nil {
				return q, err
			}
			continue
		}
		f, err := parseFilter(p.name, p.value)
		if err != nil {
			return q, err
		}
		q.Filters = append(q.Filters, f)
	}
	return q, nil
}

var reservedParams = map[string]func(*Query, string) error{
	"select":  parseSelect,
	"order":   parseOrder,
	"limit":   func(q *Query, v string) error { return parseCount("limit", v, &q.Limit) },
	"offset":  func(q *Query, v string) error { return parseCount("offset", v, &q.Offset) },
	"columns": parseColumns,
}

type param struct{ name, value string }

// split keeps the order of the parameters, which url.ParseQuery does not.
func split(raw string) ([]param, error) {
	var params []param
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err != nil {
			return nil, &Error{"?", 0, "a percent-encoded name"}
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, &Error{n, 0, "a percent-encoded value"}
		}
		if !text(n) || !text(v) {
			return nil, &Error{strings.ReplaceAll(strings.ToValidUTF8(n, "?"), "\x00", "?"), 0, "UTF-8 without NUL"}
		}
		if params = append(params, param{n, v}); len(params) > maxParams {
			return nil, &Error{n, 0, fmt.Sprintf("at most %d parameters", maxParams)}
		}
	}
	return params, nil
}

// text says whether PostgreSQL can take s as text.
func text(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
