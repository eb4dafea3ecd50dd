package query

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits, so that nobody can have statements prepared that are larger than any
// real one. PostgreSQL cuts names at 63 bytes.
const (
	maxParams     = 200 // in a query string
	maxItems      = 200 // in select, and in order
	maxConditions = 200 // in all
	maxDepth      = 10  // of conditions within conditions
	maxSteps      = 20  // in a path
	maxName       = 63  // bytes of an alias
)

// Parse reads a raw query string. Parameters that are not reserved are filters;
// a repeated column adds another condition.
func Parse(raw string) (Query, error) {
	p := parser{seen: map[string]bool{}}
	params, err := split(raw)
	if err != nil {
		return p.q, err
	}
	for _, param := range params {
		if err := p.param(param.name, param.value); err != nil {
			return p.q, err
		}
	}
	return p.q, nil
}

// parser holds what the parameters of one request have in common.
type parser struct {
	q          Query
	seen       map[string]bool
	conditions int
}

func (p *parser) param(name, text string) error {
	switch name {
	case "and", "or", "not.and", "not.or":
		return p.logic(name, text)
	case "select", "order", "limit", "offset", "columns":
	default:
		return p.filter(name, text)
	}
	if p.seen[name] {
		return &Error{name, 0, "the parameter once"}
	}
	p.seen[name] = true
	switch name {
	case "select":
		return parseSelect(&p.q, text)
	case "order":
		return parseOrder(&p.q, text)
	case "limit":
		return parseCount(name, text, &p.q.Limit)
	case "offset":
		return parseCount(name, text, &p.q.Offset)
	default:
		return parseColumns(&p.q, text)
	}
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

func parseOrder(q *Query, text string) error {
	s := &scanner{param: "order", text: text}
	return s.list(func() error {
		field, err := s.field(",.")
		if err != nil {
			return err
		}
		term := Term{Field: field}
		switch {
		case s.take(".asc"):
		case s.take(".desc"):
			term.Descending = true
		}
		switch {
		case s.take(".nullsfirst"):
			term.Nulls = "first"
		case s.take(".nullslast"):
			term.Nulls = "last"
		}
		if !s.done() && s.text[s.at] != ',' {
			return s.fail("asc, desc, nullsfirst or nullslast")
		}
		if q.Order = append(q.Order, term); len(q.Order) > maxItems {
			return s.fail("at most " + strconv.Itoa(maxItems) + " terms")
		}
		return nil
	})
}

func parseColumns(q *Query, text string) error {
	s := &scanner{param: "columns", text: text}
	q.Columns = []string{}
	return s.list(func() error {
		column, err := s.name(",")
		if q.Columns = append(q.Columns, column); err == nil && len(q.Columns) > maxColumns {
			err = s.fail("at most " + strconv.Itoa(maxColumns) + " columns")
		}
		return err
	})
}

// maxColumns is how many columns a table of PostgreSQL can have.
const maxColumns = 1600

func parseCount(name, text string, into **int64) error {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return &Error{name, 0, "a whole number from 0"}
	}
	count := int64(n)
	*into = &count
	return nil
}
