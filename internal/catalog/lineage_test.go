package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A view has the relations of the columns that it shows unchanged, however deep
// they come from, and no others.
func TestViewsHaveTheRelationsOfTheirColumns(t *testing.T) {
	t.Parallel()
	const (
		director = "many-to-one directors films_director_id_fkey (director_id)=(id)"
		renamed  = "many-to-one directors films_director_id_fkey (d)=(id)"
	)
	for name, c := range map[string]struct {
		view string
		want []string
	}{
		"plain":            {"select id, director_id from hidden.films", []string{director}},
		"renamed":          {"select director_id as d from hidden.films", []string{renamed}},
		"star":             {"select * from hidden.films", []string{director}},
		"names of fields":  {`select 1 as ":resorigtbl", 2 as "} {", 3 as ":targetList (", 4 as "\", director_id as d, 5 as ":resno" from hidden.films`, []string{renamed}},
		"joined":           {"select f.director_id as d, a.id from hidden.films f left join hidden.films a on a.id = f.id", []string{renamed}},
		"using":            {"select director_id as d from hidden.films f join (select 1 as director_id) o using (director_id)", []string{renamed}},
		"subquery":         {"select d from (select director_id as d from hidden.films limit 3) s", []string{renamed}},
		"with":             {"with s as (select director_id as d from hidden.films) select d from s", []string{renamed}},
		"nested":           {"select x as d from hidden.deep", []string{renamed}},
		"grouped":          {"select director_id as d, count(*) from hidden.films group by director_id", []string{renamed}},
		"distinct":         {"select distinct director_id as d from hidden.films", []string{renamed}},
		"window":           {"select director_id as d, rank() over (order by id) from hidden.films", []string{renamed}},
		"twice":            {"select director_id as d, director_id as e from hidden.films", []string{renamed, "many-to-one directors films_director_id_fkey (e)=(id)"}},
		"expression":       {"select director_id + 0 as director_id from hidden.films", []string{}},
		"cast":             {"select director_id::bigint as director_id from hidden.films", []string{}},
		"coalesce":         {"select coalesce(director_id, 0) as director_id from hidden.films", []string{}},
		"aggregate":        {"select max(director_id) as director_id from hidden.films", []string{}},
		"constant":         {"select 1 as director_id from hidden.films", []string{}},
		"union":            {"select director_id from hidden.films union all select director_id from hidden.films", []string{}},
		"union beneath":    {"select director_id from (select director_id from hidden.films union all select 7) s", []string{}},
		"intersect":        {"select director_id from hidden.films intersect select id from hidden.films", []string{}},
		"function":         {"select director_id from hidden.all_films()", []string{}},
		"values":           {"values (1), (2)", []string{}},
		"scalar subquery":  {"select (select director_id from hidden.films limit 1) as director_id", []string{}},
		"whole row":        {"select f as director_id from hidden.films f", []string{}},
		"another's column": {"select id as director_id from hidden.films", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := load(t, `create schema hidden; create table public.directors (id int primary key);
				create table hidden.films (gone int, id int primary key, director_id int references public.directors, unique (director_id, id));
				alter table hidden.films drop column gone;
				create view hidden.shallow as select id, director_id from hidden.films;
				create view hidden.deep as select director_id as x, 1 as y from hidden.shallow;
				create function hidden.all_films() returns setof hidden.films language sql as 'select * from hidden.films';
				create view public.v as `+c.view)
			if diff := cmp.Diff(c.want, l.relations(t, "v")); diff != "" {
				t.Error(diff)
			}
			if back := l.relations(t, "directors"); len(back) != len(c.want) {
				t.Errorf("back: %q", back)
			}
		})
	}
}

// Columns that come from two rows are no key together.
func TestViewOfATableJoinedWithItself(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.p (a int, b int, primary key (a, b)); create table public.c (a int, b int, foreign key (a, b) references public.p);
		create view public.whole as select a, b from public.c;
		create view public.mixed as select x.a, y.b from public.c x, public.c y;
		create view public.pairs as select x.a as xa, x.b as xb, y.a as ya, y.b as yb from public.c x, public.c y;
		create view public.above as select ya, xb, xa from public.pairs;
		create view public.buried as select a, b from (select x.a, y.b from public.c x, public.c y) s;
		create materialized view public.kept as select b as two, a as one from public.c`)
	for name, want := range map[string][]string{
		"whole":  {"many-to-one p c_a_b_fkey (a,b)=(a,b)"},
		"mixed":  {},
		"pairs":  {"many-to-one p c_a_b_fkey (xa,xb)=(a,b)", "many-to-one p c_a_b_fkey (ya,yb)=(a,b)"},
		"above":  {"many-to-one p c_a_b_fkey (xa,xb)=(a,b)"},
		"buried": {},
		"kept":   {"many-to-one p c_a_b_fkey (one,two)=(a,b)"},
	} {
		if diff := cmp.Diff(want, l.relations(t, name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestViewsAsJunctionsAndTargets(t *testing.T) {
	t.Parallel()
	l := load(t, `create schema hidden;`+strings.ReplaceAll(filmsSQL, "public.", "hidden.")+`
		create view public.films as select * from hidden.films; create view public.actors as select id as actor, name from hidden.actors;
		create view public.roles as select actor_id as a, film_id as f from hidden.roles;
		create view public.parts as select distinct actor_id, film_id from hidden.roles`)
	want := "many-to-many actors roles_film_id_fkey (id)=(actor) by roles roles_actor_id_fkey (f)=(a)"
	got := l.relations(t, "films")
	if !slices.Contains(got, want) {
		t.Errorf("no %s in %q", want, got)
	}
	for _, r := range got {
		if strings.Contains(r, "by parts") {
			t.Errorf("a view whose keys are not known is no junction: %s", r)
		}
	}
	if got := l.table(t, "roles").PrimaryKey; !slices.Equal(got, []string{"f", "a"}) {
		t.Errorf("primary key %q", got)
	}
	if got := l.table(t, "parts").PrimaryKey; len(got) != 0 {
		t.Errorf("primary key %q", got)
	}
}

func TestWhatPostgreSQLCouldDo(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.t (id int primary key, x int);
		create view public.simple as select * from public.t;
		create view public.grouped as select x from public.t group by x;
		create view public.triggered as select distinct x from public.t;
		create function public.put() returns trigger language plpgsql as 'begin return new; end';
		create trigger put instead of insert on public.triggered for each row execute function public.put();
		create materialized view public.kept as select * from public.t`)
	for name, want := range map[string][3]bool{
		"t": {true, true, true}, "simple": {true, true, true}, "grouped": {}, "triggered": {true, false, false}, "kept": {},
	} {
		if v := l.table(t, name); [3]bool{v.Insertable, v.Updatable, v.Deletable} != want {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
