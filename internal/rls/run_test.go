package rls_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rls"
)

// The table of the examples in docs/rls.md.
const todos = `create table public.todos (id int primary key, owner uuid not null default auth.uid() references auth.users, title text, done bool not null default false);
	alter table public.todos enable row level security;`

func run(t *testing.T, s *rls.Service, name, text string) rls.Results {
	t.Helper()
	suite, err := rls.ParseSuite(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Test(t.Context(), suite)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestDocumentation runs the files that docs/rls.md shows, where policies do
// what they say and where there are none that do.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(pgtest.Root(), "docs", "rls.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fence := range []string{"yaml", "sql"} {
		_, rest, ok := strings.Cut(string(page), "<!-- example "+fence+" -->\n```"+fence+"\n")
		text, _, ends := strings.Cut(rest, "```")
		if !ok || !ends {
			t.Fatalf("docs/rls.md has no example in %s", fence)
		}
		for policy, passes := range map[string]bool{own: true, strings.Replace(own, "(owner = (select auth.uid()))", "(true)", 1): false} {
			s, db := explainer(t, "drop table public.todos;"+todos+policy)
			before := people(t, db)
			results := run(t, s, "todos."+fence, text)
			if results.Passed+results.Failed < 3 || (results.Failed == 0) != passes {
				t.Errorf("%s with %s: %+v", fence, policy, results)
			}
			if after := people(t, db); after != before {
				t.Errorf("%d users, %d before", after, before)
			}
		}
	}
}

func people(t *testing.T, db *pgtest.Database) (n int) {
	t.Helper()
	db.Scan(t, "select (select count(*) from auth.users) + (select count(*) from todos)", nil, &n)
	return n
}

func TestCasesFail(t *testing.T) {
	t.Parallel()
	s, db := explainer(t, own)
	before := people(t, db)
	results := run(t, s, "x.yaml", `
users: {ann: {app_metadata: {team: red}}}
setup: insert into todos values (10, current_setting('test.ann')::uuid, true, 'x'); insert into todos values (11, current_setting('test.ann')::uuid)
tests:
  - {name: right rows, as: ann, sql: "select id, done, secret, auth.jwt() -> 'app_metadata' as m from todos", rows: [{id: 11, secret: null}, {id: 10, done: true, secret: x, m: {team: red}}]}
  - {name: right list, as: ann, sql: "select id, done from todos", rows: [[10, true], [11, false]]}
  - {name: right count, as: ann, sql: update todos set done = true, count: 2}
  - {name: right error, as: ann, sql: "insert into todos values (12, null)", error: "42501"}
  - {name: right words, as: ann, sql: "insert into todos values (12, null)", error: row-level security}
  - {name: right stranger, as: anonymous, sql: select from todos, count: 0}
  - {name: right service, as: service_role, sql: select from todos, count: 5}
  - {name: wrong value, as: ann, sql: select id from todos, rows: [[10], [12]]}
  - {name: wrong column, as: ann, sql: select id from todos, rows: [{id: 10}, {no: 11}]}
  - {name: twice one, as: ann, sql: select id from todos, rows: [[10], [10]]}
  - {name: too few, as: ann, sql: select id from todos, rows: [[10]]}
  - {name: wrong count, as: ann, sql: select id from todos, count: 3}
  - {name: no error, as: ann, sql: select id from todos, error: "42501"}
  - {name: another error, as: ann, sql: select nothing from todos, error: "42501"}
  - {name: an error, as: ann, sql: select nothing from todos}
  - {name: nobody, as: eve, sql: select id from todos}
  - {name: two, as: ann, sql: "select 1; select 2"}
  - {name: the end, as: ann, sql: commit}
`)
	for _, r := range results.Results {
		if r.Passed != strings.HasPrefix(r.Name, "right") || r.Passed != (r.Message == "") {
			t.Errorf("%+v", r)
		}
	}
	if results.Passed != 7 || results.Failed != 11 {
		t.Errorf("%d passed, %d failed", results.Passed, results.Failed)
	}
	results = run(t, s, "x.yaml", "setup: commit\ntests: [{name: a, as: anonymous, sql: select 1}]")
	if results.Failed != 1 || !strings.HasPrefix(results.Results[0].Message, "the setup: ") {
		t.Errorf("a setup that commits: %+v", results)
	}
	if after := people(t, db); after != before {
		t.Errorf("%d rows, %d before", after, before)
	}
}

func TestParseSuite(t *testing.T) {
	t.Parallel()
	sql, err := rls.ParseSuite("a.sql", []byte("-- @user ann {email: a@example.com}\n-- about\ninsert into t;\n-- @test It: works\n-- @as ann\n-- @count 1\nselect 1;\n-- @test b\n-- @as anonymous\n-- @error 42501\nselect 2"))
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := rls.ParseSuite("a.yaml", []byte(`{users: {ann: {email: a@example.com}}, setup: "-- about\ninsert into t;\n",
		tests: [{name: "It: works", as: ann, count: 1, sql: select 1}, {name: b, as: anonymous, error: "42501", sql: select 2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(yaml, sql); diff != "" {
		t.Errorf("(-YAML +SQL):\n%s", diff)
	}
	for name, text := range map[string]string{
		"a.yaml": "tests: [{name: a, as: b, sql: c, expect: 1}]", "b.yaml": "tests: [{name: a, as: b}]", "c.yaml": "tests: {", "d.sql": "-- @nothing",
		"e.sql": "-- @as ann", "f.sql": "-- @test a\n-- @as b\n-- @rows [\nselect 1", "g.sql": "-- @user ann [1]",
	} {
		if _, err := rls.ParseSuite(name, []byte(text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
