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
// the foreign key, of its column or what it refers to, or of the junction. Within one table
// parent_id(name) is the parent, and nodes!parent_id(name) are the children.
func (t *Table) Related(name, hint string) []*Relation {
	var computed, found []*Relation
	for _, r := range t.Relations {
		switch {
		case r.Function != nil:
			if hint == "" && r.Function.Name == name {
				computed = append(computed, r)
			}
		case r.named(name, hint == "") && (hint == "" || r.hinted(hint)):
			found = append(found, r)
		}
	}
	if computed != nil { // meant to replace what was detected
		return computed
	}
	if hint != "" || name != t.Name {
		found = sided(t, found, hint == "")
	}
	return found
}

// sided tells the two directions of a foreign key apart whose table refers to
// itself: its own name stands for the row that is referred to, and as a hint
// beside the table's for the rows that refer to it.
func sided(t *Table, found []*Relation, held bool) []*Relation {
	if len(found) != 2 || found[0].Table != t {
		return found
	}
	return slices.DeleteFunc(found, func(r *Relation) bool { return r.holds != held })
}

func (r *Relation) named(name string, loosely bool) bool {
	if r.Table.Name == name {
		return true
	}
	return loosely && r.Junction == nil && !r.Table.View && (r.Constraint == name || r.holds && slices.Equal(r.Columns, []string{name}))
}

func (r *Relation) hinted(hint string) bool {
	if r.Junction != nil {
		return r.Junction.Table.Name == hint || r.Constraint == hint || r.Junction.Constraint == hint
	}
	one := []string{hint}
	return r.Constraint == hint || slices.Equal(r.Columns, one) || slices.Equal(r.Target, one)
}
