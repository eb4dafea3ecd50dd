package plan

import (
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// where writes how rows belong to the level around, the conditions, and that
// there is something in the embeddings that have to have it.
func (b *builder) where(q *query.Query) {
	next := " where "
	and := func() {
		b.text(next)
		next = " and "
	}
	for _, c := range b.joined {
		and()
		b.text(c)
	}
	for _, c := range q.Where {
		and()
		b.condition(q, c)
	}
	for i := range q.Select {
		if e := q.Select[i].Embed; e != nil && e.Inner {
			and()
			b.exists(&q.Select[i])
		}
	}
}

func (b *builder) condition(q *query.Query, c query.Cond) {
	if !b.part(1) {
		return
	}
	if c.Filter != nil {
		b.filter(q, *c.Filter)
		return
	}
	if c.Negated {
		b.text("not ")
	}
	b.text("(")
	for i, member := range c.Members {
		if i > 0 {
			b.text(map[bool]string{true: " or ", false: " and "}[c.Or])
		}
		b.condition(q, member)
	}
	b.text(")")
}

var operators = map[query.Op]string{
	query.Eq: " = ", query.Neq: " <> ", query.Gt: " > ", query.Gte: " >= ", query.Lt: " < ", query.Lte: " <= ",
	query.Like: " like ", query.ILike: " ilike ", query.Match: " ~ ", query.IMatch: " ~* ", query.IsDistinct: " is distinct from ",
	query.Contains: " @> ", query.Contained: " <@ ", query.Overlaps: " && ", query.Left: " << ", query.Right: " >> ",
	query.NotRight: " &< ", query.NotLeft: " &> ", query.Adjacent: " -|- ",
}

var searches = map[query.Op]string{
	query.Search: "to_tsquery", query.PlainText: "plainto_tsquery", query.Phrase: "phraseto_tsquery", query.WebSearch: "websearch_to_tsquery",
}

var truths = map[string]string{
	"null": " is null", "not_null": " is not null", "true": " is true", "false": " is false", "unknown": " is unknown",
}

func (b *builder) filter(q *query.Query, f query.Filter) {
	if item := q.Embedding(f.Column); item != nil && f.Path == nil && b.isAbout(f) {
		b.missing(item, f)
		return
	}
	b.mark(f.Column)
	if f.Negated {
		b.text("not ")
	}
	if function, ok := searches[f.Op]; ok {
		b.search(f, function)
		return
	}
	b.text(b.field(f.Field, false))
	value := f.Value
	switch f.Op {
	case query.In:
		b.text(" = any(", b.arg(arrayLiteral(f.List)), ")")
		return
	case query.Is:
		b.text(truths[f.Value])
		return
	case query.Like, query.ILike:
		value = strings.ReplaceAll(value, "*", "%")
	default:
	}
	placeholder := b.arg(value)
	if f.Quantifier != "" {
		placeholder = map[string]string{"any": "any(", "all": "all("}[f.Quantifier] + placeholder + ")"
	}
	b.text(operators[f.Op], placeholder)
}

// isAbout says whether a filter with the name of an embedding is about it. It can
// be missing or not; whatever else is said is about the column of that name, such
// as its foreign key.
func (b *builder) isAbout(f query.Filter) bool {
	if f.Op == query.Is && (f.Value == "null" || f.Value == "not_null") {
		return true
	}
	if _, column := b.table.Column(f.Column); column {
		return false
	}
	b.fail(&NotNullError{f.Column})
	return true
}

// missing writes the condition that there is nothing in an embedding, or that
// there is something.
func (b *builder) missing(item *query.Item, f query.Filter) {
	if f.Negated != (f.Value == "null") {
		b.text("not ")
	}
	b.exists(item)
}

// search compares a text, or what has been prepared for searching, with the
// words of a search.
func (b *builder) search(f query.Filter, function string) {
	language := func() {
		if f.Language != "" {
			b.text(b.arg(f.Language), "::regconfig, ")
		}
	}
	if _, base := b.column(f.Column); base == "pg_catalog.tsvector" && len(f.Path) == 0 {
		b.text(b.field(f.Field, false))
	} else {
		b.text("to_tsvector(")
		language()
		b.text(b.field(f.Field, false), ")")
	}
	b.text(" @@ ", function, "(")
	language()
	b.text(b.arg(f.Value), ")")
}
