package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

// relations writes what leads away from a table, in order.
func (l *loaded) relations(t *testing.T, name string) []string {
	t.Helper()
	return written(l.table(t, name).Relations)
}

func written(relations []*catalog.Relation) []string {
	list := []string{}
	for _, r := range relations {
		text := fmt.Sprintf("%s %s %s (%s)=(%s)", r.Cardinality, r.Table.Name, r.Constraint, strings.Join(r.Columns, ","), strings.Join(r.Target, ","))
		if j := r.Junction; j != nil {
			text += fmt.Sprintf(" by %s %s (%s)=(%s)", j.Table.Name, j.Constraint, strings.Join(j.Columns, ","), strings.Join(j.Target, ","))
		}
		if r.Function != nil {
			text = fmt.Sprintf("%s %s by function %s", r.Cardinality, r.Table.Name, r.Function.Name)
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

const filmsSQL = `
	create table public.directors (id int primary key, name text);
	create table public.films (id int primary key, title text, director_id int references public.directors, "Odd;" int);
	create table public.specs (film_id int primary key references public.films, minutes int);
	create table public.notes (id int primary key, film_id int unique references public.films);
	create table public.actors (id int primary key, name text);
	create table public.roles (film_id int references public.films, actor_id int references public.actors, part text, primary key (film_id, actor_id));
	create table public.fans (id int primary key, film_id int references public.films, actor_id int references public.actors);`

func TestForeignKeysLeadBothWays(t *testing.T) {
	t.Parallel()
	l := load(t, filmsSQL)
	for name, want := range map[string][]string{
		"directors": {"one-to-many films films_director_id_fkey (id)=(director_id)"},
		"films": {
			"many-to-many actors roles_film_id_fkey (id)=(id) by roles roles_actor_id_fkey (film_id)=(actor_id)",
			"many-to-one directors films_director_id_fkey (director_id)=(id)",
			"one-to-many fans fans_film_id_fkey (id)=(film_id)",
			"one-to-many roles roles_film_id_fkey (id)=(film_id)",
			"one-to-one notes notes_film_id_fkey (id)=(film_id)",
			"one-to-one specs specs_film_id_fkey (id)=(film_id)",
		},
		"specs": {"one-to-one films specs_film_id_fkey (film_id)=(id)"},
		"actors": {
			"many-to-many films roles_actor_id_fkey (id)=(id) by roles roles_film_id_fkey (actor_id)=(film_id)",
			"one-to-many fans fans_actor_id_fkey (id)=(actor_id)",
			"one-to-many roles roles_actor_id_fkey (id)=(actor_id)",
		},
		// Foreign keys beside the primary key make no junction.
		"fans": {"many-to-one actors fans_actor_id_fkey (actor_id)=(id)", "many-to-one films fans_film_id_fkey (film_id)=(id)"},
	} {
		if diff := cmp.Diff(want, l.relations(t, name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if a := l.table(t, "films").Related("directors", "")[0]; !a.ToOne() || a.Table != l.table(t, "directors") {
		t.Errorf("%+v", a)
	}
}

func TestCompositeKeysKeepTheirOrder(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.places (a int, b int, c int, primary key (a, b), unique (b, c));
		create table public.visits (x int, y int, z int, constraint v1 foreign key (y, x) references public.places, constraint v2 foreign key (z, y) references public.places (c, b));
		create table public.both (a1 int, b1 int, a2 int, b2 int, primary key (b2, a2, b1, a1),
			constraint first foreign key (a1, b1) references public.places, constraint second foreign key (a2, b2) references public.places);
		create table public.half (a1 int, b1 int, a2 int, b2 int, primary key (b2, a2, b1),
			constraint h1 foreign key (a1, b1) references public.places, constraint h2 foreign key (a2, b2) references public.places);
		create schema other; create table other.o (a int, b int, foreign key (a, b) references public.places)`, "public", "other")
	if diff := cmp.Diff([]string{"many-to-one places v1 (y,x)=(a,b)", "many-to-one places v2 (z,y)=(c,b)"}, l.relations(t, "visits")); diff != "" {
		t.Error(diff)
	}
	places := l.relations(t, "places")
	for _, want := range []string{
		"many-to-many places first (a,b)=(a,b) by both second (a1,b1)=(a2,b2)",
		"many-to-many places second (a,b)=(a,b) by both first (a2,b2)=(a1,b1)",
	} {
		if !slices.Contains(places, want) {
			t.Errorf("no %s in %q", want, places)
		}
	}
	for _, r := range places {
		if strings.Contains(r, " o ") || strings.Contains(r, "by half") {
			t.Errorf("leads out of its schema, or by what is no junction: %s", r)
		}
	}
	if diff := cmp.Diff([][]string{{"a", "b"}, {"b", "c"}}, l.table(t, "places").Unique); diff != "" {
		t.Error(diff)
	}
}

// A row has one partner for sure only if something unconditional and unique says
// so.
func TestUniqueKeys(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.t (id int primary key);
		create table public.part (id int references public.t); create unique index on public.part (id) where id > 0;
		create table public.expr (id int references public.t); create unique index on public.expr ((id + 1));
		create table public.wide (id int references public.t, x int, unique (id, x));
		create table public.idx (id int references public.t, x int); create unique index on public.idx (id) include (x);
		create table public.later (id int references public.t unique deferrable);`)
	for name, want := range map[string][][]string{"t": {{"id"}}, "part": nil, "expr": nil, "wide": {{"id", "x"}}, "idx": {{"id"}}, "later": nil} {
		if diff := cmp.Diff(want, l.table(t, name).Unique); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, one := range map[string]bool{"part": false, "expr": false, "wide": false, "idx": true, "later": true} {
		if got := l.table(t, "t").Related(name, "")[0].ToOne(); got != one {
			t.Errorf("%s: to one: %v", name, got)
		}
	}
}

func TestPartitionsDoNotRepeatForeignKeys(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.t (id int primary key) partition by list (id); create table public.t1 partition of public.t for values in (1);
		create table public.u (id int references public.t, k int) partition by list (k);
		create table public.u1 partition of public.u for values in (1); create table public.u2 partition of public.u for values in (2)`)
	if diff := cmp.Diff([]string{"many-to-one t u_id_fkey (id)=(id)"}, l.relations(t, "u")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one-to-many u u_id_fkey (id)=(id)"}, l.relations(t, "t")); diff != "" {
		t.Error(diff)
	}
}

func TestRelated(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.addresses (id int primary key);
		create table public.orders (id int primary key, billing int constraint b references public.addresses, shipping int constraint s references public.addresses);
		create table public.boxes (order_id int constraint bo references public.orders, address_id int constraint ba references public.addresses, primary key (order_id, address_id));
		create table public.people (id int primary key, boss int constraint boss_fk references public.people);
		create table public.bonds (one int constraint o references public.people, two int constraint t references public.people, primary key (one, two));
		create table public.rooms (id int primary key, front int constraint f references public.addresses, rear int constraint r references public.addresses);
		create table public.folk (id int primary key);
		create table public.friends (one int constraint fo references public.folk, other int constraint ft references public.folk, primary key (one, other));
		create table public.films (id int primary key); create table public.directors (id int primary key, film int constraint df references public.films);
		create function public.directors(public.films) returns setof public.directors rows 1 language sql stable as 'select * from public.directors';
		create function public.best(public.films) returns setof public.directors language sql stable as 'select * from public.directors'`)
	for _, c := range []struct {
		from, name, hint string
		want             []string
	}{
		{"orders", "addresses", "", []string{
			"many-to-many addresses bo (id)=(id) by boxes ba (order_id)=(address_id)",
			"many-to-one addresses b (billing)=(id)", "many-to-one addresses s (shipping)=(id)",
		}},
		{"orders", "addresses", "b", []string{"many-to-one addresses b (billing)=(id)"}},
		{"orders", "addresses", "shipping", []string{"many-to-one addresses s (shipping)=(id)"}},
		{"orders", "addresses", "boxes", []string{"many-to-many addresses bo (id)=(id) by boxes ba (order_id)=(address_id)"}},
		{"orders", "addresses", "ba", []string{"many-to-many addresses bo (id)=(id) by boxes ba (order_id)=(address_id)"}},
		{"orders", "addresses", "nope", []string{}},
		{"orders", "b", "", []string{"many-to-one addresses b (billing)=(id)"}},
		{"orders", "billing", "", []string{"many-to-one addresses b (billing)=(id)"}},
		{"orders", "billing", "b", []string{}},
		{"orders", "nope", "", []string{}},
		{"orders", "people", "", []string{}},
		{"addresses", "orders", "billing", []string{"one-to-many orders b (id)=(billing)"}},
		{"addresses", "billing", "", []string{}},
		{"addresses", "rooms", "", []string{"one-to-many rooms f (id)=(front)", "one-to-many rooms r (id)=(rear)"}},
		{"folk", "folk", "friends", []string{
			"many-to-many folk fo (id)=(id) by friends ft (one)=(other)", "many-to-many folk ft (id)=(id) by friends fo (other)=(one)",
		}},
		{"people", "boss", "", []string{"many-to-one people boss_fk (boss)=(id)"}},
		{"people", "boss_fk", "", []string{"many-to-one people boss_fk (boss)=(id)"}},
		{"people", "people", "boss", []string{"one-to-many people boss_fk (id)=(boss)"}},
		{"people", "people", "boss_fk", []string{"one-to-many people boss_fk (id)=(boss)"}},
		{"people", "people", "bonds", []string{
			"many-to-many people o (id)=(id) by bonds t (one)=(two)", "many-to-many people t (id)=(id) by bonds o (two)=(one)",
		}},
		{"people", "people", "o", []string{"many-to-many people o (id)=(id) by bonds t (one)=(two)"}},
		{"people", "people", "t", []string{"many-to-many people t (id)=(id) by bonds o (two)=(one)"}},
		{"addresses", "addresses", "", []string{}},
		{"films", "directors", "", []string{"many-to-one directors by function directors"}}, // replaces what was found
		{"films", "directors", "df", []string{"one-to-many directors df (id)=(film)"}},
		{"films", "best", "", []string{"one-to-many directors by function best"}},
		{"directors", "films", "", []string{"many-to-one films df (film)=(id)"}},
	} {
		if diff := cmp.Diff(c.want, written(l.table(t, c.from).Related(c.name, c.hint))); diff != "" {
			t.Errorf("%s: %s!%s: %s", c.from, c.name, c.hint, diff)
		}
	}
}
