package plan

import (
	"slices"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// Insert plans an INSERT of the rows in a JSON array, which all have the named
// columns. Without columns it inserts one row of defaults.
func Insert(table *catalog.Table, q query.Query, columns []string, rows string, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.write(q, answer, false, func() { b.insert(columns, rows) })
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
// The statement returns, in its third column, how many rows have been merged in
// the transaction so far. They are counted without being looked at, for which a
// caller would need the privilege to read them.
func Upsert(table *catalog.Table, q query.Query, columns []string, rows string, merge bool, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	key := q.OnConflict
	if key == nil {
		key = table.PrimaryKey
	}
	taken := columns
	if q.Columns != nil {
		taken = q.Columns
	}
	b.write(q, answer, true, func() {
		b.insert(columns, rows)
		b.conflict(key, taken, merge)
	})
	return b.statement(true)
}

// merged is how many rows of upserts were there already, so far.
const merged = "coalesce(nullif(current_setting('fluxbase.merged', true), ''), '0')::int8"

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
	b.text(" where set_config('fluxbase.merged', (", merged, " + 1)::text, true) is not null")
}

// Update plans an UPDATE of the rows that the filters select, with the named
// columns of a JSON object.
func Update(table *catalog.Table, q query.Query, columns []string, object string, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	b.write(q, answer, false, func() {
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
	b.write(q, answer, false, func() {
		b.text("delete from ", b.place())
		b.where(&query.Query{Where: q.Where})
	})
	return b.statement(answer.Returning != Nothing)
}

// write wraps a writing statement in the query that makes the answer of what it
// returns. No more is returned than is asked for, because that takes the
// privilege to read it, and PostgreSQL applies the policies for SELECT. With
// upsert there is an answer in any case.
func (b *builder) write(q query.Query, answer Answer, upsert bool, statement func()) {
	if answer.Returning == Nothing && !upsert {
		statement()
		return
	}
	b.text("with written as (")
	statement()
	b.mark("")
	if answer.Returning == Nothing {
		b.counted = true
		b.text(" returning 1) select '', count(*), ", merged, " from written")
		return
	}
	b.text(" returning ")
	b.returned(&q, answer.Returning)
	b.text(") ")
	b.written()
	answer.Count = upsert
	b.answered(&q, answer, func() { b.text(merged) })
}

// returned names the columns that an answer is made of: all of them, where it is
// made of more than columns.
func (b *builder) returned(q *query.Query, returning Returning) {
	items := q.Select
	if returning == Keys {
		items = b.keys()
	}
	var columns []string
	add := func(f query.Field) bool {
		_, stored := b.table.Column(f.Column)
		if stored && !slices.Contains(columns, f.Column) {
			columns = append(columns, f.Column)
		}
		return stored
	}
	whole := items == nil
	for i := range items {
		whole = whole || items[i].Embed != nil || !add(items[i].Field)
	}
	for _, t := range q.Order {
		whole = whole || returning == Rows && (t.Relation != "" || !add(t.Field))
	}
	switch {
	case whole:
		b.text("*")
	case columns == nil:
		b.text("1")
	default:
		b.names(columns, "")
	}
}

// written makes the rows of the CTE the ones that the rest is about.
func (b *builder) written() { b.source, b.rows = "written", false }

// answered is the answer of a write.
func (b *builder) answered(q *query.Query, answer Answer, count func()) {
	selected := query.Query{Select: []query.Item{}}
	switch answer.Returning {
	case Rows:
		selected = query.Query{Select: q.Select, Order: q.Order}
		if b.condenses(q.Select) { // an answer of fewer rows is about all of them
			b.counts = "greatest(count(*), (select count(*) from written))"
		}
	case Keys:
		answer, selected.Select = Answer{Count: answer.Count}, b.keys()
	case Nothing:
	}
	b.envelope(answer, &selected, count)
	b.selection(&selected)
	b.text(") t")
}

// condenses says whether an answer may have fewer rows than were written.
func (b *builder) condenses(items []query.Item) bool {
	return b.grouped(items) || slices.ContainsFunc(items, func(i query.Item) bool { return i.Embed != nil && i.Embed.Inner })
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
