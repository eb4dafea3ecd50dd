package plan

import (
	"cmp"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// envelope begins a statement whose answer PostgreSQL writes. The rows of the
// answer follow, as a subquery called t.
func (b *builder) envelope(answer Answer, q *query.Query, count func()) {
	value := "t.*"
	if b.scalar {
		value = "t.v"
	}
	if answer.CSV {
		b.header = b.csvHeader(q)
	}
	b.text("select ", body(answer, !b.single, value), ", ", cmp.Or(b.counts, "count(*)"))
	if answer.Count && count != nil {
		b.counted = true
		b.text(", (")
		count()
		b.text(")")
	}
	b.text(b.extra, " from (")
}

// body makes an array of a set, or lines, and of anything else the one value.
func body(answer Answer, set bool, value string) string {
	rows, none := "json_agg("+value+")", "[]"
	if !set {
		rows, none = "(array_agg(to_json("+value+")))[1]", "null"
	}
	switch {
	case answer.CSV:
		return csvLines
	case answer.GeoJSON != "":
		return "json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(" + answer.GeoJSON + "(t)::json), '[]'))::text"
	case answer.Stripped:
		rows = "json_strip_nulls(" + rows + ")"
	}
	return "coalesce(" + rows + ", '" + none + "')::text"
}

// csvLines takes the text of a row out of its parentheses and makes one of two
// backslashes, because CSV knows no other escape than a double quote.
const csvLines = "coalesce(string_agg(replace(substr((t.*)::text, 2, length((t.*)::text) - 2), chr(92) || chr(92), chr(92)) || chr(10), ''), '')"

// csvHeader is the line of names of an answer. PostgreSQL writes the other
// lines, as it writes rows, with commas and double quotes.
func (b *builder) csvHeader(q *query.Query) string {
	if b.scalar {
		return csvName(b.table.Name) + "\n"
	}
	var names []string
	for _, o := range b.outputs(q.Select) {
		names = append(names, csvName(o.key))
	}
	return strings.Join(names, ",") + "\n"
}

func csvName(name string) string {
	if strings.ContainsAny(name, "\",\r\n") || strings.TrimSpace(name) != name {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return name
}
