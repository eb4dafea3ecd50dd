package query

import (
	"strconv"
	"strings"
)

// scanner walks the text of one parameter.
type scanner struct {
	param string
	text  string
	at    int
}

func (s *scanner) fail(expected string) error { return &Error{s.param, s.at, expected} }

func (s *scanner) done() bool { return s.at >= len(s.text) }

// take consumes a prefix.
func (s *scanner) take(prefix string) bool {
	if !strings.HasPrefix(s.text[s.at:], prefix) {
		return false
	}
	s.at += len(prefix)
	return true
}

// until consumes text up to one of the stops, or the end.
func (s *scanner) until(stops string) string {
	rest := s.text[s.at:]
	n := strings.IndexAny(rest, stops)
	if n < 0 {
		n = len(rest)
	}
	s.at += n
	return rest[:n]
}

// quoted consumes a double-quoted string, in which a backslash makes the next
// character plain. The opening quote has been seen but not consumed.
func (s *scanner) quoted() (string, error) {
	s.at++
	var b strings.Builder
	for !s.done() {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\' && !s.done():
			b.WriteByte(s.text[s.at])
			s.at++
		default:
			b.WriteByte(c)
		}
	}
	return "", s.fail(`a closing "`)
}

// name consumes a column name, quoted or plain.
func (s *scanner) name(stops string) (string, error) {
	if strings.HasPrefix(s.text[s.at:], `"`) {
		return s.quoted()
	}
	n := strings.TrimSpace(s.until(stops))
	if n == "" {
		return "", s.fail("a column name")
	}
	return n, nil
}

// list calls f for each member of a comma-separated list, until the end.
func (s *scanner) list(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
		if s.done() {
			return nil
		}
		if !s.take(",") {
			return s.fail("a comma or the end")
		}
	}
}

func parseSelect(q *Query, text string) error {
	s := &scanner{param: "select", text: text}
	q.Select = []Item{}
	if strings.TrimSpace(text) == "" {
		q.Select = nil
		return nil
	}
	return s.list(func() error {
		first, err := s.name(",:()")
		if err != nil {
			return err
		}
		item := Item{Column: first}
		if s.take(":") {
			if item.Column, err = s.name(",:()"); err != nil {
				return err
			}
			item.Alias = first
		}
		if len(item.Alias) > maxName {
			return s.fail("an alias of at most " + strconv.Itoa(maxName) + " bytes")
		}
		if q.Select = append(q.Select, item); len(q.Select) > maxItems {
			return s.fail("at most " + strconv.Itoa(maxItems) + " columns")
		}
		return nil
	})
}

func parseOrder(q *Query, text string) error {
	s := &scanner{param: "order", text: text}
	return s.list(func() error {
		column, err := s.name(",.")
		if err != nil {
			return err
		}
		term := Term{Column: column}
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
		q.Columns = append(q.Columns, column)
		return err
	})
}

func parseCount(name, text string, into **int64) error {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return &Error{name, 0, "a whole number from 0"}
	}
	count := int64(n)
	*into = &count
	return nil
}

// parseFilter reads column=[not.]op.value.
func parseFilter(name, text string) (Filter, error) {
	var f Filter
	column := &scanner{param: name, text: name}
	var err error
	if f.Column, err = column.name("\""); err != nil {
		return f, err
	}
	if !column.done() {
		return f, column.fail("the end of the column name")
	}
	s := &scanner{param: f.Column, text: text}
	f.Negated = s.take("not.")
	start := s.at
	f.Op = Op(s.until("."))
	if !known[f.Op] || !s.take(".") {
		s.at = start
		return f, s.fail("an operator (eq, neq, gt, gte, lt, lte, in, is) and a dot")
	}
	switch f.Op {
	case In:
		f.List, err = s.members()
	case Is:
		f.Value = strings.ToLower(s.text[s.at:])
		if !truths[f.Value] {
			return f, s.fail("null, not_null, true, false or unknown")
		}
	case Eq, Neq, Gt, Gte, Lt, Lte:
		f.Value = s.text[s.at:]
	}
	return f, err
}

var (
	known  = map[Op]bool{Eq: true, Neq: true, Gt: true, Gte: true, Lt: true, Lte: true, In: true, Is: true}
	truths = map[string]bool{"null": true, "not_null": true, "true": true, "false": true, "unknown": true}
)

// members reads (a,"b,c",d). An empty pair of parentheses is an empty list.
func (s *scanner) members() ([]string, error) {
	if !s.take("(") {
		return nil, s.fail("a list in parentheses")
	}
	list := []string{}
	if s.take(")") {
		return list, s.end()
	}
	for {
		var member string
		if strings.HasPrefix(s.text[s.at:], `"`) {
			var err error
			if member, err = s.quoted(); err != nil {
				return nil, err
			}
		} else {
			member = s.until(",)")
		}
		list = append(list, member)
		switch {
		case s.take(","):
		case s.take(")"):
			return list, s.end()
		default:
			return nil, s.fail("a comma or a closing parenthesis")
		}
	}
}

func (s *scanner) end() error {
	if !s.done() {
		return s.fail("the end")
	}
	return nil
}
