package query

import (
	"slices"
	"strconv"
	"strings"
)

// selection reads the whole of select.
func (p *parser) selection(text string) error {
	s := &scanner{param: "select", text: text, aggregates: true}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	p.q.Select = []Item{}
	if err := p.members(s, &p.q, 0); err != nil {
		return err
	}
	return s.end()
}

// members reads items up to the end or a closing parenthesis.
func (p *parser) members(s *scanner, q *Query, depth int) error {
	for {
		item, err := p.item(s, depth)
		if err != nil {
			return err
		}
		if q.Select = append(q.Select, item); p.items == maxItems {
			return s.fail("at most " + strconv.Itoa(maxItems) + " columns")
		}
		p.items++
		switch {
		case s.done(), depth > 0 && s.sees(")"):
			return nil
		case !s.take(","):
			return s.fail("a comma or the end")
		}
	}
}

const itemStops = ",:()!"

// item reads [alias:]field[::type], [alias:][field[::type].]aggregate()[::type],
// [alias:]relation[!hint][!inner](members) or ...relation(members).
func (p *parser) item(s *scanner, depth int) (Item, error) {
	var item Item
	s.space()
	spread := s.take("...")
	if spread {
		if p.spreads++; p.spreads > maxSpreads {
			return item, s.fail("at most " + strconv.Itoa(maxSpreads) + " relations to spread")
		}
	}
	first, err := s.name(itemStops)
	if err != nil {
		return item, err
	}
	if !spread && s.sees(":") && !s.sees("::") {
		s.at++
		if s.space(); s.sees("...") {
			return item, s.fail("a relation to spread without an alias")
		}
		if item.Alias = first; len(item.Alias) > maxName {
			return item, s.fail("an alias of at most " + strconv.Itoa(maxName) + " bytes")
		}
		if first, err = s.name(itemStops); err != nil {
			return item, err
		}
	}
	switch {
	case !spread && first == string(Count) && s.take("()"):
		item.Aggregate = Count
		err = s.result(&item)
	case spread || s.sees("!") || s.sees("("):
		item.Embed = &Embed{Relation: first, Spread: spread}
		err = p.embed(s, item.Embed, depth+1)
	default:
		item.Column = first
		err = s.columnItem(&item)
	}
	s.space()
	return item, err
}

// columnItem reads what may follow the name of a column.
func (s *scanner) columnItem(item *Item) (err error) {
	if item.Path, err = s.path(itemStops); err != nil {
		return err
	}
	if n := len(item.Name()); len(item.Path) > 0 && (n == 0 || n > maxName) && item.Alias == "" {
		return s.fail("an alias, because the key is empty or longer than " + strconv.Itoa(maxName) + " bytes")
	}
	if s.take("::") {
		if item.Cast, err = s.typeName(); err != nil {
			return err
		}
	}
	if a, n := s.aggregate(); n > 0 {
		item.Aggregate = a
		s.at += n
		return s.result(item)
	}
	return nil
}

// result reads the type that an aggregate is cast to, if there is one.
func (s *scanner) result(item *Item) (err error) {
	if s.take("::") {
		item.Result, err = s.typeName()
	}
	return err
}

// aggregate looks for .sum() and its like, and says how long it is.
func (s *scanner) aggregate() (a Aggregate, length int) {
	for _, a := range []Aggregate{Count, Sum, Avg, Min, Max} {
		if s.sees("." + string(a) + "()") {
			return a, len(a) + len(".()")
		}
	}
	return "", 0
}

// embed reads [!hint][!inner|!left](members).
func (p *parser) embed(s *scanner, e *Embed, depth int) error {
	if depth > maxDepth {
		return s.fail("at most " + strconv.Itoa(maxDepth) + " embeddings within each other")
	}
	joined := false
	for s.take("!") {
		word, err := s.name(itemStops)
		switch {
		case err != nil:
			return err
		case !joined && (word == "inner" || word == "left"):
			joined, e.Inner = true, word == "inner"
		case e.Hint == "":
			e.Hint = word
		default:
			return s.fail("one hint, and inner or left")
		}
	}
	if !s.take("(") {
		return s.fail("what to select, in parentheses")
	}
	e.Query.Select = []Item{}
	s.space()
	if !s.sees(")") {
		if err := p.members(s, &e.Query, depth); err != nil {
			return err
		}
	}
	if !s.take(")") {
		return s.fail("a closing parenthesis")
	}
	return nil
}

// typeName reads [schema.]name[(n[,n])][[]].
func (s *scanner) typeName() (*Type, error) {
	name, quoted, err := s.typeWord()
	if err != nil {
		return nil, err
	}
	t := &Type{Name: name}
	if _, n := s.aggregate(); n == 0 && s.take(".") {
		t.Schema = name
		if t.Name, quoted, err = s.typeWord(); err != nil {
			return nil, err
		}
	}
	if t.Modifiers, err = s.modifiers(); err != nil {
		return nil, err
	}
	if t.Schema == "" && !quoted {
		if known, ok := spelled[t.Name]; ok {
			t.Name = known
		}
		if t.Modifiers == nil && fixed[name] {
			t.Modifiers = []int{1}
		}
	}
	if !ofValues(t) {
		return nil, s.fail("a type of values, and not of names in the system catalogs")
	}
	if !cuts[t.Name] && slices.ContainsFunc(t.Modifiers, func(n int) bool { return n > maxLength }) {
		return nil, s.fail("a length of at most " + strconv.Itoa(maxLength) + " for a type that fills up to it")
	}
	t.Array = s.take("[]")
	return t, nil
}

// cuts are the types whose length makes a value shorter and never longer.
var cuts = map[string]bool{"varchar": true, "varbit": true}

// ofValues says whether a type is one that a value can be shown as. Others tell
// who and what there is in the database, or are PostgreSQL's placeholders for
// types, to which a cast fails in ways that it does not foresee.
func ofValues(t *Type) bool {
	name := strings.TrimLeft(t.Name, "_")
	return !strings.HasPrefix(name, "reg") && (t.Schema != "" && t.Schema != "pg_catalog" || !slices.Contains(noValues, name))
}

var noValues = []string{
	"aclitem", "unknown", "record", "cstring", "void", "internal", "trigger", "event_trigger", "pg_ddl_command",
	"any", "anyelement", "anyarray", "anynonarray", "anyenum", "anyrange", "anymultirange",
	"anycompatible", "anycompatiblearray", "anycompatiblenonarray", "anycompatiblerange", "anycompatiblemultirange",
	"language_handler", "fdw_handler", "index_am_handler", "table_am_handler", "tsm_handler",
}

// spelled is what SQL's names of types are in PostgreSQL's catalog.
var spelled = map[string]string{
	"int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "real": "float4", "float": "float8",
	"double precision": "float8", "boolean": "bool", "decimal": "numeric", "dec": "numeric",
	"char": "bpchar", "character": "bpchar", "character varying": "varchar", "bit varying": "varbit",
	"timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
	"time with time zone": "timetz", "time without time zone": "time",
}

// fixed are the types that have the length 1 where none is given.
var fixed = map[string]bool{"char": true, "character": true, "bit": true}

// typeWord reads a name: in quotes, or of letters, digits, underscores and
// single spaces, which SQL takes in lower case.
func (s *scanner) typeWord() (word string, quoted bool, err error) {
	const expected = "the name of a type"
	if s.sees(`"`) {
		word, err = s.quoted()
		if err == nil && (word == "" || len(word) > maxName) {
			err = s.fail(expected)
		}
		return word, true, err
	}
	start := s.at
	for !s.done() && wordByte(s.text[s.at]) {
		s.at++
	}
	word = strings.ToLower(strings.TrimSpace(s.text[start:s.at]))
	if word == "" || len(word) > maxName || word[0] >= '0' && word[0] <= '9' {
		return "", false, s.fail(expected)
	}
	return word, false, nil
}

func wordByte(c byte) bool {
	return c == '_' || c == ' ' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// modifiers reads (n[,n]), if there is one.
func (s *scanner) modifiers() ([]int, error) {
	if !s.take("(") {
		return nil, nil
	}
	var list []int
	for len(list) < 2 {
		n, err := strconv.ParseUint(strings.TrimSpace(s.until(",)")), 10, 31)
		if err != nil {
			break
		}
		list = append(list, int(n))
		if s.take(")") {
			return list, nil
		}
		s.take(",")
	}
	return nil, s.fail("one or two whole numbers and a closing parenthesis")
}
