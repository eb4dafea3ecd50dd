// Package query reads the URL dialect of the data API (PostgREST's) into a
// tree. It is pure: it knows no table, and names in the tree are whatever the
// caller wrote.
//
// Errors say what was expected, and where: the parameter and the position in
// its decoded text. They repeat names, never values.
package query

import "fmt"

// Query is a parsed query string, or what it says about an embedding, which
// has no Columns and OnConflict.
type Query struct {
	Select  []Item // nil is every column, and an empty list none
	Where   []Cond // all of them must hold
	Order   []Term
	Limit   *int64
	Offset  *int64
	Columns []string // of ?columns=, for writes; nil if not given

	OnConflict []string // the columns of a unique key, for inserts; nil if not given
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

// Item is one member of the answer: a field, an aggregate or an embedding.
type Item struct {
	Field        // without a column in an embedding, and where Aggregate counts rows
	Alias string // "" for the name of the field
	Cast  *Type  // nil for the field's own type

	Aggregate Aggregate // of the field's values; "" for the field itself
	Result    *Type     // that the aggregate is cast to; nil for its own
	Embed     *Embed    // nil for anything but an embedding
}

// Key is what an item is called in an answer.
func (i Item) Key() string {
	switch {
	case i.Alias != "":
		return i.Alias
	case i.Embed != nil:
		return i.Embed.Relation
	case i.Aggregate != "":
		return string(i.Aggregate)
	}
	return i.Name()
}

// Aggregate is a function over the values of many rows.
type Aggregate string

// The aggregates.
const (
	Count Aggregate = "count" // of values that are not null; without a column, of rows
	Sum   Aggregate = "sum"
	Avg   Aggregate = "avg"
	Min   Aggregate = "min"
	Max   Aggregate = "max"
)

// Embed is the rows of another table that belong to each row.
type Embed struct {
	Relation string // the name of a table, a foreign key, its column, or a function
	Hint     string // which of several relations; "" for none
	Inner    bool   // only rows that have some
	Spread   bool   // their members take the place of the embedding
	Query    Query  // what about them
}

// Embedding returns the item of an embedding, by what it is called in the answer,
// or nil.
func (q *Query) Embedding(name string) *Item {
	for i := range q.Select {
		if q.Select[i].Embed != nil && q.Select[i].Key() == name {
			return &q.Select[i]
		}
	}
	return nil
}

// Embedded returns what is asked of an embedding, or nil.
func (q *Query) Embedded(name string) *Embed {
	if item := q.Embedding(name); item != nil {
		return item.Embed
	}
	return nil
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
	Relation   string // the embedding whose field it is; "" for a field of the row itself
	Descending bool
	Nulls      string // "first", "last" or ""
}

// NotEmbeddedError names an embedding that a parameter is about and select does
// not have.
type NotEmbeddedError struct{ Name string }

// Error implements error.
func (e *NotEmbeddedError) Error() string {
	return fmt.Sprintf("%q is not an embedded resource in this request", e.Name)
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
