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

// Matching plans a SELECT of nothing of the rows that the filters select. A
// limit above 0 has them counted instead, as far as that.
func Matching(table *catalog.Table, q query.Query, limit int64) (Statement, error) {
	b := &builder{table: table}
	if limit > 0 {
		b.text("select count(*) from (")
	}
	b.text("select from ", b.from())
	b.where(q.Where)
	if limit > 0 {
		b.mark("")
		b.text(" limit ", b.arg(limit), ") t")
	}
	return b.statement(limit > 0)
}
