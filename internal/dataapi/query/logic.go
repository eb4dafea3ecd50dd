package query

import (
	"strconv"
	"strings"
)

// logic reads a parameter: or=(a.eq.1,and(b.gt.2,c.not.is.null)).
func (p *parser) logic(q *Query, at place, text string) error {
	s := &scanner{param: at.param, text: text}
	kind, negated := strings.CutPrefix(at.word, "not.")
	c := Cond{Or: kind == "or", Negated: negated}
	if err := p.group(s, &c, 1); err != nil {
		return err
	}
	q.Where = append(q.Where, c)
	return s.end()
}

// group reads the members of a group, in parentheses.
func (p *parser) group(s *scanner, c *Cond, depth int) error {
	s.space()
	if depth > maxDepth {
		return s.fail("at most " + strconv.Itoa(maxDepth) + " conditions within each other")
	}
	if !s.take("(") {
		return s.fail("conditions in parentheses")
	}
	for {
		s.space()
		member, err := p.member(s, depth)
		if err != nil {
			return err
		}
		c.Members = append(c.Members, member)
		s.space()
		switch {
		case s.take(","):
		case s.take(")"):
			s.space()
			return nil
		default:
			return s.fail("a comma or a closing parenthesis")
		}
	}
}

// member reads [not.]and(...), [not.]or(...) or a field with its condition.
func (p *parser) member(s *scanner, depth int) (Cond, error) {
	start := s.at
	negated := s.take("not.")
	if c, ok := s.junction(); ok {
		c.Negated = negated
		return c, p.group(s, &c, depth+1)
	}
	if negated && s.operatorNext() { // a column called not
		s.at, negated = start, false
	}
	field, err := s.field(".,()")
	if err != nil {
		return Cond{}, err
	}
	if !s.take(".") {
		return Cond{}, s.fail(expectOperator)
	}
	f := &Filter{Field: field}
	err = p.condition(s, f, true)
	f.Negated = f.Negated != negated
	return Cond{Filter: f}, err
}

// junction reads and, or or, if an opening parenthesis is next.
func (s *scanner) junction() (Cond, bool) {
	start := s.at
	for _, word := range []string{"and", "or"} {
		if s.take(word) {
			if s.space(); s.sees("(") {
				return Cond{Or: word == "or"}, true
			}
		}
		s.at = start
	}
	return Cond{}, false
}

// operatorNext says whether an operator and a dot are next.
func (s *scanner) operatorNext() bool {
	look := *s
	op := Op(look.until(".(,)"))
	return op == "not" || formOf(op) != unknown && !look.done() && look.text[look.at] != ','
}
