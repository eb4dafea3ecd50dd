package catalog

import (
	"fmt"
	"slices"
)

// record is a relation as PostgreSQL's catalog has it. Numbers of columns are
// what keys and views refer to by.
type record struct {
	*Table

	oid    uint32
	simple bool     // a view that PostgreSQL can update through
	taken  bool     // triggers or rules take what is written to it
	names  []string // by the number of the column
}

type key struct {
	relation uint32
	columns  []int16
	primary  bool
	deferred bool // no arbiter of a conflict
}

type foreignKey struct {
	name         string
	from, to     uint32
	columns, ref []int16
}

// builder puts a snapshot together.
type builder struct {
	records   map[uint32]*record
	keys      map[uint32][]key
	foreign   []foreignKey
	views     map[uint32][]origin // by relation
	functions []*Function
	types     []*Type

	traced map[uint32][]copied
	faces  map[uint32][]face // by relation
}

// copied says where the value of a view's column comes from in the end.
type copied struct {
	relation uint32
	column   int16
	path     string // of members of FROM, through the views; "" if one is not known
}

// face is an exposed relation that shows a relation's columns: itself, or a
// view over it.
type face struct {
	*record

	shown map[int16][]shown
}

type shown struct{ name, path string }

func (b *builder) build() *Snapshot {
	s := &Snapshot{tables: make(map[[2]string]*Table, len(b.records)), functions: map[[2]string][]*Function{}, types: b.types}
	b.traced, b.faces = map[uint32][]copied{}, map[uint32][]face{}
	for _, oid := range sorted(b.records) {
		r := b.records[oid]
		r.index()
		s.tables[[2]string{r.Schema, r.Name}] = r.Table
		b.face(r)
	}
	for oid, keys := range b.keys {
		for _, f := range b.faces[oid] {
			f.setKeys(keys, f.oid == oid)
		}
	}
	for _, k := range b.foreign {
		b.relate(k)
	}
	for _, oid := range sorted(b.records) {
		b.records[oid].join()
	}
	for _, r := range b.records {
		b.through(r)
	}
	for _, f := range b.functions {
		b.function(f)
		name := [2]string{f.Schema, f.Name}
		s.functions[name] = append(s.functions[name], f)
	}
	return s
}

func sorted(records map[uint32]*record) []uint32 {
	oids := make([]uint32, 0, len(records))
	for oid := range records {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	return oids
}

// face registers an exposed relation with all whose columns it shows.
func (b *builder) face(r *record) {
	if _, view := b.views[r.oid]; !view {
		f := face{r, make(map[int16][]shown, len(r.names))}
		for i, name := range r.names {
			if name != "" {
				f.shown[int16(i)] = []shown{{name, "."}}
			}
		}
		b.faces[r.oid] = append(b.faces[r.oid], f)
		return
	}
	r.View = true
	beneath := map[uint32]face{}
	for i, c := range b.trace(r.oid, 0) {
		if c.relation == 0 || i+1 >= len(r.names) || r.names[i+1] == "" {
			continue
		}
		f, ok := beneath[c.relation]
		if !ok {
			f = face{r, map[int16][]shown{}}
			beneath[c.relation] = f
			b.faces[c.relation] = append(b.faces[c.relation], f)
		}
		f.shown[c.column] = append(f.shown[c.column], shown{r.names[i+1], c.path})
	}
}

const maxViews = 100 // on top of each other

// trace follows the columns of a view down to what is no view.
func (b *builder) trace(view uint32, depth int) []copied {
	if done, ok := b.traced[view]; ok {
		return done
	}
	columns := make([]copied, len(b.views[view]))
	for i, o := range b.views[view] {
		c := copied{relation: o.relation, column: o.column}
		if o.direct {
			c.path = fmt.Sprintf(".%d", o.entry)
		}
		if _, nested := b.views[o.relation]; nested {
			var below []copied
			if depth < maxViews {
				below = b.trace(o.relation, depth+1)
			}
			if int(o.column) > len(below) {
				continue
			}
			end := below[o.column-1]
			if c.path == "" || end.path == "" {
				end.path = ""
			} else {
				end.path += c.path
			}
			c = end
		}
		columns[i] = c
	}
	b.traced[view] = columns
	return columns
}

// through marks the columns of a view that PostgreSQL cannot write through it:
// expressions, and what is generated beneath.
func (b *builder) through(r *record) {
	if !r.View || !r.simple || r.taken {
		return
	}
	origins := b.traced[r.oid]
	for i := range r.Columns {
		at := slices.Index(r.names, r.Columns[i].Name) - 1
		if at < 0 || at >= len(origins) || origins[at].relation == 0 {
			r.Columns[i].Generated = true
			continue
		}
		if base := b.records[origins[at].relation]; base != nil && int(origins[at].column) < len(base.names) {
			beneath, _ := base.Column(base.names[origins[at].column])
			r.Columns[i].Generated = beneath.Generated
		}
	}
}

// columns returns the sets of names under which a face shows columns of its
// relation. Several columns belong together only if they come the same way: a
// view may join a table with itself.
func (f face) columns(numbers []int16) [][]string {
	var sets [][]string
	for _, first := range f.shown[numbers[0]] {
		if len(numbers) > 1 && first.path == "" {
			continue
		}
		set := []string{first.name}
		for _, n := range numbers[1:] {
			for _, s := range f.shown[n] {
				if s.path == first.path {
					set = append(set, s.name)
					break
				}
			}
		}
		if len(set) == len(numbers) {
			sets = append(sets, set)
		}
	}
	return sets
}

func (f face) setKeys(keys []key, itself bool) {
	if !itself && !f.simple {
		return
	}
	for _, k := range keys {
		sets := f.columns(k.columns)
		if len(sets) == 0 {
			continue
		}
		if k.primary {
			f.PrimaryKey = sets[0]
		}
		if !k.deferred {
			f.Unique = append(f.Unique, sets[0])
		}
	}
}

// relate adds what a foreign key means to every pair that shows it, in both
// directions.
func (b *builder) relate(k foreignKey) {
	there, back := ManyToOne, OneToMany
	if slices.ContainsFunc(b.keys[k.from], func(u key) bool { return subset(u.columns, k.columns) }) {
		there, back = OneToOne, OneToOne
	}
	for _, from := range b.faces[k.from] {
		for _, to := range b.faces[k.to] {
			if from.Schema != to.Schema {
				continue
			}
			for _, columns := range from.columns(k.columns) {
				for _, target := range to.columns(k.ref) {
					from.Relations = append(from.Relations, &Relation{
						Cardinality: there, Table: to.Table, Constraint: k.name, Columns: columns, Target: target, holds: true, own: from.Table == to.Table,
					})
					to.Relations = append(to.Relations, &Relation{
						Cardinality: back, Table: from.Table, Constraint: k.name, Columns: target, Target: columns, own: from.Table == to.Table,
					})
				}
			}
		}
	}
}

func subset(some, others []int16) bool {
	return !slices.ContainsFunc(some, func(n int16) bool { return !slices.Contains(others, n) })
}

// join makes a junction of a table whose primary key holds foreign keys.
func (r *record) join() {
	var keys []*Relation
	for _, k := range r.Relations {
		if k.holds && within(k.Columns, r.PrimaryKey) {
			keys = append(keys, k)
		}
	}
	for _, near := range keys {
		for _, far := range keys {
			if near.Constraint == far.Constraint {
				continue
			}
			near.Table.Relations = append(near.Table.Relations, &Relation{
				Cardinality: ManyToMany, Table: far.Table, Constraint: near.Constraint, Columns: near.Target, Target: far.Target,
				own:      near.Table == far.Table,
				Junction: &Junction{Table: r.Table, Constraint: far.Constraint, Columns: near.Columns, Target: far.Columns},
			})
		}
	}
}

// function gives a function its result, and to a table the functions of its
// rows.
func (b *builder) function(f *Function) {
	if f.Returns == Composite {
		if r := b.records[f.Type.relation]; r != nil && f.Type.relation != 0 {
			f.Result, f.OfTable = r.Table, true
		} else {
			f.Result = NewTable(Table{Schema: f.Schema, Name: f.Name, Columns: f.columns})
		}
	}
	if len(f.Arguments) != 1 || f.Arguments[0].Type.relation == 0 {
		return
	}
	of := b.records[f.Arguments[0].Type.relation]
	switch {
	case of == nil || of.Schema != f.Schema || f.Returns == Void:
	case !f.Set:
		of.ComputedColumns = append(of.ComputedColumns, f)
	case f.OfTable && f.Result.Schema == f.Schema:
		r := &Relation{Cardinality: OneToMany, Table: f.Result, Function: f}
		if f.oneRow {
			r.Cardinality = ManyToOne
		}
		of.Relations = append(of.Relations, r)
	}
}
