package typescript

import (
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

// builtin are the types of PostgreSQL whose JSON is no text.
var builtin = map[string]string{
	"int2": "number", "int4": "number", "int8": "number", "float4": "number", "float8": "number", "numeric": "number",
	"bool": "boolean", "json": "Json", "jsonb": "Json", "record": "Record<string, unknown>",
}

// textual are the types of widely used extensions whose JSON is a text. What
// others make of themselves is for a cast to say that they bring.
var textual = []string{"citext", "halfvec", "lquery", "ltree", "ltxtquery", "sparsevec", "vector"}

// value returns the type of a value that is not NULL.
func (m module) value(t *catalog.Type) string {
	switch {
	case t.Beneath != nil:
		return m.value(t.Beneath)
	case t.Element != nil:
		return array(m.value(t.Element))
	case t.IsEnum && slices.Contains(m.schemas, t.Schema):
		return reference(t.Schema, "Enums", t.Name)
	case t.IsEnum:
		return union(t.Enum)
	case t.Row:
		return m.row(t)
	case t.Schema == "pg_catalog" && builtin[t.Name] != "":
		return builtin[t.Name]
	case t.Schema == "pg_catalog" || slices.Contains(textual, t.Name):
		return "string"
	default:
		return "unknown"
	}
}

// row returns the type of a row: by reference if that is possible.
func (m module) row(t *catalog.Type) string {
	table := m.Table(t.Schema, t.Name)
	switch {
	case table != nil && table.View:
		return reference(t.Schema, "Views", t.Name) + `["Row"]`
	case table != nil:
		return reference(t.Schema, "Tables", t.Name) + `["Row"]`
	case slices.Contains(m.Types(), t):
		return reference(t.Schema, "CompositeTypes", t.Name)
	case t.Columns == nil:
		return builtin["record"]
	}
	var columns []string
	for _, c := range m.attributes(t.Columns) {
		columns = append(columns, c.key+": "+c.value[0])
	}
	return "{ " + strings.Join(columns, "; ") + " }"
}

// attributes are the members of a composite type, all of which may be NULL.
func (m module) attributes(columns []catalog.Column) []member {
	var members []member
	for _, c := range byName(columns) {
		members = append(members, member{doc: c.Comment, key: property(c.Name), value: []string{m.value(c.Info) + " | null"}})
	}
	return members
}

func reference(schema, kind, name string) string {
	return "Database[" + quote(schema) + "][" + quote(kind) + "][" + quote(name) + "]"
}

// array returns the type of an array. PostgreSQL does not say how many
// dimensions there are.
func array(element string) string {
	if strings.HasPrefix(element, `"`) { // a union
		element = "(" + element + ")"
	}
	return element + "[]"
}

func byName(columns []catalog.Column) []catalog.Column {
	return slices.SortedFunc(slices.Values(columns), func(a, b catalog.Column) int { return strings.Compare(a.Name, b.Name) })
}
