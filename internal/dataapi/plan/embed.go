package plan

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// An embedding is a subquery that yields one value of JSON, and a condition on
// one is EXISTS: PostgreSQL makes a join of it where that is cheaper, and puts
// the values off until the rows of the page are known. What is spread is a
// lateral join, for it has several values.

// RelationError says that there is no relation between two tables, or more than
// one, that a request may mean.
type RelationError struct {
	From, Name, Hint string
	Near             string // a name that was perhaps meant
	Candidates       []*catalog.Relation
}

// Error implements error.
func (e *RelationError) Error() string {
	if len(e.Candidates) > 0 {
		return fmt.Sprintf("Could not embed because more than one relationship was found for '%s' and '%s'", e.From, e.Name)
	}
	return fmt.Sprintf("Could not find a relationship between '%s' and '%s' in the schema cache", e.From, e.Name)
}

// NotToOneError says that rows cannot be sorted by those of an embedding, since
// each may have several.
type NotToOneError struct{ From, Name string }

// Error implements error.
func (e *NotToOneError) Error() string {
	return fmt.Sprintf("A related order on '%s' is not possible", e.Name)
}

// NotNullError says that an embedding is compared with something else than null.
type NotNullError struct{ Name string }

// Error implements error.
func (e *NotNullError) Error() string {
	return fmt.Sprintf("Only is null or not is null filters are allowed on embedded resources, and '%s' is one", e.Name)
}

// relation finds where an embedding leads to, once. It is nil after a failure.
func (b *builder) relation(e *query.Embed) *catalog.Relation {
	if r, done := b.joins[e]; done {
		return r
	}
	found := slices.DeleteFunc(b.table.Related(e.Relation, e.Hint), func(r *catalog.Relation) bool { return !b.serves(r) })
	b.joins[e] = nil
	if len(found) != 1 {
		b.fail(&RelationError{b.table.Name, e.Relation, e.Hint, b.table.NearRelation(e.Relation, b.serves), found})
		return nil
	}
	b.joins[e] = found[0]
	return found[0]
}

// serves says whether the tables of a relation are served. A function answers
// for itself.
func (b *builder) serves(r *catalog.Relation) bool {
	return b.answer.Serves == nil || r.Function != nil || b.answer.Serves(r.Table) && (r.Junction == nil || b.answer.Serves(r.Junction.Table))
}

// target is the level of an embedding in the current one.
func (b *builder) target(item *query.Item, r *catalog.Relation) *level {
	n := strconv.Itoa(b.depth + 1)
	l := &level{table: r.Table, alias: "r" + n, rows: true, bound: b.maxRows, path: b.path + item.Key() + ".", depth: b.depth + 1}
	if r.ToOne() {
		l.bound = 1
		l.hoists = item.Embed.Spread
		if slices.ContainsFunc(r.Table.Unique, func(key []string) bool { return same(key, r.Target) }) {
			l.bound = 0
		}
	}
	switch {
	case r.Function != nil:
		l.source = postgres.Quote(r.Function.Schema, r.Function.Name) + "(" + b.row() + ")"
	case r.Junction != nil:
		l.junction = " cross join " + tableName(r.Junction.Table) + " as m" + n
		l.joined = append(equal("m"+n, r.Junction.Columns, b.alias, r.Columns), equal("m"+n, r.Junction.Target, l.alias, r.Target)...)
	default:
		l.joined = equal(l.alias, r.Target, b.alias, r.Columns)
	}
	return l
}

// equal says which columns of two tables are the same.
func equal(one string, columns []string, other string, others []string) []string {
	conditions := make([]string, len(columns))
	for i := range columns {
		conditions[i] = one + "." + postgres.Quote(columns[i]) + " = " + other + "." + postgres.Quote(others[i])
	}
	return conditions
}

// same says whether two lists hold the same names.
func same(some, others []string) bool {
	return len(some) == len(others) && !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(others, name) })
}

// jsonb makes what is grouped jsonb, since json cannot be compared.
func jsonb(grouped bool) string {
	if grouped {
		return "::jsonb"
	}
	return ""
}

// embedded writes an embedding as one value.
func (b *builder) embedded(item *query.Item, grouped bool) {
	r := b.relation(item.Embed)
	if r == nil {
		return
	}
	alias := "t" + strconv.Itoa(b.depth+1)
	if r.ToOne() {
		b.text("(select row_to_json(", alias, ".*)")
	} else {
		b.text("(select coalesce(json_agg(", alias, ".*), '[]')")
	}
	b.text(jsonb(grouped), " from (")
	b.apart(func() {
		b.within(b.target(item, r), func() {
			b.selection(&item.Embed.Query)
			b.limit(&item.Embed.Query)
		})
	})
	b.text(") ", alias, ") as ", postgres.Quote(item.Key()))
}

// lateral joins the rows that are spread: one of them, or all as arrays.
func (b *builder) lateral(s spread) {
	r := b.relation(s.item.Embed)
	if r == nil {
		return
	}
	b.text(" left join lateral (")
	b.spreadRows(s, r)
	b.text(") as ", s.alias, " on true")
}

// spreadRows selects the rows that are spread: as one row of arrays if there may
// be several.
func (b *builder) spreadRows(s spread, r *catalog.Relation) {
	alias := "t" + strconv.Itoa(b.depth+1)
	if !r.ToOne() {
		b.text("select ")
		for i, o := range s.outputs {
			b.text([]string{"", ", "}[min(i, 1)], "coalesce(json_agg(", alias, ".", postgres.Quote(o.key), "), '[]')", jsonb(s.grouped), " as ", postgres.Quote(o.key))
		}
		b.text(" from (")
	}
	b.within(b.target(s.item, r), func() {
		b.selection(&s.item.Embed.Query)
		b.limit(&s.item.Embed.Query)
	})
	if !r.ToOne() {
		b.text(") ", alias)
	}
}

// maxSemi is how many conditions on embeddings PostgreSQL may make joins of in
// one subquery. To plan sixteen together takes it a second, and one by one no
// time.
const maxSemi = 4

// apart writes a subquery that PostgreSQL plans by itself.
func (b *builder) apart(write func()) {
	outer := b.semi
	b.semi = 0
	write()
	b.semi = outer
}

// exists writes the condition that an embedding has rows. PostgreSQL makes no
// join of what is part of an OR.
func (b *builder) exists(item *query.Item) {
	r, q := b.relation(item.Embed), &item.Embed.Query
	if r == nil {
		return
	}
	b.semi++
	alone := b.semi > maxSemi
	if alone {
		b.text("(false or ")
	}
	b.text("exists (select 1")
	b.within(b.target(item, r), func() {
		b.from(nil)
		b.where(q)
		if q.Limit != nil || q.Offset != nil {
			b.limit(q)
		}
	})
	b.text(")")
	if alone {
		b.text(")")
	}
}

// related writes a field of an embedding of one row, to sort by.
func (b *builder) related(q *query.Query, t query.Term) {
	item := q.Embedding(t.Relation)
	if item == nil {
		b.fail(&query.NotEmbeddedError{Name: t.Relation})
		return
	}
	r := b.relation(item.Embed)
	if r == nil {
		return
	}
	if !r.ToOne() {
		b.fail(&NotToOneError{b.table.Name, t.Relation})
		return
	}
	b.text("(select ")
	b.apart(func() {
		b.within(b.target(item, r), func() {
			b.mark(t.Column)
			b.text(b.field(t.Field, false))
			b.from(nil)
			b.where(&item.Embed.Query)
			b.limit(&item.Embed.Query)
		})
	})
	b.text(")")
}
