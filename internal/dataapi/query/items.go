package query

import (
	"strconv"
	"strings"
)

func parseSelect(q *Query, text string) error {
	s := &scanner{param: "select", text: text}
	q.Select = []Item{}
	if strings.TrimSpace(text) == "" {
		q.Select = nil
		return nil
	}
	return s.list(func() error {
		item, err := s.item()
		if err != nil {
			return err
		}
		if q.Select = append(q.Select, item); len(q.Select) > maxItems {
			return s.fail("at most " + strconv.Itoa(maxItems) + " columns")
		}
		return nil
	})
}

// item reads [alias:]field[::type].
func (s *scanner) item() (Item, error) {
	const stops = ",:()"
	var item Item
	s.space()
	first, err := s.name(stops)
	if err != nil {
		return item, err
	}
	if s.sees(":") && !s.sees("::") {
		s.at++
		s.space()
		if item.Alias = first; len(item.Alias) > maxName {
			return item, s.fail("an alias of at most " + strconv.Itoa(maxName) + " bytes")
		}
		if first, err = s.name(stops); err != nil {
			return item, err
		}
	}
	item.Column = first
	if item.Path, err = s.path(stops); err != nil {
		return item, err
	}
	if len(item.Path) > 0 && len(item.Name()) > maxName && item.Alias == "" {
		return item, s.fail("an alias, because the key is longer than " + strconv.Itoa(maxName) + " bytes")
	}
	if s.take("::") {
		item.Cast, err = s.typeName()
	}
	s.space()
	return item, err
}

// typeName reads [schema.]name[(n[,n])][[]].
func (s *scanner) typeName() (*Type, error) {
	name, quoted, err := s.typeWord()
	if err != nil {
		return nil, err
	}
	t := &Type{Name: name}
	if s.take(".") {
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
	if strings.HasPrefix(strings.TrimLeft(t.Name, "_"), "reg") {
		return nil, s.fail("a type that is not a name in the system catalogs")
	}
	t.Array = s.take("[]")
	return t, nil
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
