package plan

import (
	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// Explained is a statement behind EXPLAIN, whose options are PostgreSQL's words
// and not a caller's.
func (st Statement) Explained(options string) Statement {
	prefix := "explain (" + options + ") "
	st.SQL = prefix + st.SQL
	marks := make([]mark, len(st.marks))
	for i, m := range st.marks {
		marks[i] = mark{m.at + len(prefix), m.column}
	}
	st.marks = marks
	return st
}

// Matching plans a SELECT of the rows that a read has on all its pages, of which
// nothing is told. A limit above 0 has them counted instead, as far as that.
func Matching(table *catalog.Table, q query.Query, limit int64, answer Answer) (Statement, error) {
	b := newBuilder(table, answer)
	if limit > 0 {
		b.text("select count(*) from (")
	}
	if b.grouped(q.Select) {
		b.selection(&query.Query{Select: q.Select, Where: q.Where})
	} else {
		b.text("select")
		b.from(nil)
		b.where(&q)
	}
	if limit > 0 {
		b.mark("")
		b.text(" limit ", b.arg(limit), ") t")
	}
	return b.statement(limit > 0)
}
