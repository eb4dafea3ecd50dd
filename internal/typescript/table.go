package typescript

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

// table describes a table, or a view: that has Insert and Update only as far
// as it can be written to.
func (m module) table(t *catalog.Table) member {
	parts := []member{{key: "Row", value: object(m.read(t))}}
	if !t.View || t.Insertable {
		parts = append(parts, member{key: "Insert", value: object(m.written(t, func(c catalog.Column) bool { return nullable(t, c) || c.Default || c.Info.Default }))})
	}
	if !t.View || t.Updatable {
		parts = append(parts, member{key: "Update", value: object(m.written(t, func(catalog.Column) bool { return true }))})
	}
	parts = append(parts, member{key: "Relationships", value: relationships(t)})
	return member{doc: t.Comment, key: property(t.Name), value: object(parts)}
}

// nullable says whether a column may be NULL. PostgreSQL does not know it of
// the columns of views, not even where a domain refuses it.
func nullable(t *catalog.Table, c catalog.Column) bool {
	return c.Nullable && (t.View || !c.Info.NotNull)
}

func (m module) column(t *catalog.Table, c catalog.Column) []string {
	value := m.value(c.Info)
	if nullable(t, c) {
		value += " | null"
	}
	return []string{value}
}

// read returns what is in a row, and what can be selected beside: the functions
// of a row.
func (m module) read(t *catalog.Table) []member {
	var members []member
	for _, c := range byName(t.Columns) {
		members = append(members, member{doc: c.Comment, key: property(c.Name), value: m.column(t, c)})
	}
	computed := slices.Clone(t.ComputedColumns)
	slices.SortFunc(computed, func(a, b *catalog.Function) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range computed {
		if _, real := t.Column(f.Name); !real {
			value := m.returns(f)
			value[len(value)-1] += " | null"
			members = append(members, member{doc: f.Comment, key: property(f.Name), value: value})
		}
	}
	return members
}

// written returns what can be written to a row.
func (m module) written(t *catalog.Table, optional func(catalog.Column) bool) []member {
	var members []member
	for _, c := range byName(t.Columns) {
		key, value := property(c.Name), m.column(t, c)
		if c.Generated {
			value = []string{"never"}
		}
		if c.Generated || optional(c) {
			key += "?"
		}
		members = append(members, member{doc: c.Comment, key: key, value: value})
	}
	return members
}

// relationships lists the foreign keys of a table, each with whatever shows
// what it refers to: a table, and the views over it.
func relationships(t *catalog.Table) []string {
	var keys []*catalog.Relation
	for _, r := range t.Relations {
		if r.Holds() {
			keys = append(keys, r)
		}
	}
	if keys == nil {
		return []string{"[]"}
	}
	slices.SortFunc(keys, func(a, b *catalog.Relation) int {
		return cmp.Or(cmp.Compare(a.Constraint, b.Constraint), cmp.Compare(a.Table.Name, b.Table.Name),
			slices.Compare(a.Columns, b.Columns), slices.Compare(a.Target, b.Target))
	})
	lines := []string{"["}
	for _, r := range keys {
		entry := object([]member{
			{key: "foreignKeyName", value: []string{quote(r.Constraint)}},
			{key: "columns", value: []string{tuple(r.Columns)}},
			{key: "isOneToOne", value: []string{strconv.FormatBool(r.Cardinality == catalog.OneToOne)}},
			{key: "referencedRelation", value: []string{quote(r.Table.Name)}},
			{key: "referencedColumns", value: []string{tuple(r.Target)}},
		})
		entry[len(entry)-1] += ","
		lines = append(lines, indented(entry)...)
	}
	return append(lines, "]")
}

func tuple(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
