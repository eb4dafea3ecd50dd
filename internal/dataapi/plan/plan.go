// Package plan turns a query tree and a table of the catalog into one SQL
// statement. It is pure.
//
// Two rules make injection impossible by construction: identifiers and types
// come from the catalog only, and everything a caller wrote travels as a
// parameter.
package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// Statement is a statement with its parameters. Where it returns rows it
// returns one, of two columns or three: the answer, how many rows are in it, and
// with Counted how many there are.
type Statement struct {
	SQL     string
	Args    []any
	Returns bool
	Counted bool
	Header  string // of a CSV answer: its first line

	about []string // the column that each argument is for
	marks []mark
}

// UnknownColumnError names a column that the table does not have.
type UnknownColumnError struct {
	Table  string
	Column string
}

// Error implements error, in PostgreSQL's words.
func (e *UnknownColumnError) Error() string {
	return fmt.Sprintf("column %s.%s does not exist", e.Table, e.Column)
}

// Answer is the shape of what a statement returns.
type Answer struct {
	Returning Returning // by a write
	CSV       bool      // lines instead of JSON; Statement.Header is the first one
	Stripped  bool      // without members that are null
	Count     bool      // also of the rows on other pages
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
	table *catalog.Table
	sql   strings.Builder
	args  []any
	about []string
	marks []mark
	err   error

	counted bool
	header  string
}

func (b *builder) text(parts ...string) {
	for _, p := range parts {
		b.sql.WriteString(p)
	}
}

// arg adds a parameter and returns its placeholder.
func (b *builder) arg(value any) string {
	b.args, b.about = append(b.args, value), append(b.about, b.marked())
	return "$" + strconv.Itoa(len(b.args))
}

// column returns a column of the table as an expression. It is qualified,
// because ORDER BY would take an alias of the answer for a plain name.
func (b *builder) column(name string) string { return "r." + b.name(name) }

// name returns the quoted name of a column of the table.
func (b *builder) name(name string) string {
	if _, ok := b.table.Column(name); !ok {
		if b.err == nil {
			b.err = &UnknownColumnError{b.table.Name, name}
		}
		return ""
	}
	return Quote(name)
}

// Quote makes an SQL identifier of any text without NUL.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// from names the table, as r.
func (b *builder) from() string { return Quote(b.table.Schema) + "." + Quote(b.table.Name) + " as r" }

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
	b := &builder{table: table}
	b.envelope(answer, q.Select, func() {
		b.text("select count(*) from ", b.from())
		b.where(q.Where)
	})
	b.text("select ")
	b.items(q.Select)
	b.text(" from ", b.from())
	b.where(q.Where)
	b.order(q.Order)
	b.limit(q, maxRows)
	b.text(") t")
	return b.statement(true)
}

func (b *builder) items(items []query.Item) {
	if items == nil {
		b.text("r.*")
		return
	}
	for i, item := range items {
		if i > 0 {
			b.text(", ")
		}
		b.item(item)
	}
}

func (b *builder) item(item query.Item) {
	if item.Column == "*" && item.Alias == "" && item.Path == nil && item.Cast == nil {
		b.text("r.*")
		return
	}
	b.mark(item.Column)
	expression, name := b.field(item.Field, true), item.Alias
	if name == "" && (item.Path != nil || item.Cast != nil) {
		name = item.Name()
	}
	if item.Cast != nil {
		expression = "cast(" + expression + " as " + typeName(item.Cast) + ")"
	}
	b.text(expression)
	if name != "" {
		b.text(" as ", Quote(name))
	}
}

// typeName writes a type. All of its names are in quotes, so that it can be
// nothing else.
func typeName(t *query.Type) string {
	var s strings.Builder
	if t.Schema != "" {
		s.WriteString(Quote(t.Schema) + ".")
	}
	s.WriteString(Quote(t.Name))
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

// field returns a column, or a place inside of its value. What is compared or
// sorted is jsonb, since json can be neither.
func (b *builder) field(f query.Field, shown bool) string {
	expression := b.column(f.Column)
	if len(f.Path) == 0 {
		return expression
	}
	column, _ := b.table.Column(f.Column)
	if column.Type != "pg_catalog.jsonb" && (column.Type != "pg_catalog.json" || !shown) {
		expression = "to_jsonb(" + expression + ")"
	}
	for _, step := range f.Path {
		arrow := " -> "
		if step.Text {
			arrow = " ->> "
		}
		if step.Element {
			expression += arrow + b.arg(int64(step.Index)) + "::int4"
		} else {
			expression += arrow + b.arg(step.Key) + "::text"
		}
	}
	return "(" + expression + ")"
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

func (b *builder) order(terms []query.Term) {
	for i, t := range terms {
		if i == 0 {
			b.text(" order by ")
		} else {
			b.text(", ")
		}
		b.mark(t.Column)
		b.text(b.field(t.Field, false))
		if t.Descending {
			b.text(" desc")
		}
		switch t.Nulls {
		case "first":
			b.text(" nulls first")
		case "last":
			b.text(" nulls last")
		}
	}
}

func (b *builder) limit(q query.Query, maxRows int64) {
	limit := q.Limit
	if maxRows > 0 && (limit == nil || *limit > maxRows) {
		limit = &maxRows
	}
	b.mark("")
	if limit != nil {
		b.text(" limit ", b.arg(*limit))
	}
	if q.Offset != nil {
		b.text(" offset ", b.arg(*q.Offset))
	}
}
