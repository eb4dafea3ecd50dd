// Package plan turns a query tree and a table of the catalog into one SQL
// statement. It is pure.
//
// Two rules make injection impossible by construction: identifiers and types
// come from the catalog only, and everything a caller wrote travels as a
// parameter.
package plan

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Statement is a statement with its parameters. Where it returns rows it
// returns one, of two columns or three: the answer, how many rows are in it, and
// with Counted how many there are on all pages or, of an upsert, how many the
// transaction has merged so far.
type Statement struct {
	SQL     string
	Args    []any
	Returns bool
	Counted bool
	Header  string // of a CSV answer: its first line

	about []string // the column that each argument is for
	marks []mark
}

// ErrTooLarge says that a request comes to more than anybody needs: what is said
// about an embedding is repeated wherever rows depend on it.
var ErrTooLarge = errors.New("the statement is too large")

// A statement has conditions and parameters, each of which is a part, and
// levels, which take PostgreSQL about as long as ten.
const (
	maxParts  = 10_000
	levelPart = 10
)

// ErrAggregates says that functions over rows are not allowed here.
var ErrAggregates = errors.New("use of aggregate functions is not allowed")

// UnknownColumnError names a column that the table does not have.
type UnknownColumnError struct {
	Table  string
	Column string
}

// Error implements error, in PostgreSQL's words.
func (e *UnknownColumnError) Error() string {
	return fmt.Sprintf("column %s.%s does not exist", e.Table, e.Column)
}

// UnknownTypeError names a type that does not exist, for all that the caller is to
// know.
type UnknownTypeError struct{ Type *query.Type }

// Error implements error, in PostgreSQL's words.
func (e *UnknownTypeError) Error() string {
	name := e.Type.Name
	if e.Type.Schema != "" {
		name = e.Type.Schema + "." + name
	}
	if e.Type.Array {
		name += "[]"
	}
	return fmt.Sprintf(`type "%s" does not exist`, name)
}

// Answer is the shape of what a statement returns, and what it may be made of.
type Answer struct {
	Returning Returning // by a write
	CSV       bool      // lines instead of JSON; Statement.Header is the first one
	Stripped  bool      // without members that are null
	GeoJSON   string    // one FeatureCollection, of what this function makes of the rows; "" is not
	Count     bool      // also of the rows on other pages

	Aggregates bool                      // whether functions over rows may be used
	Serves     func(*catalog.Table) bool // which tables may be embedded; nil is all
	Hides      func(*query.Type) bool    // which types are not to be known; nil is none
}

// Returning is what a write answers with.
type Returning int

// What a write may answer with.
const (
	Nothing Returning = iota
	Keys              // the primary key of the rows
	Rows              // the selected columns of the rows
)

// builder collects the text and the parameters of a statement. The first error
// stays.
type builder struct {
	*level // that is being written

	sql   strings.Builder
	args  []any
	about []string
	marks []mark
	err   error

	answer  Answer
	maxRows int64 // of each table in the answer; 0 is no bound
	joins   map[*query.Embed]*catalog.Relation
	spreads int // that have got a name
	parts   int // that have been written
	semi    int // conditions on embeddings in the current subquery

	counted bool
	header  string
	counts  string // rows that the answer is about; "" for those in it
	extra   string // columns beside the answer
	scalar  bool   // the rows of the answer are values, called v
	single  bool   // there is one of them, which is no array
}

// newBuilder begins a statement about a table.
func newBuilder(table *catalog.Table, answer Answer) *builder {
	return &builder{level: &level{table: table, alias: "r", rows: true}, answer: answer, joins: map[*query.Embed]*catalog.Relation{}}
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *builder) text(parts ...string) {
	for _, p := range parts {
		b.sql.WriteString(p)
	}
}

// part counts parts of the statement, and says whether to write them: there is
// no use in going on after a failure.
func (b *builder) part(n int) bool {
	if b.parts += n; b.parts > maxParts {
		b.fail(ErrTooLarge)
	}
	return b.err == nil
}

// arg adds a parameter and returns its placeholder.
func (b *builder) arg(value any) string {
	b.part(1)
	b.args, b.about = append(b.args, value), append(b.about, b.marked())
	return "$" + strconv.Itoa(len(b.args))
}

func (b *builder) statement(returns bool) (Statement, error) {
	if b.err != nil {
		return Statement{}, b.err
	}
	return Statement{
		SQL: b.sql.String(), Args: b.args, Returns: returns, Counted: b.counted, Header: b.header, about: b.about, marks: b.marks,
	}, nil
}

// Read plans a SELECT. maxRows bounds the answer; 0 is no bound.
func Read(table *catalog.Table, q query.Query, maxRows int64, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.maxRows, b.bound = maxRows, maxRows
	b.envelope(answer, &q, func() { b.count(&q) })
	b.selection(&q)
	b.limit(&q)
	b.text(") t")
	return b.statement(true)
}

// count counts the rows on all pages.
func (b *builder) count(q *query.Query) {
	b.apart(func() {
		b.text("select count(*)")
		if b.grouped(q.Select) {
			b.text(" from (")
			b.selection(&query.Query{Select: q.Select, Where: q.Where})
			b.text(") c")
			return
		}
		b.from(nil)
		b.where(q)
	})
}

// typeName writes a type. All of its names are in quotes, so that it can be
// nothing else.
func typeName(t *query.Type) string {
	var s strings.Builder
	if t.Schema != "" {
		s.WriteString(postgres.Quote(t.Schema) + ".")
	}
	s.WriteString(postgres.Quote(t.Name))
	for i, n := range t.Modifiers {
		s.WriteString([]string{"(", ", "}[min(i, 1)] + strconv.Itoa(n))
	}
	if t.Modifiers != nil {
		s.WriteByte(')')
	}
	if t.Array {
		s.WriteString("[]")
	}
	return s.String()
}

// arrayLiteral writes PostgreSQL's text form of an array. The elements are
// quoted, so that none is taken for NULL or for structure.
func arrayLiteral(elements []string) string {
	var s strings.Builder
	s.WriteByte('{')
	for i, e := range elements {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteByte('"')
		for _, c := range []byte(e) {
			if c == '"' || c == '\\' {
				s.WriteByte('\\')
			}
			s.WriteByte(c)
		}
		s.WriteByte('"')
	}
	s.WriteByte('}')
	return s.String()
}
