package rls_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rls"
	"github.com/fluxbase/fluxbase/internal/session"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	alice = "00000000-0000-7000-8000-00000000000a"
	bob   = "00000000-0000-7000-8000-00000000000b"
)

// explainer is a service on a database with two users and their todos.
func explainer(t *testing.T, sql string) (*rls.Service, *pgtest.Database) {
	t.Helper()
	db := pgtest.New(t)
	db.Exec(t, fmt.Sprintf(`insert into auth.users (id, email, app_metadata) values
		('%s', 'alice@example.com', '{"team":"red"}'), ('%s', 'bob@example.com', '{}')`, alice, bob))
	db.Exec(t, `create table public.todos (id int primary key, owner uuid default auth.uid(), done bool not null default false, secret text);
		alter table public.todos enable row level security;`+fmt.Sprintf(`
		insert into public.todos values (1, '%s', false, 'hidden'), (2, '%s', false, 'shown'), (3, '%s', true, 'shown too');`, bob, alice, alice)+sql)
	sessions := &session.Service{Now: time.Now, Config: session.Config{Issuer: "i", Audience: "a", AccessTTL: time.Hour}}
	return &rls.Service{DB: db, Sessions: sessions, Now: time.Now}, db
}

const own = "create policy todos_owner on public.todos to authenticated using (owner = (select auth.uid()));"

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// brief is an explanation in lines: how it ends, and each table and policy.
func brief(e rls.Explanation) []string {
	lines := []string{fmt.Sprintf("%s %d %s", e.Command, e.Outcome.Rows, e.Outcome.Code)}
	for _, table := range e.Tables {
		lines = append(lines, fmt.Sprintf("%s %v aimed %s through %s new %s accepted %s missing %v", table.Name, table.Commands,
			number(table.Aimed), number(table.Through), number(table.New), number(table.Accepted), table.Missing))
		for _, p := range table.Policies {
			lines = append(lines, fmt.Sprintf("  %s %v through %s accepts %s %s", p.Name, p.Applies, number(p.Through), number(p.Accepts), p.Error))
		}
	}
	return lines
}

func TestExplain(t *testing.T) {
	t.Parallel()
	const more = own + `
		create policy reads_done on public.todos for select to authenticated using (done);
		create policy no_three on public.todos as restrictive for delete to authenticated using (id <> 3);
		create policy strangers on public.todos for select to anonymous using (done)`
	for name, tt := range map[string]struct {
		schema, as, sql string
		want            []string
		verdict         string
	}{
		"another's row": {
			own, "alice@example.com", "update todos set done = true where id = 1",
			[]string{
				"UPDATE 0 ", "public.todos [UPDATE SELECT] aimed 1 through 0 new 1 accepted 0 missing []",
				"  todos_owner true through 0 accepts 0 ",
			},
			"UPDATE as authenticated: 0 rows. Of 1 row of public.todos that the conditions aim at, the policies let 0 through. " +
				"Policy todos_owner (permissive, ALL) lets 0 through: (owner = ( SELECT auth.uid() AS uid)).",
		},
		"all rows": {
			own, alice, "select * from todos",
			[]string{"SELECT 2 ", "public.todos [SELECT] aimed 3 through 2 new - accepted - missing []", "  todos_owner true through 2 accepts - "},
			"let 2 through",
		},
		"one's own row": {
			own, alice, "update todos set done = true where id = 2",
			[]string{"UPDATE 1 ", "public.todos [UPDATE SELECT] aimed 1 through 1 new 1 accepted 1 missing []", "  todos_owner true through 1 accepts 1 "},
			"UPDATE as authenticated: 1 row.",
		},
		"given away": {
			own, alice, "update todos set owner = '" + bob + "' where id = 2",
			[]string{"UPDATE 0 42501", "public.todos [UPDATE SELECT] aimed 1 through 1 new 1 accepted 0 missing []", "  todos_owner true through 1 accepts 0 "},
			"Of 1 row that would be written of public.todos the policies accept none.",
		},
		"inserted": {
			own, alice, "insert into todos (id) values (4), (5)",
			[]string{"INSERT 2 ", "public.todos [INSERT] aimed - through - new 2 accepted 2 missing []", "  todos_owner true through - accepts 2 "},
			"INSERT as authenticated: 2 rows.",
		},
		"inserted for another": {
			own, alice, "insert into todos (id, owner) values (4, '" + bob + "')",
			[]string{"INSERT 0 42501", "public.todos [INSERT] aimed - through - new 1 accepted 0 missing []", "  todos_owner true through - accepts 0 "},
			"the policies accept none",
		},
		"deleted": {
			more, alice, "delete from todos where owner = '" + alice + "'",
			[]string{
				"DELETE 1 ", "public.todos [DELETE SELECT] aimed 2 through 1 new - accepted - missing []",
				"  reads_done true through 1 accepts - ", "  strangers false through - accepts - ", "  todos_owner true through 2 accepts - ",
				"  no_three true through 1 accepts - ",
			},
			"Policy no_three (restrictive, DELETE) lets 1 through",
		},
		"a stranger": {
			own, "anonymous", "select * from todos",
			[]string{"SELECT 0 ", "public.todos [SELECT] aimed 3 through 0 new - accepted - missing []", "  todos_owner false through - accepts - "},
			"No permissive policy of public.todos is about SELECT by anonymous",
		},
		"a service": {
			own, "service_role", "select * from todos",
			[]string{"SELECT 3 ", "public.todos [SELECT] aimed 3 through 3 new - accepted - missing []", "  todos_owner false through - accepts - "},
			"SELECT as service_role: 3 rows.",
		},
		"no grant": {
			own + "revoke update on public.todos from authenticated", alice, "update todos set done = true where id = 2",
			[]string{
				"UPDATE 0 42501", "public.todos [UPDATE SELECT] aimed 1 through 1 new 1 accepted 1 missing [grant update on public.todos to authenticated;]",
				"  todos_owner true through 1 accepts 1 ",
			},
			"A grant is missing: grant update on public.todos to authenticated;",
		},
		"no such row": {
			own, alice, "update todos set done = true where id = 9",
			[]string{"UPDATE 0 ", "public.todos [UPDATE SELECT] aimed 0 through 0 new 0 accepted 0 missing []", "  todos_owner true through 0 accepts 0 "},
			"No row of public.todos meets the conditions, whoever asks.",
		},
		"a table behind a policy": {
			`create table public.shares (todo int, member uuid); alter table public.shares enable row level security;
			create policy mine on public.shares using (member = (select auth.uid()));
			insert into public.shares values (1, '` + alice + `'), (3, '` + bob + `');
			create policy shared on public.todos using (exists (select from public.shares where todo = todos.id))`,
			alice, "select * from public.todos where id in (1, 3)",
			[]string{"SELECT 1 ", "public.todos [SELECT] aimed 2 through 1 new - accepted - missing []", "  shared true through 1 accepts - "},
			"let 1 through",
		},
		"rows that are locked": {
			"create policy sees on public.todos for select using (true); create policy changes on public.todos for update using (owner = (select auth.uid()))",
			alice, "select * from todos for update",
			[]string{
				"SELECT 2 ", "public.todos [SELECT UPDATE] aimed 3 through 2 new - accepted - missing []",
				"  changes true through 2 accepts - ", "  sees true through 3 accepts - ",
			},
			"Policy changes (permissive, UPDATE) lets 2 through",
		},
		"rows that are locked, by nobody who may change some": {
			"create policy sees on public.todos for select using (true)", alice, "select * from todos where id = 1 for share",
			[]string{"SELECT 0 ", "public.todos [SELECT UPDATE] aimed 1 through 0 new - accepted - missing []", "  sees true through 1 accepts - "},
			"No permissive policy of public.todos is about UPDATE",
		},
		"a policy that fails": {
			"create table public.closed (id int); revoke all on public.closed from authenticated;" +
				"create policy p on public.todos using (exists (select from public.closed))",
			alice, "select * from todos",
			[]string{
				"SELECT 0 42501", "public.todos [SELECT] aimed 3 through - new - accepted - missing []",
				"  p true through - accepts - permission denied for table closed (42501)",
			},
			"permission denied for table closed",
		},
		"a join": {
			own, alice, "select * from todos a join todos b on a.id = b.id where a.done",
			[]string{
				"SELECT 1 ", "public.todos [SELECT] aimed 1 through 1 new - accepted - missing []", "  todos_owner true through 1 accepts - ",
				"public.todos [SELECT] aimed 3 through 2 new - accepted - missing []", "  todos_owner true through 2 accepts - ",
			},
			"",
		},
		"inserted and read back": {
			"create policy adds on public.todos for insert with check (true); create policy reads on public.todos for select using (done)",
			alice, "insert into todos (id, done) values (4, true), (5, false) returning id",
			[]string{
				"INSERT 0 42501", "public.todos [INSERT SELECT] aimed - through - new 2 accepted 1 missing []",
				"  adds true through - accepts 2 ", "  reads true through - accepts - ",
			},
			"the policies accept 1",
		},
		"inserted or updated": {
			own, alice, "insert into todos (id) values (2) on conflict (id) do update set done = true",
			nil, "INSERT as authenticated: 1 row",
		},
		"a view of its caller's": {
			own + "create view public.v with (security_invoker = true) as select * from public.todos where not done", alice, "select * from v",
			[]string{
				"SELECT 1 ", "public.todos [SELECT] aimed 2 through 1 new - accepted - missing []", "  todos_owner true through 1 accepts - ",
				"public.v [SELECT] aimed - through - new - accepted - missing []",
			},
			"let 1 through",
		},
		"a schema out of reach": {
			"create schema far; create table far.t (id int); alter table far.t enable row level security; grant usage on schema far to service_role; grant select on far.t to service_role",
			alice, "select * from far.t",
			[]string{
				"SELECT 0 42501",
				"far.t [SELECT] aimed 0 through - new - accepted - missing [grant usage on schema far to authenticated; grant select on far.t to authenticated;]",
			},
			"A grant is missing: grant usage on schema far to authenticated;",
		},
		"odd names": {
			`create table public."Odd ""t" ("a b" int, owner uuid); alter table public."Odd ""t" enable row level security;
			insert into public."Odd ""t" values (1, '` + alice + `'), (2, '` + bob + `');
			create policy "p ""q" on public."Odd ""t" using (owner = (select auth.uid()) and "Odd ""t"."a b" > 0 and exists (select from auth.uid() u where "Odd ""t".owner = u))`,
			alice, `delete from "Odd ""t" as x where x."a b" in (1, 2)`,
			[]string{"DELETE 1 ", `public."Odd ""t" [DELETE SELECT] aimed 2 through 1 new - accepted - missing []`, `  p "q true through 1 accepts - `},
			"let 1 through",
		},
		"a row of a subquery": {
			own, alice, "update todos set done = true where id = (select max(id) from todos)",
			nil, "UPDATE as authenticated: 1 row. Of 3 rows of public.todos that may be meant, the policies let 2 through.",
		},
		"a view of its owner's": {
			own + "create view public.v as select * from public.todos", "anonymous", "select * from v",
			nil, "SELECT as anonymous: 3 rows. The view public.v reads as its owner, fluxbase: policies of the tables beneath it are asked for that role, not for anonymous.",
		},
		"a partitioned table": {
			`create table public.parts (k int, owner uuid) partition by list (k); create table public.p1 partition of public.parts for values in (1);
			create table public.p2 partition of public.parts for values in (2); alter table public.parts enable row level security;
			create policy p on public.parts using (owner = (select auth.uid()));
			insert into public.parts values (1, '` + alice + `'), (2, '` + alice + `'), (2, '` + bob + `')`,
			alice, "update parts set owner = owner",
			[]string{"UPDATE 2 ", "public.parts [UPDATE] aimed 3 through 2 new 3 accepted 2 missing []", "  p true through 2 accepts 2 "},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, db := explainer(t, tt.schema)
			e, err := s.Explain(t.Context(), rls.Question{As: tt.as, SQL: tt.sql})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, brief(e)); tt.want != nil && diff != "" {
				t.Errorf("(-want +got):\n%s\n%+v", diff, e)
			}
			if !strings.Contains(e.Verdict, tt.verdict) {
				t.Errorf("the verdict is %q", e.Verdict)
			}
			if strings.Contains(fmt.Sprintf("%+v", e.Verdict)+fmt.Sprint(e.Outcome), "hidden") {
				t.Error("shows what is hidden")
			}
			var rows string
			if db.Scan(t, "select string_agg(id || done::text || right(owner::text, 1), ' ' order by id) from todos", nil, &rows); rows != "1falseb 2falsea 3truea" {
				t.Errorf("something is left behind: %s", rows)
			}
		})
	}
}

// TestNotExplained: whatever is not one statement about rows is refused before
// anything has happened.
func TestNotExplained(t *testing.T) {
	t.Parallel()
	s, db := explainer(t, own)
	for sql, code := range map[string]string{
		"":                                      "invalid_statement",
		"select 1; delete from todos":           "invalid_statement",
		"select 1; commit":                      "invalid_statement",
		"commit":                                "invalid_statement",
		"drop table todos":                      "invalid_statement",
		"select * into copied from todos":       "invalid_statement",
		"explain analyze delete from todos":     "invalid_statement",
		"set role service_role":                 "invalid_statement",
		"do $$ begin delete from todos; end $$": "invalid_statement",
		"call nothing()":                        "invalid_statement",
		"copy todos to stdout":                  "invalid_statement",
		"truncate todos":                        "invalid_statement",
		"select * from todos where id = $1":     "parameters",
		"select * from nothing":                 "undefined_object",
		"select nothing from todos":             "undefined_column",
		"select id from todos) --":              "invalid_statement",
		"merge into todos using (values (1)) v (id) on v.id = todos.id when matched then delete": "unsupported_statement",
	} {
		e, err := s.Explain(t.Context(), rls.Question{As: alice, SQL: sql})
		if err == nil {
			t.Errorf("%+v", e)
		}
		if f := fault.From(err); f == nil || f.Code != code || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Pointer != "/sql" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, as := range []string{"", "nobody@example.com", "00000000-0000-7000-8000-000000000000", "fluxbase", "service_role; x"} {
		_, err := s.Explain(t.Context(), rls.Question{As: as, SQL: "select 1"})
		if f := fault.From(err); f == nil || f.Code != "user_not_found" {
			t.Errorf("as %s: %v", as, err)
		}
	}
	if _, err := s.Explain(t.Context(), rls.Question{As: "ALICE@example.com", SQL: "with x as (select 1) select * from x -- end"}); err != nil {
		t.Errorf("the positive control: %v", err)
	}
	var n int
	if db.Scan(t, "select count(*) from todos", nil, &n); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// TestExplainedAs: policies find the claims that a fresh token would have.
func TestExplainedAs(t *testing.T) {
	t.Parallel()
	s, _ := explainer(t, own)
	for as, want := range map[string]string{
		alice:          "authenticated " + alice + " authenticated alice@example.com red aal1",
		"anonymous":    "anonymous - anonymous -  ",
		"service_role": "service_role - service_role -  ",
	} {
		e, err := s.Explain(t.Context(), rls.Question{As: as, SQL: "select 1"})
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		for _, h := range e.Helpers {
			if values[h.Name] = "-"; h.Value != nil {
				values[h.Name] = *h.Value
			}
		}
		var claims struct {
			AAL string
			App struct{ Team string } `json:"app_metadata"`
		}
		if err := json.Unmarshal([]byte(values["auth.jwt()"]), &claims); err != nil {
			t.Errorf("%s: %v", as, err)
		}
		got := strings.Join([]string{values["current_user"], values["auth.uid()"], values["auth.role()"], values["auth.email()"], claims.App.Team, claims.AAL}, " ")
		if got != want {
			t.Errorf("%s: %q, want %q", as, got, want)
		}
	}
}

// TestExplainingIsBounded: nobody waits for locks, nor for ever, nothing sticks
// to a connection, and a statement cannot leave the cage of its login.
func TestExplainingIsBounded(t *testing.T) {
	t.Parallel()
	s, db := explainer(t, own+"create table public.many as select g as id from generate_series(1, 3000) g; grant select on public.many to authenticated")
	e, err := s.Explain(t.Context(), rls.Question{As: alice, SQL: "select * from many"})
	if err != nil || e.Outcome.Rows != 1000 || *e.Tables[0].Aimed != 1000 || !e.Tables[0].Bounded {
		t.Errorf("%+v, %v", e, err)
	}
	for _, sql := range []string{
		"select set_config('role', 'service_role', true)", "select set_config('role', 'fluxbase', false)", "select * from auth.users",
	} {
		e, err := s.Explain(t.Context(), rls.Question{As: alice, SQL: sql})
		if (err == nil && e.Outcome.Code != "42501") || err != nil && fault.From(err).SQL.State != "42501" {
			t.Errorf("%s: %+v, %v", sql, e.Outcome, err)
		}
	}
	if e, err := s.Explain(t.Context(), rls.Question{As: alice, SQL: "select set_config('app.user_id', '" + bob + "', false), pg_advisory_lock(7)"}); err != nil || e.Outcome.Rows != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	err = db.InTx(t.Context(), func(q postgres.Querier) error { // waits until the connection is gone
		_, err := q.Exec(t.Context(), "select set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(7)")
		return err
	})
	if err != nil {
		t.Errorf("a lock outlives the question: %v", err)
	}
	err = db.InTx(t.Context(), func(q postgres.Querier) error {
		if _, err := q.Exec(t.Context(), "lock table public.todos in access exclusive mode"); err != nil {
			return err
		}
		_, err := s.Explain(t.Context(), rls.Question{As: alice, SQL: "select * from todos"})
		if postgres.Report(err) == nil || postgres.Report(err).State != "55P03" {
			t.Errorf("while the table is locked: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLocksOfSeveralTables: the plan does not say which of them are locked, and
// neither does the explanation.
func TestLocksOfSeveralTables(t *testing.T) {
	t.Parallel()
	s, _ := explainer(t, own)
	for sql, noted := range map[string]int{"": 0, " for update of a": 2} {
		e, err := s.Explain(t.Context(), rls.Question{As: alice, SQL: "select * from todos a join todos b on a.id = b.id" + sql})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, table := range e.Tables {
			if strings.Contains(strings.Join(table.Notes, " "), "FOR UPDATE") {
				found++
			}
		}
		if found != noted {
			t.Errorf("%q: %d tables are noted of %d", sql, found, len(e.Tables))
		}
	}
}
