package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rls/lint"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func service(db *pgtest.Database) *lint.Service {
	return &lint.Service{DB: db, Schemas: []string{"public"}, AllowWithoutRLS: map[string]bool{"allowed": true, "public.allowed_too": true}}
}

// rules returns what is found, as "rule object policy", sorted.
func rules(t *testing.T, s *lint.Service) []string {
	t.Helper()
	found, err := s.Lint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		if f.Detail == "" || f.Safe && f.SQL == "" {
			t.Errorf("%+v says too little", f)
		}
		names = append(names, strings.TrimSpace(f.Rule+" "+f.Object+" "+f.Policy))
	}
	slices.Sort(names)
	return names
}

const guarded = `
	create table public.t (id int primary key, owner uuid, tenant text, tags text, kind text, done bool);
	alter table public.t enable row level security;
	create index t_owner on public.t (owner);
	create table public.members (team int, member uuid, owner uuid, primary key (member, team));
	alter table public.members enable row level security;
	create policy own on public.members using (member = (select auth.uid()));
	`

// TestLintPolicies has one policy each, and what is found about it and its table.
func TestLintPolicies(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"to authenticated using (owner = (select auth.uid()))": "",
		// Helpers for each row.
		"using (owner = auth.uid())":                                                            "helper_per_row",
		"using (owner = (select auth.uid() where t.done))":                                      "helper_per_row",
		"for insert with check (owner = auth.uid())":                                            "helper_per_row",
		"using (owner = current_setting('app.user_id')::uuid)":                                  "helper_per_row",
		"using (owner = (select current_setting('app.user_id')::uuid))":                         "",
		"using (owner in (select m.member from members m where m.owner = auth.uid()))":          "helper_per_row",
		"using (owner in (select m.member from members m where m.owner = (select auth.uid())))": "",
		"using (owner = (select auth.uid()) and auth.has_role(t.kind))":                         "", // about the row
		"using (owner = (select auth.uid()) and auth.has_role('editor'))":                       "helper_per_row",
		"using (owner = (select auth.uid()) and kind <> 'auth.uid()')":                          "",
		// Indexes.
		"using (tenant = (select auth.jwt() ->> 'tenant'))":                      "no_index",
		"using ((select auth.jwt() ->> 'tenant') = tenant)":                      "no_index",
		"using (tenant = (select auth.email()) and owner = (select auth.uid()))": "", // one of them is enough
		"using (tenant = (select auth.email()) or owner = (select auth.uid()))":  "no_index",
		"using (tenant = (select auth.email()) or done)":                         "", // no index helps
		"using (tenant = any (array(select m.team::text from members m)))":       "no_index",
		"using (tenant in (select m.team::text from members m))":                 "no_index",
		"using (tenant = (select auth.email()) || kind)":                         "",
		"using (tenant = 'public')":                                              "",
		"using (lower(tenant) = (select auth.email()))":                          "",
		"using (tenant <> (select auth.email()))":                                "",
		"using (not tenant = (select auth.email()))":                             "",
		"as restrictive using (tenant = (select auth.email()))":                  "",
		"for insert with check (tenant = (select auth.email()))":                 "",
		// What people write themselves.
		"using (owner = (select auth.uid()) and (select auth.jwt() -> 'user_metadata' ->> 'admin') = 'yes')":                               "user_metadata",
		"using (owner = (select auth.uid()) and (select auth.jwt() #>> '{user_metadata,admin}') = 'yes')":                                  "user_metadata",
		"using (owner = (select auth.uid()) and (select (auth.jwt())['user_metadata']['admin']) = 'true')":                                 "user_metadata",
		"using (owner = (select auth.uid()) and (select current_setting('request.jwt.claims')::jsonb -> 'user_metadata' ->> 'a') = 'yes')": "user_metadata",
		"using (owner = (select auth.uid()) and (select auth.jwt() -> 'app_metadata' ->> 'kind') = 'user_metadata')":                       "",
		"using (owner = (select auth.uid()) and kind = 'user_metadata')":                                                                   "",
		// Everything for everybody.
		"to authenticated using (true)": "always_true",
		"for update to authenticated using (true) with check (owner = (select auth.uid()))": "always_true",
		"for insert to authenticated with check (true)":                                     "always_true",
		"for delete to authenticated using (done or true)":                                  "always_true",
		"for delete to authenticated using (1 = 1)":                                         "always_true",
		"for select to authenticated using (true)":                                          "",
		"for select to anonymous using (true)":                                              "open_to_anonymous",
		"for select using (true)":                                                           "open_to_anonymous",
		"as restrictive to authenticated using (true)":                                      "",
		"for delete to authenticated using (false)":                                         "",
		"for delete to authenticated using (done and true)":                                 "",
		// Roles.
		"to fluxbase using (true)":     "role_without_requests",
		"to service_role using (true)": "",
		// Recursion.
		"for select using (id in (select x.id from t x))":                               "recursion",
		"for insert with check (not exists (select from t x where x.owner = t.owner))":  "",
		"for select using (exists (select from members m where m.owner = t.owner))":     "",
		"for select using (exists (select from through where through.owner = t.owner))": "recursion",
		"for select using (exists (select from past where past.owner = t.owner))":       "",
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			db.Exec(t, guarded)
			db.Exec(t, "create schema inner_views; create view inner_views.through with (security_invoker = true) as select * from public.t; create view inner_views.past as select * from public.t")
			db.Exec(t, "alter role "+"fluxbase"+" in database "+db.Name+" set search_path = public, inner_views")
			db.Exec(t, "set search_path = public, inner_views; create policy p on public.t "+sql)
			var got []string
			for _, r := range rules(t, service(db)) {
				got = append(got, strings.Fields(r)[0])
			}
			if got := strings.Join(got, " "); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

func TestLintObjects(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	if got := rules(t, service(db)); len(got) > 0 {
		t.Errorf("a fresh database has %q", got)
	}
	db.Exec(t, guarded+`
		create policy own on public.t using (owner = (select auth.uid()));
		create table public.plain (id int); create table public.allowed (id int); create table public.allowed_too (id int);
		create table public.hidden (id int); revoke all on public.hidden from anonymous, authenticated;
		create table public.lonely (id int); alter table public.lonely enable row level security;
		create table public.asleep (owner uuid); create policy own on public.asleep using (owner = (select auth.uid()));
		create schema inside; create table inside.plain (id int);
		create table public."Odd ""table" (id int);
		create view public.owners as select * from public.t; create view public.invokers with (security_invoker = true) as select * from public.t;
		create view inside.owners as select * from public.t;
		create function public.loose() returns int language sql security definer as 'select 1';
		create function public.bound() returns int language sql security definer set search_path = '' as 'select 1';
		create function public.atomic() returns int language sql security definer return 1;
		create function public.mine() returns int language sql as 'select 1';
		create function public.shut() returns int language sql security definer as 'select 1'; revoke execute on function public.shut() from public;
		create table public.a (id int); alter table public.a enable row level security;
		create table public.b (id int); alter table public.b enable row level security;
		create policy of_b on public.a for select to authenticated using (exists (select from public.b where b.id = a.id));
		create policy of_a on public.b for select to authenticated using (exists (select from public.a where a.id = b.id))`)
	want := []string{
		"definer_search_path loose()", "no_index public.asleep own", "no_policy public.lonely", "owner_view public.owners",
		"recursion public.a of_b", "recursion public.b of_a", `rls_off public."Odd ""table"`, "rls_off public.asleep", "rls_off public.plain",
	}
	got := rules(t, service(db))
	for i := range got {
		got[i] = strings.Replace(got[i], "public.loose()", "loose()", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSafeFindingsCanBeMended runs what the linter proposes, and looks again.
func TestSafeFindingsCanBeMended(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, guarded)
	for i, expression := range []string{
		"owner = auth.uid()",
		"owner = auth.uid() and kind = 'it''s auth.uid()'",
		`owner = auth.uid() and kind = E'a\\''auth.uid()'`,
		"tenant = auth.jwt() -> 'app_metadata' ->> 'tenant' and auth.has_role('a)b')",
		"owner in (select m.member from members m where m.owner = auth.uid() and m.member <> (select auth.uid()))",
		"(owner is distinct from auth.uid() and auth.email() is not null) or done",
		"owner = current_setting('app.user_id', true)::uuid",
	} {
		db.Exec(t, fmt.Sprintf("create policy p%d on public.t for update using (%s) with check (%s)", i, expression, expression))
	}
	db.Exec(t, "create table public.parts (owner uuid) partition by list (owner); alter table public.parts enable row level security")
	db.Exec(t, `create policy "a ""b" on public.parts using (owner = auth.uid())`)
	s := service(db)
	found, err := s.Lint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	safe := 0
	for _, f := range found {
		if f.Safe {
			safe++
			db.Exec(t, f.SQL)
		}
	}
	if safe != 7+1+1+1 { // rewritten, and an index on tenant and one on the partitioned table
		t.Errorf("%d safe findings: %+v", safe, found)
	}
	if got := rules(t, s); len(got) > 0 {
		t.Errorf("still there: %q", got)
	}
	var text string
	if db.Scan(t, "select pg_get_expr(polqual, polrelid) from pg_policy where polname = 'p1'", nil, &text); text != "((owner = ( SELECT auth.uid() AS uid)) AND (kind = 'it''s auth.uid()'::text))" {
		t.Errorf("rewritten as %s", text)
	}
}

// What cannot be rewritten for sure is left to people.
func TestUnsureRewriting(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, guarded+"create policy p on public.t using (owner = (select auth.uid() where t.done) and auth.role() = 'x')")
	found, err := service(db).Lint(t.Context())
	if err != nil || len(found) != 1 || found[0].Rule != "helper_per_row" || found[0].Safe || !strings.HasPrefix(found[0].SQL, "--") {
		t.Errorf("%+v, %v", found, err)
	}
}
