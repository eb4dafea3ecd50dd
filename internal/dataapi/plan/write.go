package plan

import (
	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// Insert plans an INSERT of the rows in a JSON array, which all have the named
// columns. Without columns it inserts one row of defaults.
func Insert(table *catalog.Table, q query.Query, columns []string, rows string, answer Answer) (Statement, error) {
	b := &builder{table: table}
	b.write(q, answer, func() {
		b.text("insert into ", b.from())
		if len(columns) == 0 {
			b.text(" default values")
			return
		}
		b.text(" (")
		b.names(columns, "")
		b.text(") select ")
		b.names(columns, "j.")
		b.text(" from json_to_recordset(", b.arg(rows), "::json) as j(")
		b.definitions(columns)
		b.text(")")
	})
	return b.statement(answer.Returning != Nothing)
}

// Update plans an UPDATE of the rows that the filters select, with the named
// columns of a JSON object.
func Update(table *catalog.Table, q query.Query, columns []string, object string, answer Answer) (Statement, error) {
	b := &builder{table: table}
	b.write(q, answer, func() {
		b.text("update ", b.from(), " set (")
		b.names(columns, "")
		b.text(") = (select ")
		b.names(columns, "j.")
		b.text(" from json_to_record(", b.arg(object), "::json) as j(")
		b.definitions(columns)
		b.text("))")
		b.where(q.Where)
	})
	return b.statement(answer.Returning != Nothing)
}

// Delete plans a DELETE of the rows that the filters select.
func Delete(table *catalog.Table, q query.Query, answer Answer) (Statement, error) {
	b := &builder{table: table}
	b.write(q, answer, func() {
		b.text("delete from ", b.from())
		b.where(q.Where)
	})
	return b.statement(answer.Returning != Nothing)
}

// write wraps a writing statement in the query that makes the answer of what it
// returns. Nothing is returned unless asked for, because PostgreSQL applies the
// policies for SELECT to what a write returns.
func (b *builder) write(q query.Query, answer Answer, statement func()) {
	if answer.Returning == Nothing {
		statement()
		return
	}
	b.text("with written as (")
	statement()
	b.mark("")
	b.text(" returning *) ")
	if answer.Returning == Keys {
		b.envelope(Answer{}, nil, nil)
		b.text("select ")
		b.names(b.table.PrimaryKey, "")
	} else {
		b.envelope(answer, q.Select, nil)
		b.text("select ")
		b.items(q.Select)
	}
	b.text(" from written as r")
	b.order(q.Order)
	b.text(") t")
}

func (b *builder) names(columns []string, prefix string) {
	for i, c := range columns {
		if i > 0 {
			b.text(", ")
		}
		b.text(prefix, b.name(c))
	}
}

func (b *builder) definitions(columns []string) {
	for i, c := range columns {
		if i > 0 {
			b.text(", ")
		}
		column, _ := b.table.Column(c)
		b.text(b.name(c), " ", column.Type)
	}
}
