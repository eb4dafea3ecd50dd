package dataapi_test

import (
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const notesSQL = `create table public.notes (id int primary key, user_id uuid not null default auth.uid(), slug text unique, body text default 'none');
alter table public.notes enable row level security;
create policy own on public.notes using (user_id = (select auth.uid()))`

const notes = "/api/v1/tables/notes"

func TestWritesAreCounted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	alice, bob := s.SignUp(), s.SignUp()
	s.Do("POST", notes, bob.Access, `{"id":100,"slug":"of bob"}`)
	for _, step := range []struct{ method, query, prefer, body, want string }{
		{"POST", "", "count=exact", `[{"id":1},{"id":2},{"id":3}]`, "*/3"},
		{"POST", "", "count=exact,return=representation", `{"id":4}`, "*/1"},
		{"POST", "", "count=exact", `[]`, "*/0"},
		{"POST", "", "", `{"id":5}`, ""},
		{"POST", "", "count=exact,resolution=merge-duplicates", `[{"id":5},{"id":6}]`, "*/2"},
		{"POST", "", "count=exact,resolution=ignore-duplicates", `[{"id":6},{"id":7}]`, "*/1"},
		{"POST", "?columns=id,body", "count=exact,missing=default", `[{"id":8},{"id":9,"body":"x"}]`, "*/2"},
		{"PUT", "?id=eq.9", "count=exact", `{"id":9}`, "*/1"},
		{"PATCH", "?id=lt.3", "count=exact", `{"body":"x"}`, "0-1/2"},
		{"PATCH", "?id=lt.3", "count=exact,return=representation", `{"body":"x"}`, "0-1/2"},
		{"PATCH", "?id=gte.100", "count=exact", `{"body":"x"}`, "*/0"},
		{"PATCH", "?id=lt.3", "count=exact", `{}`, "*/0"},
		{"PATCH", "?id=lt.3", "", `{"body":"x"}`, ""},
		{"DELETE", "?id=lt.3", "count=exact", ``, "*/2"},
		{"DELETE", "", "count=exact,return=headers-only", ``, "*/7"},
	} {
		a := s.Do(step.method, notes+step.query, alice.Access, step.body, "Prefer", step.prefer)
		if got := a.Header.Get("Content-Range"); a.Status >= 400 || got != step.want {
			t.Errorf("%s %s %s: %d %q, want %q %s", step.method, step.query, step.prefer, a.Status, got, step.want, a.Body)
		}
	}
	a := s.Do("PATCH", notes+"?id=eq.100", s.ServiceKey, `{"body":"x"}`, "Prefer", "count=planned") // for whom reads are guessed
	if got := a.Header.Get("Preference-Applied"); got != "return=minimal, count=exact" || a.Header.Get("Content-Range") != "0-0/1" {
		t.Errorf("planned: %q %q", got, a.Header.Get("Content-Range"))
	}
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	alice, bob := s.SignUp(), s.SignUp()
	s.Do("POST", notes, bob.Access, `{"id":100,"slug":"of bob","body":"secret"}`)
	const full, merge, ignore = "return=representation", "resolution=merge-duplicates", "resolution=ignore-duplicates"
	for _, step := range []struct {
		query, prefer, body string
		status              int
		want                string
	}{
		{"?select=id,body", full + "," + merge, `[{"id":1,"body":"a"},{"id":2,"body":"b"}]`, 201, `[{"id":1,"body":"a"},{"id":2,"body":"b"}]`},
		{"?select=id,body", full + "," + merge, `[{"id":2,"body":"c"},{"id":3,"body":"d"}]`, 201, `[{"id":2,"body":"c"},{"id":3,"body":"d"}]`},
		{"?select=id,body", full + "," + merge, `[{"id":2,"body":"e"},{"id":3,"body":"f"}]`, 200, `[{"id":2,"body":"e"},{"id":3,"body":"f"}]`},
		{"?select=id,body", full + "," + ignore, `[{"id":2,"body":"g"},{"id":4,"body":"h"}]`, 201, `[{"id":4,"body":"h"}]`},
		{"", ignore, `[{"id":2,"body":"g"}]`, 200, ``},
		{"", merge, `{"id":5,"slug":"s","body":"i"}`, 201, ``},
		{"?on_conflict=slug&select=id,body", full + "," + merge, `{"id":6,"slug":"s","body":"j"}`, 200, `[{"id":6,"body":"j"}]`},
		{"?columns=id,body&select=id,slug,body", full + "," + merge, `{"id":6,"slug":"ignored","body":"k"}`, 200, `[{"id":6,"slug":"s","body":"k"}]`},
		{"", merge, `[]`, 201, ``},
		{"", "", `{"id":6}`, 409, "23505"},
		{"?on_conflict=body", merge, `{"id":6}`, 400, "42P10"},
		{"?on_conflict=nope", merge, `{"id":6}`, 400, "42703"},
		{"?on_conflict=id)+do+nothing", merge, `{"id":6}`, 400, "42703"},
		{"", merge, `{"id":100,"body":"taken over"}`, 403, "42501"},
		{"", ignore, `{"id":100,"body":"taken over"}`, 200, ``},
	} {
		a := s.Do("POST", notes+step.query, alice.Access, step.body, "Prefer", step.prefer)
		body := strings.ReplaceAll(strings.ReplaceAll(a.Body, "\n", ""), " ", "")
		if a.Status != step.status || step.status < 300 && body != step.want || step.status >= 400 && a.Code() != step.want {
			t.Errorf("%s %s %s: %d %s", step.query, step.prefer, step.body, a.Status, a.Body)
		}
		if strings.Contains(step.prefer, "resolution") && a.Status < 300 && !strings.HasPrefix(a.Header.Get("Preference-Applied"), "resolution=") {
			t.Errorf("%s: %v", step.prefer, a.Header)
		}
		if strings.Contains(a.Body, "secret") {
			t.Errorf("the row of somebody else: %s", a.Body)
		}
	}
	var body string
	if s.DB.Scan(t, `select body from public.notes where id = 100`, nil, &body); body != "secret" {
		t.Errorf("the row of somebody else is now %s", body)
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	for _, step := range []struct {
		query, body string
		status      int
		code        string
	}{
		{"?id=eq.1", `{"id":1,"body":"a"}`, 201, ""},
		{"?id=eq.1", `[{"id":1,"body":"b"}]`, 204, ""},
		{"?id=eq.1", `{"id":2,"body":"b"}`, 400, "PGRST115"},
		{"?id=eq.1", `{"body":"b"}`, 400, "PGRST115"},
		{"?id=eq.1", `[{"id":1},{"id":1}]`, 400, "PGRST115"},
		{"?id=eq.1", `{"id":null}`, 400, "PGRST115"},
		{"?id=eq.1&limit=1", `{"id":1}`, 400, "PGRST114"},
		{"", `{"id":1}`, 405, "PGRST105"},
		{"?body=eq.a", `{"id":1}`, 405, "PGRST105"},
		{"?id=gt.1", `{"id":1}`, 405, "PGRST105"},
		{"?id=not.eq.1", `{"id":1}`, 405, "PGRST105"},
		{"?id=eq.1&id=eq.1", `{"id":1}`, 405, "PGRST105"},
		{"?id=eq.1&body=eq.b", `{"id":1}`, 405, "PGRST105"},
		{"?or=(id.eq.1)", `{"id":1}`, 405, "PGRST105"},
		{"?id=eq(any).{1}", `{"id":1}`, 405, "PGRST105"},
	} {
		a := s.Do("PUT", notes+step.query, p.Access, step.body)
		if a.Status != step.status || step.code != "" && a.Code() != step.code {
			t.Errorf("%s %s: %d %s", step.query, step.body, a.Status, a.Body)
		}
	}
	if a := s.Do("PUT", notes+"?id=eq.1&select=body", p.Access, `{"id":1,"body":"c"}`, "Prefer", "return=representation"); a.Status != 200 || a.Body != `[{"body":"c"}]` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestTransactionsEnd(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]map[string]bool{ // whether a write lasts, by preference
		"commit":                  {"": true, "tx=commit": true, "tx=rollback": true},
		"commit-allow-override":   {"": true, "tx=commit": true, "tx=rollback": false, "tx=perhaps": true},
		"rollback":                {"": false, "tx=commit": false, "tx=rollback": false},
		"rollback-allow-override": {"": false, "tx=commit": true, "tx=rollback": false},
	} {
		s := newServer(t, servertest.With("data.tx_end", setting))
		s.DB.Exec(t, notesSQL)
		p := s.SignUp()
		for prefer, lasts := range want {
			a := s.Do("POST", notes+"?select=id", p.Access, `{"id":1}`, "Prefer", "return=representation, "+prefer)
			var n int
			s.DB.Scan(t, `with gone as (delete from public.notes returning 1) select count(*) from public.notes`, nil, &n)
			s.DB.Exec(t, `delete from public.notes`)
			if a.Status != 201 || a.Body != `[{"id":1}]` || (n == 1) != lasts {
				t.Errorf("%s, %s: %d %s, %d rows", setting, prefer, a.Status, a.Body, n)
			}
			said := strings.Contains(a.Header.Get("Preference-Applied"), "tx=")
			if said != (strings.HasSuffix(setting, "override") && (prefer == "tx=commit" || prefer == "tx=rollback")) {
				t.Errorf("%s, %s: %v", setting, prefer, a.Header)
			}
		}
	}
}

// TestCallsEnd as writes do, and are where clients of PostgREST look for them.
func TestCallsEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.tx_end", "commit-allow-override"))
	s.DB.Exec(t, notesSQL+`; create function public.note(id int) returns text language sql as 'insert into public.notes (id) values (note.id) returning body'`)
	p := s.SignUp()
	for prefer, want := range map[string]int{"tx=rollback": 0, "tx=commit": 1} {
		a := s.Do("POST", "/rest/v1/rpc/note", p.Access, `{"id":1}`, "Prefer", prefer)
		var n int
		s.DB.Scan(t, `select count(*) from public.notes`, nil, &n)
		s.DB.Exec(t, `delete from public.notes`)
		if a.Status != 200 || a.Body != `"none"` || n != want {
			t.Errorf("%s: %d %s, %d rows", prefer, a.Status, a.Body, n)
		}
	}
}

// TestUpdateTakesColumns: ?columns= says which members of the body are written.
func TestUpdateTakesColumns(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	s.Do("POST", notes, p.Access, `{"id":1,"slug":"one","body":"b"}`)
	for _, step := range []struct {
		columns, body string
		status        int
		want          string
	}{
		{"&columns=body", `{"slug":"taken","body":"c","nope":1}`, 200, `[{"slug":"one","body":"c"}]`},
		{"&columns=slug,body", `{"slug":"two"}`, 200, `[{"slug":"two","body":null}]`},
		{"&columns=nope", `{"nope":1}`, 400, "PGRST204"},
		{"&columns=user_id", `{"user_id":"00000000-0000-0000-0000-000000000001"}`, 403, "42501"},
		{"", `{"slug":"three","body":"d"}`, 200, `[{"slug":"three","body":"d"}]`},
	} {
		a := s.Do("PATCH", notes+"?id=eq.1&select=slug,body"+step.columns, p.Access, step.body, "Prefer", "return=representation")
		if a.Status != step.status || compact(a.Body) != step.want && a.Code() != step.want {
			t.Errorf("%s %s: %d %s, want %d %s", step.columns, step.body, a.Status, a.Body, step.status, step.want)
		}
	}
}
