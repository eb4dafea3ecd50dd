package plan

import (
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
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
// statement returns four columns: the JSON of the answer, how many values or
// rows are in it, and what the function has left in the settings
// response.headers and response.status.
//
// The last two are read beside aggregates, which PostgreSQL computes after the
// function has run to its end.
func Call(f *catalog.Function, a Arguments, q query.Query, maxRows int64) (Statement, error) {
	b := newBuilder(f.Result, Answer{})
	if b.table == nil {
		b.table = catalog.NewTable(catalog.Table{Schema: f.Schema, Name: f.Name})
	}
	b.maxRows, b.bound = maxRows, maxRows
	lateral, call := b.call(f, a)
	switch f.Returns {
	case catalog.Composite:
		b.source = lateral + call
		b.text("select ", body(f.Set, "t.*"), settings)
		b.selection(&q)
		b.limit(&q)
		b.text(") t")
	case catalog.Void:
		b.text("select '', count(t.v)", settings, "select ", call, " as v", from(lateral), ") t")
	case catalog.Scalar:
		b.text("select ", body(f.Set, "t.v"), settings, "select ", call, " as v", from(lateral))
		b.onlyPages(q)
		if f.Set {
			b.limit(&q)
		}
		b.text(") t")
	}
	return b.statement(true)
}

const settings = `, coalesce(current_setting('response.headers', true), ''), coalesce(current_setting('response.status', true), '') from (`

// body makes an array of a set, and of anything else the one value.
func body(set bool, value string) string {
	if set {
		return "coalesce(json_agg(" + value + "), '[]')::text, count(*)"
	}
	return "coalesce((array_agg(to_json(" + value + ")))[1], 'null')::text, count(*)"
}

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
	name := Quote(f.Schema) + "." + Quote(f.Name)
	if a.Whole != nil {
		return "", name + "(" + b.arg(*a.Whole) + "::" + f.Arguments[0].Type.SQL + ")"
	}
	var given, definitions []string
	for _, arg := range f.Arguments {
		written := Quote(arg.Name) + " => "
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
			written += "j." + Quote(arg.Name)
			definitions = append(definitions, Quote(arg.Name)+" "+arg.Type.SQL)
		}
		given = append(given, written)
	}
	b.mark("")
	if definitions != nil {
		lateral = "json_to_record(" + b.arg(a.JSON) + "::json) as j(" + strings.Join(definitions, ", ") + ") cross join lateral "
	}
	return lateral, name + "(" + strings.Join(given, ", ") + ")"
}

// text is an argument as text. A variadic one takes each value for an element.
func text(arg catalog.Argument, values []string) string {
	if arg.Variadic {
		return arrayLiteral(values)
	}
	return values[len(values)-1]
}
