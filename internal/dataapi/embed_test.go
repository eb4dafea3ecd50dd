package dataapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const listsSQL = `
create table public.lists (id int primary key, user_id uuid not null default auth.uid(), name text);
alter table public.lists enable row level security;
create policy own on public.lists using (user_id = (select auth.uid()));
create table public.items (id int primary key, list_id int references public.lists, user_id uuid not null default auth.uid(), note text,
	assigned int references public.lists);
alter table public.items enable row level security;
create policy own on public.items using (user_id = (select auth.uid()));
create table public.labels (id int primary key, list_id int references public.lists, label text);
create table public.marks (list_id int references public.lists, item_id int references public.items, primary key (list_id, item_id));
create function public.lists_of(owner uuid default null) returns setof public.lists language sql stable as 'select * from public.lists where owner is null or user_id = owner';`

// two has two people with a list each. Alice's item 1 is in her list; items 2
// and 3 are Bob's, and 2 has been put into Alice's list.
func two(t *testing.T, options ...servertest.Option) (s *servertest.Server, alice, bob servertest.Person) {
	t.Helper()
	s = newServer(t, options...)
	s.DB.Exec(t, listsSQL)
	alice, bob = s.SignUp(), s.SignUp()
	s.DB.Exec(t, "insert into public.lists values (1, $1, 'of alice'), (2, $2, 'of bob')", alice.ID, bob.ID)
	s.DB.Exec(t, "insert into public.items values (1, 1, $1, 'mine'), (2, 1, $2, 'hidden'), (3, 2, $2, 'of bob'), (4, 2, $1, 'in a hidden list')", alice.ID, bob.ID)
	s.DB.Exec(t, "insert into public.labels values (1, 1, 'open'); insert into public.marks values (1, 1)")
	return s, alice, bob
}

// TestEmbeddingsHideWhatPoliciesHide asks by every way that leads from a row
// to others.
func TestEmbeddingsHideWhatPoliciesHide(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t, servertest.With("data.aggregates", "true"))
	for query, want := range map[string]string{
		"lists?select=name,items!list_id(note)":                                  `[{"name":"of alice","items":[{"note":"mine"}]}]`,
		"lists?select=name,items!list_id(count())":                               `[{"name":"of alice","items":[{"count":1}]}]`,
		"lists?select=count(),...items!list_id(note)":                            `[{"count":1,"note":["mine"]}]`,
		"items?select=note,list_id(name)&order=id":                               `[{"note":"mine","list_id":{"name":"of alice"}},{"note":"in a hidden list","list_id":null}]`,
		"items?select=note,l:list_id!inner(name)":                                `[{"note":"mine","l":{"name":"of alice"}}]`,
		"items?select=note,l:list_id()&l=is.null":                                `[{"note":"in a hidden list"}]`,
		"items?select=note,l:list_id()&order=l(name).asc.nullsfirst":             `[{"note":"in a hidden list"},{"note":"mine"}]`,
		"lists?select=name,items!list_id!inner()&items.note=eq.hidden":           `[]`,
		"lists?select=name,items!list_id()&items.id=gte.2&items=is.null":         `[{"name":"of alice"}]`,
		"lists?select=name,items!list_id()&or=(items.not.is.null)&items.id=eq.2": `[]`,
		"items?select=note,...list_id(name)&order=id":                            `[{"note":"mine","name":"of alice"},{"note":"in a hidden list","name":null}]`,
	} {
		a := s.Do("GET", "/api/v1/tables/"+query, alice.Access, "", "Prefer", "count=exact")
		if compact(a.Body) != compact(want) {
			t.Errorf("%s: %d %s, want %s", query, a.Status, a.Body, want)
		}
		if n := strings.Count(want, `},{"note"`) + min(1, strings.Count(want, "{")); !strings.HasSuffix(a.Header.Get("Content-Range"), fmt.Sprintf("/%d", n)) {
			t.Errorf("%s: counted %s", query, a.Header.Get("Content-Range"))
		}
	}
	// The service key sees what is there.
	if a := s.Do("GET", "/api/v1/tables/lists?select=name,items!list_id(note)&id=eq.1&items.order=id", s.ServiceKey, ""); compact(a.Body) != compact(`[{"name":"of alice","items":[{"note":"mine"},{"note":"hidden"}]}]`) {
		t.Errorf("control: %s", a.Body)
	}
}

// TestUnguardedTablesAreNotEmbedded asks for tables without policies, also as
// what stands between two others.
func TestUnguardedTablesAreNotEmbedded(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t)
	for _, query := range []string{"lists?select=labels(label)", "lists?select=name,labels()&labels=is.null", "lists?select=x:items!marks(note)", "lists?select=marks()", "lists?select=missing()"} {
		a := s.Do("GET", "/api/v1/tables/"+query, alice.Access, "")
		if a.Status != 400 || a.Code() != "PGRST200" {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
		if a := s.Do("GET", "/api/v1/tables/"+query, s.ServiceKey, ""); a.Status != 200 && !strings.Contains(query, "missing") {
			t.Errorf("control: %s: %d %s", query, a.Status, a.Body)
		}
	}
	s.DB.Exec(t, "alter table public.labels enable row level security; create policy all_of_it on public.labels using (true)")
	eventually(t, s, "lists?select=labels(label)", alice)
}

func TestEmbeddingsInAnswersOfWrites(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t)
	s.DB.Exec(t, `create function public.holder(public.items) returns setof public.lists rows 1 stable language sql as 'select * from public.lists where id = $1.list_id';
		create function public.loud(public.items) returns text stable language sql as 'select upper($1.note)'`)
	eventually(t, s, "items?select=loud,holder()&id=eq.0", alice)
	for _, c := range []struct{ method, query, body, want string }{
		{"POST", "items?select=id,list_id(name)", `[{"id":10,"list_id":1},{"id":11,"list_id":2}]`, `[{"id":10,"list_id":{"name":"of alice"}},{"id":11,"list_id":null}]`},
		{"PATCH", "items?select=id,...list_id(name)&id=eq.10", `{"note":"x"}`, `[{"id":10,"name":"of alice"}]`},
		{"POST", "items?select=id,list_id(name)&on_conflict=id", `{"id":10,"note":"y"}`, `[{"id":10,"list_id":{"name":"of alice"}}]`},
		{"PUT", "items?select=note,list_id(name)&id=eq.10", `{"id":10,"note":"z","list_id":1,"assigned":1}`, `[{"note":"z","list_id":{"name":"of alice"}}]`},
		{"PATCH", "lists?select=name,items!list_id(id)&items.order=id.desc&items.limit=1", `{"name":"renamed"}`, `[{"name":"renamed","items":[{"id":10}]}]`},
		{"PATCH", "items?select=loud,holder(name,items!list_id(count))&id=in.(10,11)&order=id", `{"assigned":1}`, `[{"loud":"Z","holder":{"name":"renamed","items":[{"count":2}]}},{"loud":null,"holder":null}]`},
		{"PATCH", "items?select=id,...holder!inner(name)&id=in.(10,11)&holder.name=eq.renamed", `{"assigned":1}`, `[{"id":10,"name":"renamed"}]`},
		{"PATCH", "items?select=id,l:list_id()&l.name=eq.renamed&or=(id.eq.11,list_id.eq.3)", `{"note":"w"}`, `[{"id":11}]`},
		{"POST", "items?select=loud,holder(name)&on_conflict=id", `[{"id":10,"note":"z","list_id":1},{"id":12,"note":"n","list_id":2}]`, `[{"loud":"Z","holder":{"name":"renamed"}},{"loud":"N","holder":null}]`},
		{"DELETE", "items?select=count,...list_id(name)&id=eq.12", "", `[{"count":1,"name":null}]`},
		{"DELETE", "items?select=id,list_id(name)&id=eq.10", "", `[{"id":10,"list_id":{"name":"renamed"}}]`},
	} {
		prefer := "return=representation, resolution=merge-duplicates"
		if c.method != "POST" || !strings.Contains(c.query, "on_conflict") {
			prefer = "return=representation"
		}
		if a := s.Do(c.method, "/api/v1/tables/"+c.query, alice.Access, c.body, "Prefer", prefer); compact(a.Body) != compact(c.want) {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.query, a.Status, a.Body, c.want)
		}
	}
}

func TestEmbeddingsInAnswersOfFunctions(t *testing.T) {
	t.Parallel()
	s, alice, bob := two(t)
	for _, c := range []struct {
		query, body string
		fields      []string
		status      int
		want, shown string
	}{
		{"lists_of?select=name,items!list_id(note)", "{}", nil, 200, `[{"name":"of alice","items":[{"note":"mine"}]}]`, "0-0/*"},
		{"lists_of?select=name,items!list_id(note)", `{"owner":"` + bob.ID + `"}`, nil, 200, `[]`, "*/*"},
		{"lists_of?select=name,items!list_id!inner()&items.id=eq.2", "{}", []string{"Prefer", "count=exact"}, 200, `[]`, "*/0"},
		{"lists_of?select=name", "{}", []string{"Accept", "text/csv", "Prefer", "count=exact"}, 200, "name\n\"of alice\"\n", "0-0/1"},
		{"lists_of?select=id,x:user_id->a", "{}", []string{"Accept", "application/vnd.pgrst.array+json;nulls=stripped"}, 200, `[{"id":1}]`, "0-0/*"},
		{"lists_of?limit=0", "{}", []string{"Prefer", "count=exact"}, 206, `[]`, "*/1"},
		{"lists_of", "{}", []string{"Prefer", "handling=strict, max-affected=0"}, 400, "", ""},
	} {
		a := s.Do("POST", rpc+c.query, alice.Access, c.body, c.fields...)
		if a.Status != c.status || c.want != "" && compact(a.Body) != compact(c.want) || a.Header.Get("Content-Range") != c.shown {
			t.Errorf("%s %q: %d %s %s, want %s", c.query, c.fields, a.Status, a.Header.Get("Content-Range"), a.Body, c.want)
		}
	}
}

func TestFaultsOfEmbeddings(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t)
	for query, want := range map[string]struct {
		status int
		words  []string
	}{
		"lists?select=item(note)":                        {400, []string{"PGRST200", "relationship between 'lists' and 'item'", "Perhaps you meant 'items' instead of 'item'."}},
		"lists?select=items!nope(note)":                  {400, []string{"PGRST200", "using the hint 'nope'"}},
		"lists?select=items(note)":                       {300, []string{"PGRST201", `"details":[{"cardinality":"one-to-many","embedding":"lists with items","relationship":"items_`, "items!items_list_id_fkey", "items!items_assigned_fkey"}},
		"lists?select=name&items.note=eq.1":              {400, []string{"PGRST108", "Verify that 'items' is included"}},
		"lists?select=name&order=items(note)":            {400, []string{"PGRST108"}},
		"lists?select=items!list_id()&order=items(note)": {400, []string{"PGRST118", "'lists' and 'items' do not form a many-to-one or one-to-one relationship"}},
		"lists?select=items!list_id()&items=eq.1":        {400, []string{"PGRST120"}},
		"lists?select=count()":                           {400, []string{"PGRST123", "data.aggregates"}},
		"lists?select=items!list_id(note.max())":         {400, []string{"PGRST123"}},
		"lists?select=items!list_id(nope)":               {400, []string{"42703", "column items.nope does not exist"}},
		"lists?select=items!list_id(note)&items.id=eq.x": {400, []string{"22P02", "?items.id"}},
		"lists?select=items(":                            {400, []string{"PGRST100", "position 7"}},
	} {
		a := s.Do("GET", "/api/v1/tables/"+query, alice.Access, "")
		if a.Status != want.status {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
		for _, word := range want.words {
			if !strings.Contains(a.Body, word) {
				t.Errorf("%s: no %s in %s", query, word, a.Body)
			}
		}
	}
	if a := s.Do("GET", "/rest/v1/lists?select=items!items_list_id_fkey(note)", alice.Access, ""); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// TestWritesAreCountedWhole has answers of fewer rows than were written: what
// bounds a write looks at the latter.
func TestWritesAreCountedWhole(t *testing.T) {
	t.Parallel()
	s, alice, _ := two(t, servertest.With("data.aggregates", "true"))
	const one = "application/vnd.pgrst.object+json"
	for _, c := range []struct {
		query, accept, prefer string
		status                int
	}{
		{"items?select=id,l:list_id!inner()&l.id=eq.-1", "", "handling=strict, max-affected=1", 400},
		{"items?select=count()", "", "handling=strict, max-affected=1", 400},
		{"items?select=count()", one, "", 406},
		{"items?select=id,l:list_id!inner()&l.id=eq.-1&id=eq.1", one, "", 406},
		{"items?select=count()", "", "handling=strict, max-affected=2", 200},
		{"items?select=count()&id=eq.1", one, "", 200},
	} {
		s.DB.Exec(t, "update public.items set note = 'before'")
		a := s.Do("PATCH", "/api/v1/tables/"+c.query, alice.Access, `{"note":"after"}`, "Accept", c.accept, "Prefer", "return=representation, count=exact, "+c.prefer)
		var changed int
		s.DB.Scan(t, "select count(*) from public.items where note = 'after'", nil, &changed)
		if a.Status != c.status || (changed > 0) != (c.status == 200) {
			t.Errorf("%s, %s: %d %s, %d changed", c.query, c.prefer, a.Status, a.Body, changed)
		}
		if want := fmt.Sprintf("0-%d/%d", changed-1, changed); a.Status == 200 && a.Header.Get("Content-Range") != want {
			t.Errorf("%s: counted %s, want %s", c.query, a.Header.Get("Content-Range"), want)
		}
	}
}
