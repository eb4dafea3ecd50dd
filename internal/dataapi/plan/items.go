package plan

import (
	"slices"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// selection writes a SELECT without limit: what is asked of the level.
func (b *builder) selection(q *query.Query) {
	spreads, groups := b.items(q.Select)
	b.from(spreads)
	b.where(q)
	for i, position := range groups {
		b.text([]string{" group by ", ", "}[min(i, 1)], strconv.Itoa(position))
	}
	b.order(q)
}

// output is a member of what a level answers with.
type output struct {
	key string
	// item is set for what a level that spreads it has to aggregate: a row of one
	// that is spread is a row of the other.
	item *query.Item
}

// spread is an embedding whose members take its place.
type spread struct {
	item    *query.Item
	outputs []output
	alias   string
	grouped bool // by its columns
}

// items writes the list after SELECT. It returns what FROM has to have for it
// and, if there are aggregates, the positions of what is none.
func (b *builder) items(items []query.Item) (spreads []spread, groups []int) {
	b.text("select")
	grouped, written := b.grouped(items), 0
	next := func(aggregate bool) {
		b.text([]string{" ", ", "}[min(written, 1)])
		written++
		if grouped && !aggregate {
			groups = append(groups, written)
		}
	}
	items = b.listed(items)
	for i := range items {
		item := &items[i]
		switch {
		case isStar(item) && !grouped:
			next(false)
			b.text(b.alias, ".*")
		case isStar(item):
			for _, c := range b.table.Columns {
				next(false)
				b.text(b.alias, ".", postgres.Quote(c.Name))
			}
		case item.Embed == nil:
			next(item.Aggregate != "")
			b.item(item)
		case item.Embed.Spread:
			b.spreads++
			s := spread{item, b.outputsOf(item), "s" + strconv.Itoa(b.spreads), grouped}
			switch r := b.relation(item.Embed); {
			case len(s.outputs) == 0: // nothing would make one row of several
				continue
			case len(s.outputs) == 1 && !r.ToOne(): // one value, put off until the rows of the page are known
				next(false)
				b.text("(")
				b.apart(func() { b.spreadRows(s, r) })
				b.text(") as ", postgres.Quote(s.outputs[0].key))
				continue
			}
			for _, o := range s.outputs {
				next(o.item != nil)
				b.text(b.spreadOutput(s.alias+"."+postgres.Quote(o.key), o), " as ", postgres.Quote(o.key))
			}
			spreads = append(spreads, s)
		case len(item.Embed.Query.Select) > 0:
			next(false)
			b.embedded(item, grouped)
		default: // only for conditions; but a mistake is one
			b.relation(item.Embed)
		}
	}
	return spreads, groups
}

// listed is what a level answers with: all columns where nothing is asked for.
// A count without parentheses is one of rows, as it was before there were other
// aggregates, unless the table has such a column.
func (b *builder) listed(items []query.Item) []query.Item {
	if items == nil {
		return []query.Item{{Field: query.Field{Column: "*"}}}
	}
	if slices.ContainsFunc(items, b.isCount) {
		items = slices.Clone(items)
		for i := range items {
			if b.isCount(items[i]) {
				items[i] = query.Item{Alias: items[i].Key(), Aggregate: countRows}
			}
		}
	}
	return items
}

// countRows is what a count without parentheses is. Nobody has to allow it.
const countRows query.Aggregate = "rows"

func (b *builder) isCount(item query.Item) bool {
	if item.Column != string(query.Count) || item.Path != nil || item.Cast != nil || item.Aggregate != "" {
		return false
	}
	_, column := b.table.Column(item.Column)
	return !column && b.table.ComputedColumn(item.Column) == nil
}

// isStar says that an item stands for all columns. A column called * has an
// alias, or is lost among them.
func isStar(item *query.Item) bool {
	return item.Column == "*" && item.Alias == "" && item.Path == nil && item.Cast == nil && item.Aggregate == "" && item.Embed == nil
}

// item writes a field, or an aggregate.
func (b *builder) item(item *query.Item) {
	b.mark(item.Column)
	expression := "*"
	if item.Column != "" || item.Aggregate == "" {
		expression = b.cast(b.field(item.Field, item.Cast == nil), item.Cast)
	}
	switch {
	case item.Aggregate == "":
	case !b.hoists:
		expression = b.aggregate(item, expression)
	case expression == "*":
		expression = "1"
	}
	b.text(expression)
	if _, plain := b.table.Column(item.Key()); !plain || item.Alias != "" || item.Aggregate != "" || item.Path != nil || item.Cast != nil {
		b.text(" as ", postgres.Quote(item.Key()))
	}
}

func (b *builder) spreadOutput(expression string, o output) string {
	if o.item == nil || b.hoists {
		return expression
	}
	return b.aggregate(o.item, expression)
}

func (b *builder) aggregate(item *query.Item, of string) string {
	if item.Aggregate == countRows {
		return "count(" + of + ")"
	}
	if !b.answer.Aggregates {
		b.fail(ErrAggregates)
	}
	return b.cast(string(item.Aggregate)+"("+of+")", item.Result)
}

func (b *builder) cast(expression string, t *query.Type) string {
	if t == nil {
		return expression
	}
	if b.answer.Hides != nil && b.answer.Hides(t) {
		b.fail(&UnknownTypeError{t})
	}
	return "cast(" + expression + " as " + typeName(t) + ")"
}

// grouped says whether the level has aggregates: its own, or those of what is
// spread into it.
func (b *builder) grouped(items []query.Item) bool {
	return !b.hoists && slices.ContainsFunc(b.listed(items), func(item query.Item) bool {
		if item.Embed != nil && item.Embed.Spread {
			return slices.ContainsFunc(b.outputsOf(&item), func(o output) bool { return o.item != nil })
		}
		return item.Aggregate != ""
	})
}

// outputs returns the members of what a level answers with, in order.
func (b *builder) outputs(items []query.Item) (list []output) {
	items = b.listed(items)
	for i := range items {
		item := &items[i]
		switch {
		case isStar(item):
			for _, c := range b.table.Columns {
				list = append(list, output{c.Name, nil})
			}
		case item.Embed == nil && item.Aggregate != "":
			list = append(list, output{item.Key(), item})
		case item.Embed == nil:
			list = append(list, output{item.Key(), nil})
		case item.Embed.Spread:
			list = append(list, b.outputsOf(item)...)
		case len(item.Embed.Query.Select) > 0:
			list = append(list, output{item.Key(), nil})
		default:
			b.relation(item.Embed)
		}
	}
	return list
}

// outputsOf returns the members of what is spread.
func (b *builder) outputsOf(item *query.Item) (list []output) {
	r := b.relation(item.Embed)
	if r == nil {
		return nil
	}
	b.within(b.target(item, r), func() { list = b.outputs(item.Embed.Query.Select) })
	if !r.ToOne() {
		for i := range list {
			list[i].item = nil
		}
	}
	return list
}
