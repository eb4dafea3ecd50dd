package plan

import (
	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// Insert plans an INSERT of the rows in a JSON array, which all have the named
// columns. Without columns it inserts one row of defaults.
func Insert(table *catalog.Table, q query.Query, columns []string, rows string, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.write(q, answer, func() { b.insert(columns, rows) })
	return b.statement(answer.Returning != Nothing)
}

func (b *builder) insert(columns []string, rows string) {
	b.text("insert into ", b.place())
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
}

// Upsert plans an INSERT whose rows may be there already. The key that says so
// is that of ?on_conflict=, or else the primary one. With merge the rows that
// are there take the named columns, and those of ?columns= that are not named as
// their defaults; without, they stay as they are.
//
// The statement returns, in its third column, how many rows are new.
func Upsert(table *catalog.Table, q query.Query, columns []string, rows string, merge bool, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.counted = true
	key := q.OnConflict
	if key == nil {
		key = table.PrimaryKey
	}
	taken := columns
	if q.Columns != nil {
		taken = q.Columns
	}
	mark := b.unused("new")
	b.text("with written as (")
	b.insert(columns, rows)
	b.conflict(key, taken, merge)
	b.mark("")
	b.text(" returning *, r.xmax = 0 as ", mark, ") ")
	b.upserted(q, answer, mark)
	return b.statement(true)
}

// conflict says what becomes of rows that are there already. Without a key
// there is none to merge by: PostgreSQL refuses what is not unique.
func (b *builder) conflict(key, columns []string, merge bool) {
	if merge && len(key) == 0 {
		return
	}
	b.text(" on conflict")
	if len(key) > 0 {
		b.text(" (")
		b.names(key, "")
		b.text(")")
	}
	if !merge || len(columns) == 0 {
		b.text(" do nothing")
		return
	}
	b.text(" do update set ")
	for i, c := range columns {
		if i > 0 {
			b.text(", ")
		}
		b.text(b.name(c), " = excluded.", b.name(c))
	}
}

// upserted is the answer of an upsert. Its rows have one column too many.
func (b *builder) upserted(q query.Query, answer Answer, mark string) {
	answer.Count = true
	b.written().expand = true
	b.answered(&q, answer, func() { b.text("select count(*) from written where written.", mark) })
}

// unused returns a quoted name that no column has.
func (b *builder) unused(name string) string {
	for {
		if _, taken := b.table.Column(name); !taken {
			return Quote(name)
		}
		name += "_"
	}
}

// Update plans an UPDATE of the rows that the filters select, with the named
// columns of a JSON object.
func Update(table *catalog.Table, q query.Query, columns []string, object string, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.write(q, answer, func() {
		b.text("update ", b.place(), " set (")
		b.names(columns, "")
		b.text(") = (select ")
		b.names(columns, "j.")
		b.text(" from json_to_record(", b.arg(object), "::json) as j(")
		b.definitions(columns)
		b.text("))")
		b.where(&query.Query{Where: q.Where})
	})
	return b.statement(answer.Returning != Nothing)
}

// Delete plans a DELETE of the rows that the filters select.
func Delete(table *catalog.Table, q query.Query, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.write(q, answer, func() {
		b.text("delete from ", b.place())
		b.where(&query.Query{Where: q.Where})
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
	b.written()
	b.answered(&q, answer, nil)
}

// written makes the rows of the CTE the ones that the rest is about.
func (b *builder) written() *level {
	b.source, b.rows = "written", false
	return b.level
}

// answered is the answer of a write.
func (b *builder) answered(q *query.Query, answer Answer, count func()) {
	selected := query.Query{Select: []query.Item{}}
	switch answer.Returning {
	case Rows:
		selected = query.Query{Select: q.Select, Order: q.Order}
	case Keys:
		answer, selected.Select = Answer{Count: answer.Count}, b.keys()
	default:
		answer = Answer{Count: answer.Count}
	}
	b.envelope(answer, &selected, count)
	b.selection(&selected)
	b.text(") t")
}

// keys selects the primary key.
func (b *builder) keys() []query.Item {
	items := []query.Item{}
	for _, c := range b.table.PrimaryKey {
		items = append(items, query.Item{Field: query.Field{Column: c}})
	}
	return items
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
