// Package query reads the URL dialect of the data API (PostgREST's) into a
// tree. It is pure: it knows no table, and names in the tree are whatever the
// caller wrote.
//
// Errors say what was expected, and where: the parameter and the position in
// its decoded text. They repeat names, never values.
package query

import "fmt"

// Query is a parsed query string.
type Query struct {
	Select  []Item // nil is every column
	Where   []Cond // all of them must hold
	Order   []Term
	Limit   *int64
	Offset  *int64
	Columns []string // of ?columns=, for writes; nil if not given
}

// Field is a column, or a place inside of its value.
type Field struct {
	Column string // "*" in select stands for all
	Path   []Step
}

// Step goes one level down in a value: to a member of an object or, if Element
// is true, to an element of an array, counted from its end if negative. Text is
// true for the arrow with two heads, which yields text; only the last step may
// be one.
type Step struct {
	Key     string
	Index   int
	Element bool
	Text    bool
}

// Name is what a field is called in an answer: its last key, or its column.
func (f Field) Name() string {
	for i := len(f.Path) - 1; i >= 0; i-- {
		if !f.Path[i].Element {
			return f.Path[i].Key
		}
	}
	return f.Column
}

// Item is one member of the answer.
type Item struct {
	Field
	Alias string // "" for the name of the field
	Cast  *Type  // nil for the field's own type
}

// Type is the name of a type. The names that SQL spells with keywords have been
// replaced by those that PostgreSQL has in its catalog, so that all of them can
// be quoted.
type Type struct {
	Schema    string // "" for the search path
	Name      string
	Modifiers []int // such as the digits of a numeric
	Array     bool
}

// Op is an operator of a filter.
type Op string

// The operators.
const (
	Eq         Op = "eq"
	Neq        Op = "neq"
	Gt         Op = "gt"
	Gte        Op = "gte"
	Lt         Op = "lt"
	Lte        Op = "lte"
	Like       Op = "like" // with * for %
	ILike      Op = "ilike"
	Match      Op = "match" // a regular expression
	IMatch     Op = "imatch"
	In         Op = "in"
	Is         Op = "is"
	IsDistinct Op = "isdistinct"
	Contains   Op = "cs"
	Contained  Op = "cd"
	Overlaps   Op = "ov"
	Left       Op = "sl"  // strictly left of a range
	Right      Op = "sr"  // strictly right of it
	NotRight   Op = "nxr" // does not extend to the right of it
	NotLeft    Op = "nxl"
	Adjacent   Op = "adj"
	Search     Op = "fts" // full text, the query in PostgreSQL's own syntax
	PlainText  Op = "plfts"
	Phrase     Op = "phfts"
	WebSearch  Op = "wfts"
)

// Filter is a condition on one field.
type Filter struct {
	Field
	Negated    bool
	Op         Op
	Quantifier string   // "any" or "all" of the elements of an array in Value, or ""
	Value      string   // for Is: null, not_null, true, false or unknown
	List       []string // for In
	Language   string   // for full text; "" for the database's own
}

// Cond is a condition: a filter, or conditions joined by and, or by or.
type Cond struct {
	Filter  *Filter // nil in a group
	Or      bool    // one member is enough
	Negated bool    // of a group; a filter has its own
	Members []Cond
}

// Term is one part of an order.
type Term struct {
	Field
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
