package query

import (
	"strconv"
	"strings"
)

// form is what may stand around the value of an operator.
type form int

const (
	unknown    form = iota
	plain           // op.value
	quantified      // op(any).{a,b} as well
	list            // op.(a,b)
	truth           // op.null
	search          // op(language).value as well
)

func formOf(op Op) form {
	switch op {
	case Eq, Gt, Gte, Lt, Lte, Like, ILike, Match, IMatch:
		return quantified
	case Neq, IsDistinct, Contains, Contained, Overlaps, Left, Right, NotRight, NotLeft, Adjacent:
		return plain
	case In:
		return list
	case Is:
		return truth
	case Search, PlainText, Phrase, WebSearch:
		return search
	}
	return unknown
}

const expectOperator = "an operator (eq, neq, gt, gte, lt, lte, like, ilike, match, imatch, in, is, isdistinct, " +
	"cs, cd, ov, sl, sr, nxr, nxl, adj, fts, plfts, phfts, wfts) and a dot"

// filter reads a parameter: column=[not.]op.value.
func (p *parser) filter(q *Query, at place, text string) error {
	f := &Filter{Field: at.field}
	s := &scanner{param: at.param, text: text}
	if len(f.Path) == 0 && at.embeddings == nil {
		s.param = f.Column
	}
	if err := p.condition(s, f, false); err != nil {
		return err
	}
	q.Where = append(q.Where, Cond{Filter: f})
	return s.end()
}

// condition reads [not.]op.value. Within parentheses a value ends at a comma or
// a parenthesis, unless it is in quotes or braces.
func (p *parser) condition(s *scanner, f *Filter, nested bool) error {
	if p.conditions++; p.conditions > maxConditions {
		return s.fail("at most " + strconv.Itoa(maxConditions) + " conditions")
	}
	f.Negated = s.take("not.")
	start := s.at
	f.Op = Op(s.until(".(,) "))
	form := formOf(f.Op)
	if form == unknown {
		s.at = start
		return s.fail(expectOperator)
	}
	if err := s.modifier(f, form); err != nil {
		return err
	}
	if !s.take(".") {
		s.at = start
		return s.fail(expectOperator)
	}
	var err error
	switch form {
	case list:
		f.List, err = s.members()
	case truth:
		start := s.at
		f.Value, err = s.value(nested)
		if f.Value = strings.ToLower(strings.TrimSpace(f.Value)); err == nil && !truths[f.Value] {
			s.at = start
			err = s.fail("null, not_null, true, false or unknown")
		}
	default:
		f.Value, err = s.value(nested)
	}
	return err
}

// modifier reads what stands in parentheses after an operator.
func (s *scanner) modifier(f *Filter, form form) error {
	if form != quantified && form != search || !s.take("(") {
		return nil
	}
	start := s.at
	word := s.until("()")
	if form == quantified && (word == "any" || word == "all") {
		f.Quantifier = word
	} else if form == search && word != "" && len(word) <= maxName {
		f.Language = word
	} else {
		s.at = start
		if form == quantified {
			return s.fail("any or all")
		}
		return s.fail("a language")
	}
	if !s.take(")") {
		return s.fail("a closing parenthesis")
	}
	return nil
}

var truths = map[string]bool{"null": true, "not_null": true, "true": true, "false": true, "unknown": true}

// value reads the rest of a parameter or, within parentheses, what is in quotes
// or braces, or else up to the next comma or parenthesis.
func (s *scanner) value(nested bool) (string, error) {
	switch {
	case !nested:
		rest := s.text[s.at:]
		s.at = len(s.text)
		return rest, nil
	case s.sees(`"`):
		return s.quoted()
	case s.sees("{"):
		return s.braces()
	default:
		return s.until(",)"), nil
	}
}

// braces reads an array or an object as it is, up to its last brace.
func (s *scanner) braces() (string, error) {
	start, open, within := s.at, 0, false
	for !s.done() {
		c := s.text[s.at]
		s.at++
		switch {
		case within && c == '\\' && !s.done():
			s.at++
		case c == '"':
			within = !within
		case within:
		case c == '{':
			open++
		case c == '}':
			if open--; open == 0 {
				return s.text[start:s.at], nil
			}
		}
	}
	return "", s.fail("a closing }")
}

// members reads (a,"b,c",d). An empty pair of parentheses is an empty list.
func (s *scanner) members() ([]string, error) {
	if !s.take("(") {
		return nil, s.fail("a list in parentheses")
	}
	list := []string{}
	if s.take(")") {
		return list, nil
	}
	for {
		var member string
		if s.sees(`"`) {
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
			return list, nil
		default:
			return nil, s.fail("a comma or a closing parenthesis")
		}
	}
}
