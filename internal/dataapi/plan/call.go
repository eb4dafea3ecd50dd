package plan

import (
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Arguments are what a function is called with: the members of a JSON object, or
// texts by name, or one text that is all there is.
type Arguments struct {
	JSON  string              // an object
	Texts map[string][]string // several for a variadic argument
	Whole *string             // for the one argument without a name
	Names []string            // of JSON's members to use
}

// has says whether an argument is given.
func (a *Arguments) has(name string) bool {
	if a.Texts != nil {
		return a.Texts[name] != nil
	}
	for _, n := range a.Names {
		if n == name {
			return true
		}
	}
	return false
}

// Call plans the call of a function, and what the query wants of its answer. The
// statement returns two columns more than others, at the end: what the function
// has left in the settings response.headers and response.status.
//
// They are read beside aggregates, which PostgreSQL computes after the function
// has run to its end. A function whose rows are counted is called once.
func Call(f *catalog.Function, a Arguments, q query.Query, maxRows int64, answer Answer) (Statement, error) {
	table := f.Result
	if table == nil {
		table = catalog.NewTable(catalog.Table{Schema: f.Schema, Name: f.Name})
	}
	b := newBuilder(table, answer)
	b.maxRows, b.bound, b.extra = maxRows, maxRows, settings
	b.scalar, b.single = f.Returns == catalog.Scalar, !f.Set
	lateral, call := b.call(f, a)
	value := "select " + call + " as v" + from(lateral)
	var count func()
	if answer.Count && f.Set {
		count = func() { b.count(&q) }
	}
	switch f.Returns {
	case catalog.Composite:
		b.source = lateral + call
		if count != nil {
			b.text("with called as (select r.* from ", b.place(), ") ")
			b.source, b.rows = "called", false
		}
		b.envelope(answer, &q, count)
		b.selection(&q)
		b.limit(&q)
	case catalog.Void:
		b.text("select '', count(t.v)", settings, " from (", value)
	case catalog.Scalar:
		b.onlyPages(q)
		if count != nil {
			b.text("with called as (", value, ") ")
			b.source, value = "called", "select r.v from called as r"
			q.Select = nil
		}
		b.envelope(answer, &q, count)
		b.text(value)
		if f.Set {
			b.limit(&q)
		}
	}
	b.text(") t")
	return b.statement(true)
}

const settings = `, coalesce(current_setting('response.headers', true), ''), coalesce(current_setting('response.status', true), '')`

func from(lateral string) string {
	if lateral == "" {
		return ""
	}
	return " from " + strings.TrimSuffix(lateral, " cross join lateral ")
}

// onlyPages complains of columns, which a value has none of.
func (b *builder) onlyPages(q query.Query) {
	for _, item := range q.Select {
		if item.Column != "*" {
			b.name(item.Column)
		}
	}
	for _, t := range q.Order {
		b.name(t.Column)
	}
	if len(q.Where) > 0 {
		b.firstColumn(q.Where)
	}
}

func (b *builder) firstColumn(conditions []query.Cond) {
	for _, c := range conditions {
		if c.Filter != nil {
			b.name(c.Filter.Column)
		}
		b.firstColumn(c.Members)
	}
}

// call writes the call, and what has to stand before it in FROM.
func (b *builder) call(f *catalog.Function, a Arguments) (lateral, call string) {
	name := postgres.Quote(f.Schema, f.Name)
	if a.Whole != nil {
		return "", name + "(" + b.arg(*a.Whole) + "::" + f.Arguments[0].Type.SQL + ")"
	}
	var given, definitions []string
	unnamed := positional(f, a)
	for _, arg := range f.Arguments {
		written := postgres.Quote(arg.Name) + " => "
		if unnamed {
			written = ""
		}
		if arg.Variadic {
			written = "variadic " + written
		}
		b.mark(arg.Name)
		switch {
		case !a.has(arg.Name) && arg.Variadic && !arg.Default:
			written += "'{}'::" + arg.Type.SQL
		case !a.has(arg.Name):
			continue
		case a.Texts != nil:
			written += b.arg(text(arg, a.Texts[arg.Name])) + "::" + arg.Type.SQL
		default:
			written += "j." + postgres.Quote(arg.Name)
			definitions = append(definitions, postgres.Quote(arg.Name)+" "+arg.Type.SQL)
		}
		given = append(given, written)
	}
	b.mark("")
	if definitions != nil {
		lateral = "json_to_record(" + b.arg(a.JSON) + "::json) as j(" + strings.Join(definitions, ", ") + ") cross join lateral "
	}
	return lateral, name + "(" + strings.Join(given, ", ") + ")"
}

// positional says that a call has to be by position: PostgreSQL takes the default
// of a variadic argument only then. What is given has to come first.
func positional(f *catalog.Function, a Arguments) bool {
	last := len(f.Arguments) - 1
	if last < 0 || !f.Arguments[last].Variadic || !f.Arguments[last].Default || a.has(f.Arguments[last].Name) {
		return false
	}
	for i := range f.Arguments[:last] {
		if i > 0 && a.has(f.Arguments[i].Name) && !a.has(f.Arguments[i-1].Name) {
			return false
		}
	}
	return true
}

// text is an argument as text. A variadic one takes each value for an element.
func text(arg catalog.Argument, values []string) string {
	if arg.Variadic {
		return arrayLiteral(values)
	}
	return values[len(values)-1]
}
