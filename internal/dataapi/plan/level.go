package plan

import (
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// level is a table within a statement: the one that it is about, or one that is
// embedded.
type level struct {
	table  *catalog.Table
	alias  string
	source string // what stands in the place of the table; "" for the table itself
	rows   bool   // the alias has the row type of the table
	bound  int64  // of rows; 0 is none

	path  string // what names of columns are preceded by in complaints
	depth int

	// Of what is embedded:
	junction string   // what else has to be in FROM
	joined   []string // how the rows belong to one of the level around
	hoists   bool     // aggregates are left to the level around
}

// within writes something about another level.
func (b *builder) within(l *level, write func()) {
	if !b.part(levelPart) {
		return
	}
	outer := b.level
	b.level = l
	write()
	b.level = outer
}

// name returns the quoted name of a column of the table.
func (b *builder) name(name string) string {
	if _, ok := b.table.Column(name); !ok {
		b.fail(&UnknownColumnError{b.table.Name, name})
		return ""
	}
	return postgres.Quote(name)
}

// column returns a column of the table as an expression, with its type. It is
// qualified, because ORDER BY would take an alias of the answer for a plain name.
func (b *builder) column(name string) (expression, base string) {
	if c, ok := b.table.Column(name); ok {
		return b.alias + "." + postgres.Quote(name), c.Type
	}
	if f := b.table.ComputedColumn(name); f != nil {
		return postgres.Quote(f.Schema, f.Name) + "(" + b.row() + ")", f.Type.SQL
	}
	b.fail(&UnknownColumnError{b.table.Name, name})
	return "", ""
}

// row is a whole row as a value of the table's type, for functions.
func (b *builder) row() string {
	if b.rows {
		return b.alias + ".*"
	}
	fields := make([]string, len(b.table.Columns))
	for i, c := range b.table.Columns {
		fields[i] = b.alias + "." + postgres.Quote(c.Name)
	}
	return "row(" + strings.Join(fields, ", ") + ")::" + tableName(b.table)
}

func tableName(t *catalog.Table) string { return postgres.Quote(t.Schema, t.Name) }

// place is what stands in FROM for the level.
func (l *level) place() string {
	if l.source != "" {
		return l.source + " as " + l.alias
	}
	return tableName(l.table) + " as " + l.alias
}

// from writes the table, and the rows that are spread into its own.
func (b *builder) from(spreads []spread) {
	b.text(" from ", b.place(), b.junction)
	for _, s := range spreads {
		b.lateral(s)
	}
}

// field returns a column, or a place inside of its value. What is compared or
// sorted is jsonb, since json can be neither.
func (b *builder) field(f query.Field, shown bool) string {
	expression, base := b.column(f.Column)
	if len(f.Path) == 0 {
		return expression
	}
	if base != "pg_catalog.jsonb" && (base != "pg_catalog.json" || !shown) {
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

func (b *builder) order(q *query.Query) {
	for i, t := range q.Order {
		if i == 0 {
			b.text(" order by ")
		} else {
			b.text(", ")
		}
		if t.Relation == "" {
			b.mark(t.Column)
			b.text(b.field(t.Field, false))
		} else {
			b.related(q, t)
		}
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

func (b *builder) limit(q *query.Query) {
	limit := q.Limit
	if b.bound > 0 && (limit == nil || *limit > b.bound) {
		limit = &b.bound
	}
	b.mark("")
	if limit != nil {
		b.text(" limit ", b.arg(*limit))
	}
	if q.Offset != nil {
		b.text(" offset ", b.arg(*q.Offset))
	}
}
