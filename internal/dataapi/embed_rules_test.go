package dataapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestCastsAndFunctionsDoNotSeeHiddenRows sends what fails, with the value in
// its words, on a row of somebody else's.
func TestCastsAndFunctionsDoNotSeeHiddenRows(t *testing.T) {
	t.Parallel()
	s, alice, bob := two(t, servertest.With("data.aggregates", "true"))
	s.DB.Exec(t, `update public.items set note = '7' where note = 'mine' or note = 'in a hidden list'; update public.lists set name = '5' where id = 1;
		create function public.loud(public.items) returns int stable cost 0.0001 language plpgsql as $$ begin return $1.note::int; end $$;
		create function public.shouted(public.lists) returns setof public.items rows 1 stable language plpgsql as $$ begin return query select * from public.items where list_id = $1.id and note::int > 0; end $$`)
	eventually(t, s, "lists?select=id,shouted()&id=eq.0", alice)
	for _, query := range []string{
		"lists?select=items!list_id(note::int)",
		"lists?select=items!list_id(note::int.sum())",
		"lists?select=...items!list_id(note::int)",
		"lists?select=items!list_id(loud)",
		"lists?select=name,items!list_id()&items.loud=gt.0&items=not.is.null",
		"lists?select=name,items!list_id!inner()&items.loud=lt.8",
		"lists?select=items!list_id(note)&items.order=loud",
		"lists?select=name::int&order=name->x",
		"items?select=list_id(name::int)",
		"items?select=...list_id(name::int)",
		"items?select=count(),...list_id(name::int.max())",
		"items?select=loud&loud=gt.0&order=loud",
		"lists?select=shouted(note)",
		"lists?select=name,shouted!inner()",
		"lists?select=shouted()&order=shouted(note)",
	} {
		if a := s.Do("GET", "/api/v1/tables/"+query, alice.Access, "", "Prefer", "count=exact"); a.Status != 200 || strings.Contains(a.Body, "hidden") {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
		if a := s.Do("GET", "/api/v1/tables/"+query, bob.Access, ""); a.Status != 400 || a.Code() != "22P02" {
			t.Errorf("control: %s: %d %s", query, a.Status, a.Body)
		}
	}
}

// TestJunctionsAndLimitsCountVisibleRowsOnly puts rows of somebody else's before
// one's own.
func TestJunctionsAndLimitsCountVisibleRowsOnly(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t)
	s.DB.Exec(t, `alter table public.marks add user_id uuid; alter table public.marks enable row level security;
		create policy own on public.marks using (user_id = (select auth.uid())); insert into public.marks values (1, 2), (1, 4)`)
	s.DB.Exec(t, "update public.marks set user_id = $1 where item_id <> 4", alice.ID)
	eventually(t, s, "lists?select=marks()&id=eq.0", alice)
	for query, want := range map[string]string{
		"lists?select=items!marks(id)&items.order=id":                      `[{"items":[{"id":1}]}]`, // 2 is hidden itself, and how 4 is marked
		"lists?select=marks(item_id)&marks.order=item_id":                  `[{"marks":[{"item_id":1},{"item_id":2}]}]`,
		"lists?select=x:items!marks!inner()&x.id=eq.4":                     `[]`,
		"items?select=id,lists!marks()&lists=not.is.null":                  `[{"id":1}]`,
		"lists?select=items!list_id(id)&items.order=id.desc&items.limit=1": `[{"items":[{"id":1}]}]`,
		"lists?select=items!list_id(id)&items.order=id&items.offset=1":     `[{"items":[]}]`,
		"lists?select=name,items!list_id!inner()&items.offset=1":           `[]`,
	} {
		if a := s.Do("GET", "/api/v1/tables/"+query, alice.Access, ""); compact(a.Body) != compact(want) {
			t.Errorf("%s: %d %s, want %s", query, a.Status, a.Body, want)
		}
	}
	if a := s.Do("GET", "/api/v1/tables/lists?select=items!marks(id)&items.order=id&id=eq.1", s.ServiceKey, ""); compact(a.Body) != `[{"items":[{"id":1},{"id":2},{"id":4}]}]` {
		t.Errorf("control: %s", a.Body)
	}
}

// eventually waits until a change of the schema has been noticed.
func eventually(t *testing.T, s *servertest.Server, query string, p servertest.Person) {
	t.Helper()
	for began := time.Now(); s.Do("GET", "/api/v1/tables/"+query, p.Access, "").Status != 200; {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("control: %s does not come to work", query)
		}
	}
}

// TestHintsNameNothingUnserved misspells tables without policies, and asks for
// what would be ambiguous with them.
func TestHintsNameNothingUnserved(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t)
	s.DB.Exec(t, `create table public.wires (id int primary key, one int references public.lists, other int references public.lists);
		create view public.everything as select * from public.items;
		create materialized view public.stored as select * from public.items;
		create table public.last (id int references public.lists); alter table public.last enable row level security`)
	eventually(t, s, "lists?select=last()", alice)
	for _, c := range []struct {
		query, named string
		status       int
	}{
		{"lists?select=label(label)", "labels", 400},
		{"lists?select=wire(id)", "wires", 400},
		{"lists?select=wires(id)", "wires_one_fkey", 300},
		{"lists?select=everythin(note)", "everything", 400},
		{"lists?select=store(note)", "stored", 400},
		{"lists?select=everything!list_id(note)", "", 200},
		{"lists?select=stored!list_id(note)", "", 200},
	} {
		a := s.Do("GET", "/api/v1/tables/"+c.query, alice.Access, "")
		if a.Status != 400 || a.Code() != "PGRST200" || c.named != "" && strings.Contains(strings.ReplaceAll(a.Body, "'wires'", ""), c.named) {
			t.Errorf("%s: %d %s", c.query, a.Status, a.Body)
		}
		if a := s.Do("GET", "/api/v1/tables/"+c.query, s.ServiceKey, ""); a.Status != c.status || !strings.Contains(a.Body, c.named) {
			t.Errorf("control: %s: %d %s", c.query, a.Status, a.Body)
		}
	}
}

// TestAmbiguousRelationsAreToldApart follows the hints of each answer that names
// several relations.
func TestAmbiguousRelationsAreToldApart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, `create table public.people (id int primary key, boss int references public.people, tutor int references public.people);
		create table public.bonds (one int references public.people, other int references public.people, primary key (one, other));
		create table public.teams (id int primary key, captain int references public.people, substitute int references public.people);
		create table public.matches (referee int references public.people, home int references public.teams, guest int references public.teams, primary key (referee, home, guest));
		create table public.members (person int references public.people, team int references public.teams, primary key (person, team))`)
	for query, want := range map[string]int{"people?select=%s(id)&people": 4, "people?select=%s(id)&teams": 5, "teams?select=%s(id)&people": 5, "teams?select=%s(id)&teams": 2} {
		path, name, _ := strings.Cut(query, "&")
		a := s.Do("GET", "/rest/v1/"+fmt.Sprintf(path, name), s.ServiceKey, "")
		var answer struct {
			Details []struct{ Cardinality, Embedding, Relationship string }
			Hint    string
		}
		a.JSON(t, &answer)
		if a.Status != 300 || a.Code() != "PGRST201" || len(answer.Details) != want {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
		_, hints, _ := strings.Cut(answer.Hint, "following: ")
		hints, _, _ = strings.Cut(hints, ". Find")
		all := strings.Split(hints, ", ")
		if len(all) != want {
			t.Errorf("%s: %q", path, all)
		}
		for _, hint := range all {
			if a := s.Do("GET", "/rest/v1/"+fmt.Sprintf(path, strings.Trim(hint, "'")), s.ServiceKey, ""); a.Status != 200 {
				t.Errorf("%s: %s: %d %s", path, hint, a.Status, a.Body)
			}
		}
	}
	a := s.Do("GET", "/rest/v1/teams?select=people(id)", s.ServiceKey, "")
	for _, words := range []string{
		`{"cardinality":"many-to-one","embedding":"teams with people","relationship":"teams_captain_fkey using teams(captain) and people(id)"}`,
		`{"cardinality":"many-to-many","embedding":"teams with people","relationship":"members using members_team_fkey(team) and members_person_fkey(person)"}`,
	} {
		if !strings.Contains(a.Body, words) {
			t.Errorf("no %s in %s", words, a.Body)
		}
	}
}

// TestPrivilegesOnColumnsHoldInEmbeddings asks in every way for a column that
// people may not read.
func TestPrivilegesOnColumnsHoldInEmbeddings(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t, servertest.With("data.aggregates", "true"))
	s.DB.Exec(t, `revoke select on public.items, public.lists from authenticated; grant select (id, list_id, user_id) on public.items to authenticated;
		grant select (id, user_id) on public.lists to authenticated`)
	for query, allowed := range map[string]string{
		"lists?select=items!list_id(note)":                               "note/id",
		"lists?select=items!list_id(*)":                                  "*/id,user_id",
		"lists?select=...items!list_id(note)":                            "note/id",
		"lists?select=items!list_id(note.max())":                         "note/id",
		"lists?select=id,items!list_id()&items.note=eq.x&items=is.null":  "note=eq.x/id=eq.1",
		"lists?select=id,items!list_id!inner()&items.note=eq.mine":       "note=eq.mine/id=eq.1",
		"lists?select=items!list_id(id)&items.order=note":                "note/id",
		"items?select=id,list_id(name)":                                  "name/id",
		"items?select=id,list_id()&order=list_id(name)":                  "name/user_id",
		"items?select=id,l:list_id()&l.name=eq.x&or=(l.is.null,id.eq.1)": "name=eq.x/id=eq.1",
	} {
		if a := s.Do("GET", "/api/v1/tables/"+query, alice.Access, ""); a.Status != 403 || a.Code() != "42501" {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
		refused, instead, _ := strings.Cut(allowed, "/")
		control := strings.Replace(query, refused, instead, 1)
		if a := s.Do("GET", "/api/v1/tables/"+control, alice.Access, ""); a.Status != 200 {
			t.Errorf("control: %s: %d %s", control, a.Status, a.Body)
		}
	}
}

// TestEmbeddingsStayInTheirSchema has a table of another schema that refers to
// this one.
func TestEmbeddingsStayInTheirSchema(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.schemas", "public,shop"))
	s.DB.Exec(t, listsSQL+`; create schema shop; grant usage on schema shop to authenticated, fluxbase_user;
		create table shop.wares (id int primary key, list_id int references public.lists); create table shop.parts (id int primary key, ware_id int references shop.wares);
		alter table shop.wares enable row level security; create policy everybody on shop.wares using (true); grant select on shop.wares, shop.parts to authenticated;
		alter table shop.parts enable row level security; create policy everybody on shop.parts using (id = 1);
		insert into shop.wares values (1); insert into shop.parts values (1, 1), (2, 1)`)
	alice := s.SignUp()
	for _, c := range []struct{ query, schema, want string }{
		{"wares?select=id,parts(id)", "shop", `[{"id":1,"parts":[{"id":1}]}]`},
		{"parts?select=id,wares!inner(id)", "shop", `[{"id":1,"wares":{"id":1}}]`},
		{"wares?select=lists(name)", "shop", "PGRST200"},
		{"wares?select=list_id(name)", "shop", "PGRST200"},
		{"lists?select=wares(id)", "public", "PGRST200"},
		{"lists?select=ware(id)", "public", "PGRST200"},
	} {
		if a := s.Do("GET", "/api/v1/tables/"+c.query, alice.Access, "", "Accept-Profile", c.schema); compact(a.Body) != c.want && (a.Code() != c.want || strings.Contains(a.Body, "Perhaps")) {
			t.Errorf("%s: %d %s", c.query, a.Status, a.Body)
		}
	}
}

func TestPagesOfEmbeddings(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.max_rows", "2"), servertest.With("data.aggregates", "true"))
	s.DB.Exec(t, listsSQL)
	alice := s.SignUp()
	s.DB.Exec(t, "insert into public.lists select n, $1, case when n < 3 then 'l' || n end from generate_series(1, 3) n", alice.ID)
	s.DB.Exec(t, "insert into public.items select n, 1 + n % 2, $1, 'n' || n, 3 from generate_series(1, 8) n", alice.ID)
	for _, c := range []struct{ query, accept, want, shown string }{
		{"lists?select=id,items!list_id(id)&order=id&items.order=id", "application/json", `[{"id":1,"items":[{"id":2},{"id":4}]},{"id":2,"items":[{"id":1},{"id":3}]}]`, "0-1/3"},
		{"lists?select=id,items!list_id(id)&order=id&items.order=id&items.limit=9&items.offset=3&limit=9", "application/json", `[{"id":1,"items":[{"id":8}]},{"id":2,"items":[{"id":7}]}]`, "0-1/3"},
		{"lists?select=id,...items!list_id(n:id)&id=eq.2&items.order=id.desc", "application/json", `[{"id":2,"n":[7,5]}]`, "0-0/1"},
		{"lists?select=id,items!list_id(count())&id=eq.2", "application/json", `[{"id":2,"items":[{"count":4}]}]`, "0-0/1"},
		{"lists?select=id,items!list_id(count)&id=eq.2", "application/json", `[{"id":2,"items":[{"count":4}]}]`, "0-0/1"},
		{"lists?select=id,items!list_id!inner()&items.id=eq.8&order=id", "application/json", `[{"id":1}]`, "0-0/1"},
		{"lists?select=id,items!list_id()&items=is.null", "application/json", `[{"id":3}]`, "0-0/1"},
		{"lists?select=id,items!assigned(id,list_id(items!list_id(id)))&id=eq.3&items.order=id&items.list_id.items.order=id", "application/json", `[{"id":3,"items":[{"id":1,"list_id":{"items":[{"id":1},{"id":3}]}},{"id":2,"list_id":{"items":[{"id":2},{"id":4}]}}]}]`, "0-0/1"},
		{"items?select=id,...assigned(name),list_id(name)&id=lt.3&order=id", "application/vnd.pgrst.array+json;nulls=stripped", `[{"id":1,"list_id":{"name":"l2"}},{"id":2,"list_id":{"name":"l1"}}]`, "0-1/2"},
		{"items?select=id,...list_id(list:name),assigned(id)&order=id&limit=1", "text/csv", "id,list,assigned\n1,l2,\"{\"\"id\"\":3}\"\n", "0-0/8"},
		{"items?select=id,list_id(name)&id=eq.1", "application/vnd.pgrst.object+json", `{"id":1,"list_id":{"name":"l2"}}`, "0-0/1"},
	} {
		a := s.Do("GET", "/api/v1/tables/"+c.query, alice.Access, "", "Accept", c.accept, "Prefer", "count=exact")
		if compact(a.Body) != compact(c.want) || a.Header.Get("Content-Range") != c.shown {
			t.Errorf("%s: %d %s %s, want %s", c.query, a.Status, a.Header.Get("Content-Range"), a.Body, c.want)
		}
	}
	if a := s.Do("GET", "/api/v1/tables/lists?select="+strings.Repeat("items!list_id(list_id(", 5)+strings.Repeat("))", 5)+strings.Repeat("&or=(items.is.null,items.is.null)&items.or=(list_id.is.null,list_id.is.null)", 45), alice.Access, ""); a.Status != 400 || a.Code() != "PGRST100" {
		t.Errorf("too much: %d %s", a.Status, a.Body)
	}
}

func TestEmbeddingsInRowsOfFunctions(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t)
	s.DB.Exec(t, `create function public.first_list() returns public.lists language sql stable as 'select * from public.lists order by id limit 1';
		create function public.no_list() returns public.lists language sql stable as 'select * from public.lists where false';
		create function public.table_of() returns table (id int, list_id int) language sql stable as 'select id, list_id from public.items';
		create function public.labelled() returns setof public.labels language sql stable as 'select * from public.labels'`)
	for _, c := range []struct {
		query  string
		status int
		want   string
	}{
		{"first_list?select=name,items!list_id(note)", 200, `{"name":"of alice","items":[{"note":"mine"}]}`},
		{"first_list?select=name,...items!list_id(note)&items.note=eq.x", 200, `{"name":"of alice","note":[]}`},
		{"no_list?select=name,items!list_id(note)", 200, `{"name":null,"items":[]}`},
		{"table_of?select=id&order=id", 200, `[{"id":1},{"id":4}]`},
		{"table_of?select=id,lists(name)", 400, "PGRST200"},
		{"lists_of?select=name,labels(label)", 400, "PGRST200"},
		{"lists_of?select=name,label(label)", 400, "PGRST200"},
		{"labelled?select=label,lists(name)", 200, `[{"label":"open","lists":{"name":"of alice"}}]`},
		{"lists_of?select=name,items!list_id()&order=items(note)", 400, "PGRST118"},
	} {
		a := s.Do("POST", rpc+c.query, alice.Access, "{}")
		if a.Status != c.status || c.status == 200 && compact(a.Body) != compact(c.want) || c.status != 200 && a.Code() != c.want || strings.Contains(a.Body, "Perhaps") {
			t.Errorf("%s: %d %s", c.query, a.Status, a.Body)
		}
	}
	for _, key := range []string{alice.Access, s.ServiceKey} {
		want := map[string]string{alice.Access: "false", s.ServiceKey: "true"}[key]
		if a := s.Do("POST", rpc+"lists_of?select=labels(label)", key, "{}"); fmt.Sprint(a.Status == 200) != want {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
}
