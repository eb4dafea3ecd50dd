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
	maxItems      = 200 // in select in all, and in an order
	maxSpreads    = 20  // in select in all: PostgreSQL plans each together with the others
	maxConditions = 200 // in all
	maxDepth      = 10  // of conditions within conditions, and of embeddings within embeddings
	maxSteps      = 20  // in a path
	maxName       = 63  // bytes of an alias
	maxLength     = 255 // of a type that fills values up to its length
)

// Parse reads a raw query string. Parameters that are not reserved are filters;
// a repeated column adds another condition.
func Parse(raw string) (Query, error) {
	p := parser{seen: map[string]bool{}}
	params, err := split(raw)
	if err != nil {
		return p.q, err
	}
	for _, selects := range []bool{true, false} { // select comes first: others are about what it embeds
		for _, param := range params {
			if selects != (param.name == "select") {
				continue
			}
			if err := p.param(param.name, param.value); err != nil {
				return p.q, err
			}
		}
	}
	return p.q, nil
}

// Reserved says whether a parameter means something else than a filter.
func Reserved(name string) bool {
	switch name {
	case "and", "or", "not.and", "not.or", "select", "order", "limit", "offset", "columns", "on_conflict":
		return true
	}
	return false
}

// IsFilter says whether a parameter can be read as a filter. Where parameters
// may be arguments of a function too, the others are.
func IsFilter(name, text string) bool {
	p := parser{seen: map[string]bool{}}
	at, err := target(name)
	return err == nil && p.filter(&Query{}, at, text) == nil
}

// parser holds what the parameters of one request have in common.
type parser struct {
	q          Query
	seen       map[string]bool
	conditions int
	items      int
	spreads    int
}

func (p *parser) param(name, text string) error {
	switch name {
	case "select", "columns", "on_conflict":
		if err := p.once(name); err != nil {
			return err
		}
	}
	switch name {
	case "select":
		return p.selection(text)
	case "on_conflict":
		return parseColumns(name, text, &p.q.OnConflict)
	case "columns":
		return parseColumns(name, text, &p.q.Columns)
	}
	at, err := target(name)
	if err != nil {
		return err
	}
	q, err := p.q.at(at.embeddings)
	if err != nil {
		return err
	}
	switch at.word {
	case "and", "or", "not.and", "not.or":
		return p.logic(q, at, text)
	case "order", "limit", "offset":
		if err := p.once(name); err != nil {
			return err
		}
	}
	switch at.word {
	case "order":
		return parseOrder(q, name, text)
	case "limit":
		return parseCount(name, text, &q.Limit)
	case "offset":
		return parseCount(name, text, &q.Offset)
	}
	return p.filter(q, at, text)
}

func (p *parser) once(name string) error {
	if p.seen[name] {
		return &Error{name, 0, "the parameter once"}
	}
	p.seen[name] = true
	return nil
}

// place is what a parameter is about.
type place struct {
	param      string   // its name as it was written
	embeddings []string // from the outermost inwards
	word       string   // order, limit, offset, and, or, not.and, not.or; "" for a filter
	field      Field    // of a filter
}

// target reads the name of a parameter: embedding.embedding.word, or a field in
// the place of the word.
func target(name string) (place, error) {
	at := place{param: name}
	for rest := name; ; {
		if at.word = word(rest); at.word != "" {
			return at, nil
		}
		s := &scanner{param: name, text: name, at: len(name) - len(rest)}
		field, err := s.field(".\"")
		switch {
		case err != nil:
			return at, err
		case s.done():
			at.field = field
			return at, nil
		case len(field.Path) > 0 || !s.take("."):
			return at, s.fail("the end of the column name")
		case len(at.embeddings) == maxDepth:
			return at, s.fail("at most " + strconv.Itoa(maxDepth) + " embeddings within each other")
		}
		at.embeddings, rest = append(at.embeddings, field.Column), name[s.at:]
	}
}

// word returns a name if it is not that of a column.
func word(name string) string {
	switch name {
	case "and", "or", "not.and", "not.or", "order", "limit", "offset":
		return name
	}
	return ""
}

// at finds what is asked of an embedding within embeddings.
func (q *Query) at(names []string) (*Query, error) {
	for _, name := range names {
		e := q.Embedded(name)
		if e == nil {
			return nil, &NotEmbeddedError{name}
		}
		q = &e.Query
	}
	return q, nil
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

func parseOrder(q *Query, name, text string) error {
	s := &scanner{param: name, text: text}
	return s.list(func() error {
		term, err := s.term()
		if err != nil {
			return err
		}
		if q.Order = append(q.Order, term); len(q.Order) > maxItems {
			return s.fail("at most " + strconv.Itoa(maxItems) + " terms")
		}
		return nil
	})
}

// term reads field[.asc|.desc][.nullsfirst|.nullslast], where the field may be
// one of an embedding: name(field).
func (s *scanner) term() (term Term, err error) {
	if term.Field, err = s.field(",.()"); err != nil {
		return term, err
	}
	if len(term.Path) == 0 && s.take("(") {
		term.Relation = term.Column
		s.space()
		if term.Field, err = s.field("),"); err != nil {
			return term, err
		}
		if !s.take(")") {
			return term, s.fail("a closing parenthesis")
		}
	}
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
		return term, s.fail("asc, desc, nullsfirst or nullslast")
	}
	return term, nil
}

func parseColumns(name, text string, into *[]string) error {
	s := &scanner{param: name, text: text}
	columns := []string{}
	err := s.list(func() error {
		column, err := s.name(",")
		if columns = append(columns, column); err == nil && len(columns) > maxColumns {
			err = s.fail("at most " + strconv.Itoa(maxColumns) + " columns")
		}
		return err
	})
	*into = columns
	return err
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
