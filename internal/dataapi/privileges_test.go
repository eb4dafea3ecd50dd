package dataapi_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestWritesWithFewPrivileges: a write needs the privilege to read no more than
// what it answers with, what PostgreSQL finds the rows by, and what it merges.
func TestWritesWithFewPrivileges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, `create table public.box (id int primary key, content text, secret text default 'hush'); alter table public.box enable row level security;
		create policy everything on public.box using (true) with check (true);
		revoke all on public.box from anonymous, authenticated;
		grant insert, update, delete on public.box to authenticated; grant select (id, content) on public.box to authenticated`)
	p := s.SignUp()
	const box, merge, ignore, full = "/api/v1/tables/box", "resolution=merge-duplicates", "resolution=ignore-duplicates", "return=representation"
	for _, c := range []struct {
		method, query, prefer, body string
		status                      int
		want                        string
	}{
		{"POST", "", "", `{"id":1,"content":"a"}`, 201, ""},
		{"POST", "", merge, `[{"id":1,"content":"b"},{"id":2,"content":"b"}]`, 201, ""},
		{"POST", "", merge, `[{"id":1,"content":"c"},{"id":2,"content":"c"}]`, 200, ""},
		{"POST", "", ignore, `[{"id":1,"content":"d"}]`, 200, ""},
		{"POST", "", ignore, `[{"id":1,"content":"d"},{"id":3,"content":"d"}]`, 201, ""},
		{"PUT", "?id=eq.1", "", `{"id":1,"content":"e"}`, 204, ""},
		{"PUT", "?id=eq.4", "", `{"id":4,"content":"e"}`, 201, ""},
		{"POST", "?select=id", full + "," + merge, `[{"id":4,"content":"f"},{"id":5,"content":"f"}]`, 201, `[{"id":4},{"id":5}]`},
		{"POST", "", "return=headers-only", `{"id":6}`, 201, ""},
		{"PATCH", "?id=eq.6&select=number:id", full, `{"content":"g"}`, 200, `[{"number":6}]`},
		{"DELETE", "?id=eq.6&select=id&order=id", full, ``, 200, `[{"id":6}]`},
		{"POST", "", full + "," + merge, `{"id":5,"content":"h"}`, 403, ""},
		{"POST", "?select=id,secret", full, `{"id":7,"content":"h"}`, 403, ""},
		{"PATCH", "?id=eq.5&select=id&order=secret", full, `{"content":"h"}`, 403, ""},
		{"DELETE", "?secret=eq.hush", "", ``, 403, ""},
	} {
		a := s.Do(c.method, box+c.query, p.Access, c.body, "Prefer", c.prefer)
		if a.Status != c.status || a.Status < 300 && compact(a.Body) != c.want || strings.Contains(a.Body, "hush") {
			t.Errorf("%s %s %s %s: %d %s", c.method, c.query, c.prefer, c.body, a.Status, a.Body)
		}
	}
	var rows string
	s.DB.Scan(t, `select string_agg(id || content, ',' order by id) from public.box`, nil, &rows)
	if rows != "1e,2c,3d,4f,5f" {
		t.Errorf("%s", rows)
	}
}

// TestUpsertIntoViews: a view that can be updated has no system columns.
func TestUpsertIntoViews(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL+`; create view public.my_notes with (security_invoker = true) as select id, body, user_id from public.notes`)
	alice, bob := s.SignUp(), s.SignUp()
	const view, merge = "/api/v1/tables/my_notes?on_conflict=id", "resolution=merge-duplicates"
	for i, c := range []struct {
		bearer, prefer, body string
		status               int
		want                 string
	}{
		{alice.Access, merge, `[{"id":1,"body":"a"},{"id":2,"body":"a"}]`, 201, ""},
		{alice.Access, merge, `[{"id":1,"body":"b"},{"id":2,"body":"b"}]`, 200, ""},
		{alice.Access, merge + ",return=representation", `[{"id":2,"body":"c"},{"id":3,"body":"c"}]`, 201, `[{"id":2,"body":"c"},{"id":3,"body":"c"}]`},
		{alice.Access, "resolution=ignore-duplicates", `[{"id":2,"body":"d"}]`, 200, ""},
		{bob.Access, merge, `[{"id":2,"body":"bob was here"}]`, 403, ""},
	} {
		path := view
		if c.want != "" {
			path += "&select=id,body"
		}
		if a := s.Do("POST", path, c.bearer, c.body, "Prefer", c.prefer); a.Status != c.status || a.Status < 300 && compact(a.Body) != c.want {
			t.Errorf("%d: %d %s", i, a.Status, a.Body)
		}
	}
	var rows string
	s.DB.Scan(t, `select string_agg(id || body, ',' order by id) from public.notes`, nil, &rows)
	if rows != "1b,2c,3c" {
		t.Errorf("%s", rows)
	}
}

// TestManyUpserts tells what is new of rows that take several statements.
func TestManyUpserts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.DB.Exec(t, notesSQL)
	p := s.SignUp()
	mixed := func(ids ...int) string { // neighbours have different columns
		rows := make([]string, len(ids))
		for i, id := range ids {
			rows[i] = fmt.Sprintf(`{"id":%d,"%s":"x%d"}`, id, []string{"body", "slug"}[i%2], id)
		}
		return "[" + strings.Join(rows, ",") + "]"
	}
	for i, c := range []struct {
		body   string
		status int
	}{{mixed(1, 2, 3, 4), 201}, {mixed(1, 2, 3, 4), 200}, {mixed(1, 2, 3, 4, 5), 201}, {mixed(5, 4, 3, 6), 201}, {mixed(6, 5), 200}} {
		a := s.Do("POST", notes+"?columns=id,body,slug", p.Access, c.body, "Prefer", "resolution=merge-duplicates, missing=default")
		if a.Status != c.status {
			t.Errorf("%d: %d %s, want %d", i, a.Status, a.Body, c.status)
		}
	}
}
