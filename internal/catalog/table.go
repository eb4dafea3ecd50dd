package catalog

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Type is the type of a column, an argument or a result.
type Type struct {
	Schema string
	Name   string
	SQL    string // quoted and schema-qualified, safe to put into SQL
	Label  string // as people write it, such as "character varying"
	Base   string // the SQL of what lies beneath a domain; SQL itself for others
	Enum   []string
	Array  bool
	Row    bool // a composite type

	IsEnum   bool     // also where no label is left
	Element  *Type    // of an array
	Beneath  *Type    // what lies beneath a domain in the end; nil for others
	NotNull  bool     // a domain that refuses NULL
	Default  bool     // a domain with something to fall back to
	Columns  []Column // of a composite type that is no table's, as far as something refers to it
	relation uint32   // of which it is the row type
}

// Column is a column of a table.
type Column struct {
	Name      string
	Type      string // quoted and schema-qualified, safe to put into SQL
	Info      *Type
	Nullable  bool
	Default   bool // there is something to fall back to: a default, an identity or an expression
	Generated bool // nobody may write it: an expression, or an identity generated always
	Comment   string
}

// Table is a table, view, materialized view or foreign table.
type Table struct {
	Schema     string
	Name       string
	Comment    string
	View       bool // or a materialized view
	Columns    []Column
	PrimaryKey []string

	// Unique holds the columns of each unique key without condition, the
	// primary one first. A view has the keys of its table if it is so simple
	// that PostgreSQL can update through it.
	Unique [][]string

	// Relations lead to tables of the same schema.
	Relations []*Relation

	// ComputedColumns are functions of a row of this table.
	ComputedColumns []*Function

	// What PostgreSQL could do. Whether a role may is its privileges' to say.
	Insertable, Updatable, Deletable bool

	// Protected says that Row-Level Security decides about the rows: it is on
	// for the table, or the view runs as its caller and all beneath it are
	// protected.
	Protected bool

	byName   map[string]int
	shadowed bool // PostgreSQL has a type of the name, which goes before that of the rows
}

// Column returns the column of a name.
func (t *Table) Column(name string) (Column, bool) {
	i, ok := t.byName[name]
	if !ok {
		return Column{}, false
	}
	return t.Columns[i], true
}

// ComputedColumn returns the function of a row that goes by a name, or nil. A
// real column of the name goes before it.
func (t *Table) ComputedColumn(name string) *Function {
	for _, f := range t.ComputedColumns {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// index prepares Column. The table does not change afterwards.
func (t *Table) index() {
	t.byName = make(map[string]int, len(t.Columns))
	for i, c := range t.Columns {
		t.byName[c.Name] = i
	}
}

// NewTable returns a table as a snapshot would hold it, for tests of pure
// packages.
func NewTable(t Table) *Table {
	t.index()
	return &t
}

// Snapshot is the catalog at one time.
type Snapshot struct {
	tables      map[[2]string]*Table
	functions   map[[2]string][]*Function
	types       []*Type
	geoJSON     string // the function that writes rows as GeoJSON, as SQL; "" if there is none
	fingerprint string
	loadedAt    time.Time
}

// Table returns the table of a schema and name, or nil.
func (s *Snapshot) Table(schema, name string) *Table { return s.tables[[2]string{schema, name}] }

// Function returns the functions of a schema and name: several if the name is
// overloaded, nil if there is none.
func (s *Snapshot) Function(schema, name string) []*Function {
	return s.functions[[2]string{schema, name}]
}

// Tables returns all tables, by schema and name. The caller owns the slice.
func (s *Snapshot) Tables() []*Table {
	return slices.SortedFunc(maps.Values(s.tables), func(a, b *Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
}

// Functions returns all functions, by schema and name; those of one name in no
// order. The caller owns the slice.
func (s *Snapshot) Functions() []*Function {
	all := slices.Concat(slices.Collect(maps.Values(s.functions))...)
	slices.SortFunc(all, func(a, b *Function) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Types returns the enums and composite types of the schemas, by schema and
// name.
func (s *Snapshot) Types() []*Type { return s.types }

// within says whether all of some names are among others.
func within(some, others []string) bool {
	for _, name := range some {
		if !slices.Contains(others, name) {
			return false
		}
	}
	return len(some) > 0
}
