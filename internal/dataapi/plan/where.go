package plan

import (
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

func (b *builder) where(conditions []query.Cond) {
	if len(conditions) > 0 {
		b.text(" where ")
		b.all(conditions, " and ")
	}
}

func (b *builder) all(conditions []query.Cond, junction string) {
	for i, c := range conditions {
		if i > 0 {
			b.text(junction)
		}
		b.condition(c)
	}
}

func (b *builder) condition(c query.Cond) {
	if c.Filter != nil {
		b.filter(*c.Filter)
		return
	}
	if c.Negated {
		b.text("not ")
	}
	b.text("(")
	b.all(c.Members, map[bool]string{true: " or ", false: " and "}[c.Or])
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

func (b *builder) filter(f query.Filter) {
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

// search compares a text, or what has been prepared for searching, with the
// words of a search.
func (b *builder) search(f query.Filter, function string) {
	language := func() {
		if f.Language != "" {
			b.text(b.arg(f.Language), "::regconfig, ")
		}
	}
	if column, _ := b.table.Column(f.Column); column.Type == "pg_catalog.tsvector" && len(f.Path) == 0 {
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
