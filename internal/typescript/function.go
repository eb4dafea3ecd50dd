package typescript

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

// functions describes the functions of a schema that the data API can call, or
// relate to the rows of a table. One with several signatures is a union of them.
func (m module) functions(schema string) []member {
	var names []string
	from := m.origins()
	signatures := map[string][]member{} // of which the key is the whole text
	for _, f := range m.Functions() {
		if f.Schema != schema || !callable(f) && from[f] == "" {
			continue
		}
		if signatures[f.Name] == nil {
			names = append(names, f.Name)
		}
		s := member{doc: f.Comment, value: m.function(f, from[f])}
		s.key = strings.Join(s.value, "\n")
		same := func(other member) bool { return other.key == s.key }
		if i := slices.IndexFunc(signatures[f.Name], same); i < 0 {
			signatures[f.Name] = append(signatures[f.Name], s)
		} else {
			signatures[f.Name][i].doc = max(signatures[f.Name][i].doc, s.doc)
		}
	}
	var members []member
	for _, name := range names {
		members = append(members, overloads(name, signatures[name]))
	}
	return members
}

func overloads(name string, signatures []member) member {
	if len(signatures) == 1 {
		return member{doc: signatures[0].doc, key: property(name), value: signatures[0].value}
	}
	slices.SortFunc(signatures, func(a, b member) int { return strings.Compare(a.key, b.key) })
	lines := []string{""}
	for _, s := range signatures {
		lines = append(lines, indented(comment(s.doc))...)
		for i, line := range s.value {
			lead := "    "
			if i == 0 {
				lead = "  | "
			}
			lines = append(lines, lead+line)
		}
	}
	return member{key: property(name), value: lines}
}

// callable says whether arguments can be given by name, or as the whole body.
func callable(f *catalog.Function) bool {
	if len(f.Arguments) == 1 && f.Arguments[0].Name == "" {
		base := f.Arguments[0].Type.Base
		return base == "pg_catalog.json" || base == "pg_catalog.jsonb" || base == "pg_catalog.text" || base == "pg_catalog.bytea"
	}
	return !slices.ContainsFunc(f.Arguments, func(a catalog.Argument) bool { return a.Name == "" })
}

// origins says of which table's rows a function makes the related ones.
func (m module) origins() map[*catalog.Function]string {
	from := map[*catalog.Function]string{}
	for _, t := range m.Tables() {
		for _, r := range t.Relations {
			if r.Function != nil {
				from[r.Function] = t.Name
			}
		}
	}
	return from
}

func (m module) function(f *catalog.Function, from string) []string {
	arguments := []string{"never"}
	if len(f.Arguments) > 0 {
		var members []member
		for _, a := range f.Arguments {
			key := property(a.Name)
			if a.Default || a.Variadic {
				key += "?"
			}
			members = append(members, member{key: key, value: []string{m.value(a.Type)}})
		}
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
		arguments = object(members)
	}
	parts := []member{{key: "Args", value: arguments}, {key: "Returns", value: m.returns(f)}}
	if f.OfTable && f.Result.Schema == f.Schema {
		parts = append(parts, member{key: "SetofOptions", value: object([]member{
			{key: "from", value: []string{quote(cmp.Or(from, "*"))}},
			{key: "to", value: []string{quote(f.Result.Name)}},
			{key: "isOneToOne", value: []string{strconv.FormatBool(f.One())}},
			{key: "isSetofReturn", value: []string{strconv.FormatBool(f.Set)}},
		})})
	}
	return object(parts)
}

// returns is the type of a function's answer.
func (m module) returns(f *catalog.Function) []string {
	if f.Returns == catalog.Void {
		return []string{"undefined"}
	}
	answer := []string{m.value(f.Type)}
	if f.Returns == catalog.Composite && (f.OfTable || !f.Type.Row) {
		var members []member
		for _, c := range byName(f.Result.Columns) {
			value := []string{m.value(c.Info)} // nobody knows whether an OUT argument may be NULL
			if f.OfTable {
				value = m.column(f.Result, c)
			}
			members = append(members, member{doc: c.Comment, key: property(c.Name), value: value})
		}
		answer = object(members)
	}
	if last := len(answer) - 1; f.Set {
		answer[last] = array(answer[last])
	}
	return answer
}
