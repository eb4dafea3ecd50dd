package catalog

import "slices"

// Cardinality says how many rows of a relation belong to one row, seen from
// where the relation begins.
type Cardinality int

// The cardinalities.
const (
	ManyToOne  Cardinality = iota // this table holds the foreign key
	OneToOne                      // so does it, or the other one, under a unique key
	OneToMany                     // the other table holds the foreign key
	ManyToMany                    // a junction holds both
)

// String names a cardinality in PostgREST's words.
func (c Cardinality) String() string {
	return [...]string{"many-to-one", "one-to-one", "one-to-many", "many-to-many"}[c]
}

// Relation leads from the rows of one table to those of another, or of the same
// one.
type Relation struct {
	Cardinality Cardinality
	Table       *Table   // where it leads
	Constraint  string   // the foreign key; "" for a computed relation
	Columns     []string // of the table where it begins
	Target      []string // of Table, in the same order

	// Junction stands in between for ManyToMany: Columns equal its Columns, and
	// its Target equals Target. Constraint is the first foreign key then.
	Junction *Junction

	// Function makes the related rows from a row, if the relation is computed.
	Function *Function

	holds bool // the foreign key is on the side where the relation begins
	own   bool // it leads to the table where it begins
}

// Junction is the table between two others.
type Junction struct {
	Table      *Table
	Constraint string   // the foreign key to where the relation leads
	Columns    []string // equal Relation.Columns
	Target     []string // equal Relation.Target
}

// ToOne says that a row has at most one related row.
func (r *Relation) ToOne() bool { return r.Cardinality == ManyToOne || r.Cardinality == OneToOne }

// Holds says that the foreign key is on the side where the relation begins.
func (r *Relation) Holds() bool { return r.holds }

// Related returns the relations that a request may mean: one if all is well,
// none if there is no such relation, several if the name is ambiguous without
// a (better) hint.
//
// The name is that of a computed relation, of the other table or, where that is
// no view, of the foreign key or, where this table holds it, of its one column. The hint is the name of
// the foreign key, of its column or what it refers to, or of the junction.
//
// A foreign key of a table to itself leads both ways: its own name or column to
// the row that it refers to, and the table's name, with a hint or without, to
// the rows that refer to this one.
func (t *Table) Related(name, hint string) []*Relation {
	var computed, found []*Relation
	for _, r := range t.Relations {
		switch {
		case r.Function != nil:
			if hint == "" && r.Function.Name == name {
				computed = append(computed, r)
			}
		case hint == "" && (r.leads(name) || r.keyed(name)), hint != "" && r.leads(name) && r.hinted(hint):
			found = append(found, r)
		}
	}
	if computed != nil { // meant to replace what was detected
		return computed
	}
	return found
}

// leads says whether a relation goes by the name of the table.
func (r *Relation) leads(name string) bool { return r.Table.Name == name && (!r.own || !r.holds) }

// keyed says whether a relation goes by the name of its foreign key or of its
// column.
func (r *Relation) keyed(name string) bool {
	if r.Junction != nil || r.Table.View {
		return false
	}
	return r.Constraint == name && (r.holds || !r.own) || r.holds && slices.Equal(r.Columns, []string{name})
}

func (r *Relation) hinted(hint string) bool {
	one := []string{hint}
	return slices.Contains(r.Hints(), hint) || r.Junction == nil && (slices.Equal(r.Columns, one) || slices.Equal(r.Target, one))
}

// Hints returns the names that tell a relation from others to the same table,
// the usual one first. Of a junction of a table with itself it has only the key
// to where it begins, since both keys would mean both directions.
func (r *Relation) Hints() []string {
	switch {
	case r.Function != nil:
		return []string{r.Function.Name}
	case r.Junction == nil:
		return []string{r.Constraint}
	case r.own:
		return []string{r.Junction.Table.Name, r.Constraint}
	default:
		return []string{r.Junction.Table.Name, r.Constraint, r.Junction.Constraint}
	}
}
