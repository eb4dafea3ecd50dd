package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

const filmsSQL = `
	create table public.directors (id int primary key, name text, born int);
	create table public.films (id int primary key, title text, year int, director_id int references public.directors, sequel_of int references public.films);
	create table public.specs (film_id int primary key references public.films, minutes int);
	create table public.actors (id int primary key, name text);
	create table public.roles (film_id int references public.films, actor_id int references public.actors, part text, primary key (film_id, actor_id));
	create view public.old_films with (security_invoker = true) as select * from public.films where year < 1980;
	create function public.shout(public.directors) returns text stable language sql as $$ select upper($1.name) $$;
	create function public.latest(public.directors) returns setof public.films rows 1 stable language sql as $$ select * from public.films where director_id = $1.id order by year desc limit 1 $$;
	create function public.works(public.directors) returns setof public.films stable language sql as $$ select * from public.films where director_id = $1.id $$;
	insert into public.directors values (1, 'Ada', 1930), (2, 'Ben', 1950), (3, 'Cyd', 1970);
	insert into public.films values (1, 'Alpha', 1970, 1, null), (2, 'Beta', 1975, 1, 1), (3, 'Gamma', 1985, 2, null), (4, 'Delta', 1990, null, 2);
	insert into public.specs values (1, 90), (2, 100), (3, 110);
	insert into public.actors values (1, 'Xi'), (2, 'Yu'), (3, 'Zo');
	insert into public.roles values (1, 1, 'hero'), (1, 2, 'fool'), (2, 1, 'hero'), (3, 3, 'king');`

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	openWith(t, filmsSQL).reads(t, []reading{
		{"films", "select=title,directors(name)&order=id", `[{"title":"Alpha","directors":{"name":"Ada"}},{"title":"Beta","directors":{"name":"Ada"}},{"title":"Gamma","directors":{"name":"Ben"}},{"title":"Delta","directors":null}]`},
		{"directors", "select=name,films(title)&order=id&films.order=title.desc", `[{"name":"Ada","films":[{"title":"Beta"},{"title":"Alpha"}]},{"name":"Ben","films":[{"title":"Gamma"}]},{"name":"Cyd","films":[]}]`},
		{"directors", "select=name,f:films(t:title)&f.title=eq.Beta&order=id", `[{"name":"Ada","f":[{"t":"Beta"}]},{"name":"Ben","f":[]},{"name":"Cyd","f":[]}]`},
		{"directors", "select=name,films!inner(title)&films.title=eq.Beta", `[{"name":"Ada","films":[{"title":"Beta"}]}]`},
		{"directors", "select=name,films(title)&films.order=id.desc&films.limit=1&order=id", `[{"name":"Ada","films":[{"title":"Beta"}]},{"name":"Ben","films":[{"title":"Gamma"}]},{"name":"Cyd","films":[]}]`},
		{"directors", "select=name,films(title)&films.order=id&films.offset=1&order=id&limit=1", `[{"name":"Ada","films":[{"title":"Beta"}]}]`},
		{"directors", "select=name,films()&films=is.null", `[{"name":"Cyd"}]`},
		{"directors", "select=name,films()&films=not.is.null&order=id", `[{"name":"Ada"},{"name":"Ben"}]`},
		{"directors", "select=name,films()&films.year=gt.1980&films=is.null&order=id", `[{"name":"Ada"},{"name":"Cyd"}]`},
		{"directors", "select=name,films()&or=(films.is.null,name.eq.Ada)&order=id", `[{"name":"Ada"},{"name":"Cyd"}]`},
		{"directors", "select=name,films!inner()&films.limit=0", `[]`},
		{"films", "select=title,actors(name)&actors.order=name&order=id&limit=2", `[{"title":"Alpha","actors":[{"name":"Xi"},{"name":"Yu"}]},{"title":"Beta","actors":[{"name":"Xi"}]}]`},
		{"actors", "select=name,films!inner(title,directors!inner(name))&films.directors.name=eq.Ada&order=id&films.order=id", `[{"name":"Xi","films":[{"title":"Alpha","directors":{"name":"Ada"}},{"title":"Beta","directors":{"name":"Ada"}}]},{"name":"Yu","films":[{"title":"Alpha","directors":{"name":"Ada"}}]}]`},
		{"directors", "select=name,films(title,roles(part,actors(name)))&films.order=id&films.roles.order=part&id=eq.1", `[{"name":"Ada","films":[{"title":"Alpha","roles":[{"part":"fool","actors":{"name":"Yu"}},{"part":"hero","actors":{"name":"Xi"}}]},{"title":"Beta","roles":[{"part":"hero","actors":{"name":"Xi"}}]}]}]`},
		{"films", "select=title,specs(minutes)&id=in.(3,4)&order=id", `[{"title":"Gamma","specs":{"minutes":110}},{"title":"Delta","specs":null}]`},
		{"films", "select=title,before:films!sequel_of(title)&order=id&limit=1", `[{"title":"Alpha","before":[{"title":"Beta"}]}]`},
		{"films", "select=title,after:films!sequel_of(title)&order=id.desc&offset=2&limit=1", `[{"title":"Beta","after":[{"title":"Delta"}]}]`},
		{"films", "select=title,sequel_of(title)&order=id.desc&limit=1", `[{"title":"Delta","sequel_of":{"title":"Beta"}}]`},
		{"films", "select=title&order=directors(name).desc.nullslast,id", ``},
		{"films", "select=title,directors()&order=directors(name).desc.nullslast,id", `[{"title":"Gamma"},{"title":"Alpha"},{"title":"Beta"},{"title":"Delta"}]`},
		{"old_films", "select=title,directors(name)&order=id", `[{"title":"Alpha","directors":{"name":"Ada"}},{"title":"Beta","directors":{"name":"Ada"}}]`},
		{"directors", "select=name,old_films(title)&old_films.order=id&id=lt.3&order=id", `[{"name":"Ada","old_films":[{"title":"Alpha"},{"title":"Beta"}]},{"name":"Ben","old_films":[]}]`},
		{"directors", "select=shout,latest(title),works(title)&works.order=id&order=shout.desc&shout=neq.CYD", `[{"shout":"BEN","latest":{"title":"Gamma"},"works":[{"title":"Gamma"}]},{"shout":"ADA","latest":{"title":"Beta"},"works":[{"title":"Alpha"},{"title":"Beta"}]}]`},
		{"films", "select=title,directors(*)&id=eq.1", `[{"title":"Alpha","directors":{"id":1,"name":"Ada","born":1930}}]`},
		{"films", "select=title,directors(shout)&id=eq.1", `[{"title":"Alpha","directors":{"shout":"ADA"}}]`},
		{"films", "select=title,...directors(director:name,born)&order=id", `[{"title":"Alpha","director":"Ada","born":1930},{"title":"Beta","director":"Ada","born":1930},{"title":"Gamma","director":"Ben","born":1950},{"title":"Delta","director":null,"born":null}]`},
		{"films", "select=title,...directors!inner(name)&directors.name=eq.Ben", `[{"title":"Gamma","name":"Ben"}]`},
		{"directors", "select=name,...films(title,year)&films.order=year.desc&order=id", `[{"name":"Ada","title":["Beta","Alpha"],"year":[1975,1970]},{"name":"Ben","title":["Gamma"],"year":[1985]},{"name":"Cyd","title":[],"year":[]}]`},
		{"roles", "select=part,...films(title,...directors(*))&order=film_id,actor_id&limit=1", `[{"part":"hero","title":"Alpha","id":1,"name":"Ada","born":1930}]`},
		{"roles", "select=part,...films(title,specs(minutes))&order=film_id.desc&limit=1", `[{"part":"king","title":"Gamma","specs":{"minutes":110}}]`},
		{"films", "select=count(),year.min(),last:year.max()::text", `[{"count":4,"min":1970,"last":"1990"}]`},
		{"films", "select=director_id,n:count(),title.max()&order=director_id", `[{"director_id":1,"n":2,"max":"Beta"},{"director_id":2,"n":1,"max":"Gamma"},{"director_id":null,"n":1,"max":"Delta"}]`},
		{"films", "select=directors(name),year.sum()&order=director_id", ``},
		{"films", "select=director_id,directors(name),year.sum()&order=director_id", `[{"director_id":1,"directors":{"name":"Ada"},"sum":3945},{"director_id":2,"directors":{"name":"Ben"},"sum":1985},{"director_id":null,"directors":null,"sum":1990}]`},
		{"directors", "select=name,films(count(),year.avg()::int)&order=id", `[{"name":"Ada","films":[{"count":2,"avg":1973}]},{"name":"Ben","films":[{"count":1,"avg":1985}]},{"name":"Cyd","films":[{"count":0,"avg":null}]}]`},
		{"films", "select=year.max(),...directors(name)&director_id=not.is.null&order=director_id", ``},
		{"films", "select=year.max(),director_id,...directors(name)&director_id=not.is.null&order=director_id", `[{"max":1975,"director_id":1,"name":"Ada"},{"max":1985,"director_id":2,"name":"Ben"}]`},
		{"films", "select=year::text,...directors(born.max(),count())&id=in.(1,3)&order=year", ``},
		{"roles", "select=part,...films(year.max(),n:count())&part=eq.hero", `[{"part":"hero","max":1975,"n":2}]`},
		{"roles", "select=part,...films(...directors(born.sum()))&part=eq.hero", `[{"part":"hero","sum":3860}]`},
		{"directors", "select=name,...films(year.sum(),count())&order=id&limit=1", `[{"name":"Ada","sum":[3945],"count":[2]}]`},
		{"films", "select=year::text::int", ``},
		{"directors", "select=films(specs())&id=eq.1", `[{"films":[{},{}]}]`},
		{"directors", "select=films()&id=eq.1", `[{}]`},
		{"directors", "select=*,films(*)&id=eq.3", `[{"id":3,"name":"Cyd","born":1970,"films":[]}]`},
	})
}

// reading is a read, and the rows that answer it; none for a complaint.
type reading struct{ table, raw, want string }

// reads compares the answers to reads, and their counts, with what they are to
// be.
func (b *base) reads(t *testing.T, list []reading) {
	t.Helper()
	for _, c := range list {
		rows, total, sql, err := b.read(t, c)
		if err != nil || c.want == "" {
			if (err == nil) != (c.want != "") {
				t.Errorf("%s?%s: %v, %v\n%s", c.table, c.raw, rows, err, sql)
			}
			continue
		}
		var want []any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(c.raw, err)
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("%s?%s\n%s\n%s", c.table, c.raw, sql, diff)
		}
		if total != len(rows) && !strings.Contains(c.raw, "limit") {
			t.Errorf("%s?%s: counted %d", c.table, c.raw, total)
		}
	}
}

func (b *base) read(t *testing.T, c reading) (rows []any, total int, sql string, err error) {
	t.Helper()
	q, err := query.Parse(c.raw)
	if err != nil {
		return nil, 0, "", err
	}
	st, err := plan.Read(b.table(t, c.table), q, 0, plan.Answer{Aggregates: true, Count: true})
	if err != nil {
		return nil, 0, "", err
	}
	var body string
	var n int
	if err := b.conn.QueryRow(t.Context(), st.SQL, st.Args...).Scan(&body, &n, &total); err != nil {
		return nil, 0, st.SQL, err
	}
	if err := json.Unmarshal([]byte(body), &rows); err != nil || n != len(rows) {
		t.Fatalf("%s?%s: %v, %d rows counted in %s", c.table, c.raw, err, n, body)
	}
	return rows, total, st.SQL, nil
}
