package dataapi_test

import (
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// five gives a person five todos, 1 to 5, and somebody else two.
func five(t *testing.T, s *servertest.Server) servertest.Person {
	t.Helper()
	p, other := s.SignUp(), s.SignUp()
	s.DB.Exec(t, `insert into public.todos (user_id, task, done, rank) select $1, 'task ' || n, n > 3, nullif(n, 2) from generate_series(1, 5) n`, p.ID)
	s.DB.Exec(t, `insert into public.todos (user_id, task) values ($1, 'hidden'), ($1, 'hidden too')`, other.ID)
	return p
}

// TestPages looks at status and Content-Range. The rows of somebody else count
// nowhere.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	for _, c := range []struct {
		query  string
		fields []string
		status int
		shown  string
		rows   int
	}{
		{"", nil, 200, "0-4/*", 5},
		{"", []string{"Prefer", "count=exact"}, 200, "0-4/5", 5},
		{"", []string{"Prefer", "count=planned"}, 200, "0-4/5", 5},
		{"", []string{"Prefer", "count=estimated"}, 200, "0-4/5", 5},
		{"task=like.hidden*", []string{"Prefer", "count=planned"}, 200, "*/0", 0},
		{"limit=2", []string{"Prefer", "count=exact"}, 206, "0-1/5", 2},
		{"limit=2&offset=3", []string{"Prefer", "count=exact"}, 206, "3-4/5", 2},
		{"limit=2&id=gt.3", []string{"Prefer", "count=exact"}, 200, "0-1/2", 2},
		{"limit=0", []string{"Prefer", "count=exact"}, 206, "*/5", 0},
		{"offset=5", []string{"Prefer", "count=exact"}, 206, "*/5", 0},
		{"offset=6", []string{"Prefer", "count=exact"}, 416, "*/5", -1},
		{"offset=6", nil, 200, "*/*", 0},
		{"", []string{"Range", "1-2"}, 200, "1-2/*", 2},
		{"", []string{"Range", "1-2", "Range-Unit", "items"}, 200, "1-2/*", 2},
		{"", []string{"Range", "items=1-2"}, 200, "1-2/*", 2},
		{"", []string{"Range", "3-"}, 200, "3-4/*", 2},
		{"", []string{"Range", "0-99", "Prefer", "count=exact"}, 200, "0-4/5", 5},
		{"", []string{"Range", "2-1"}, 416, "", -1},
		{"", []string{"Range", "bytes=0-1"}, 200, "0-4/*", 5},
		{"", []string{"Range", "0-1", "Range-Unit", "bytes"}, 200, "0-4/*", 5},
		{"", []string{"Range", "a-b"}, 200, "0-4/*", 5},
		{"", []string{"Range", "99999999999999999999-"}, 200, "0-4/*", 5},
		{"limit=3&offset=1", []string{"Range", "2-9"}, 200, "2-3/*", 2},
		{"limit=1&offset=1", []string{"Range", "3-4"}, 200, "*/*", 0},
		{"limit=9223372036854775807", []string{"Range", "1-"}, 200, "1-4/*", 4},
	} {
		a := s.Do("GET", todos+"?order=id&"+c.query, p.Access, "", c.fields...)
		if a.Status != c.status || a.Header.Get("Content-Range") != c.shown {
			t.Errorf("%s %q: %d %s, want %d %s: %s", c.query, c.fields, a.Status, a.Header.Get("Content-Range"), c.status, c.shown, a.Body)
		}
		if a.Status == 416 && a.Code() != "PGRST103" {
			t.Errorf("%s: %s", c.query, a.Body)
		}
		if c.rows >= 0 && strings.Count(a.Body, `"task"`) != c.rows {
			t.Errorf("%s %q: %s", c.query, c.fields, a.Body)
		}
		head := s.Do("HEAD", todos+"?order=id&"+c.query, p.Access, "", c.fields...)
		if head.Status != a.Status || head.Body != "" || head.Header.Get("Content-Range") != a.Header.Get("Content-Range") {
			t.Errorf("HEAD %s: %d %v %s", c.query, head.Status, head.Header, head.Body)
		}
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	const object, array = "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json"
	for _, c := range []struct {
		accept, query string
		status        int
		media, body   string
	}{
		{"", "select=id&id=eq.1", 200, "application/json; charset=utf-8", `[{"id":1}]`},
		{object, "select=id&id=eq.1", 200, object + "; charset=utf-8", `{"id":1}`},
		{"application/vnd.pgrst.object", "select=id&id=eq.1", 200, object + "; charset=utf-8", `{"id":1}`},
		{array, "select=id,rank&id=eq.2", 200, array + "; charset=utf-8", `[{"id":2,"rank":null}]`},
		{array + ";nulls=stripped", "select=id,rank&id=eq.2", 200, array + ";nulls=stripped; charset=utf-8", `[{"id":2}]`},
		{object + "; nulls=stripped", "select=id,rank&id=eq.2", 200, object + ";nulls=stripped; charset=utf-8", `{"id":2}`},
		{"text/csv", "select=id,task,rank&id=lt.3&order=id", 200, "text/csv; charset=utf-8", "id,task,rank\n1,\"task 1\",1\n2,\"task 2\",\n"},
		{"text/csv", "select=id&id=eq.0", 200, "text/csv; charset=utf-8", "id\n"},
		{"text/csv;q=0.1, application/json;q=0.2", "select=id&id=eq.1", 200, "application/json; charset=utf-8", `[{"id":1}]`},
		{"text/html, */*;q=0.1", "select=id&id=eq.1", 200, "application/json; charset=utf-8", `[{"id":1}]`},
		{object, "select=id", 406, "application/problem+json", "The result contains 5 rows"},
		{object, "select=id&task=eq.hidden", 406, "application/problem+json", "The result contains 0 rows"},
		{"image/png", "", 406, "application/problem+json", "PGRST107"},
		{"application/json;q=0", "", 406, "application/problem+json", "PGRST107"},
		{"application/vnd.pgrst.plan+text", "", 406, "application/problem+json", "PGRST107"},
		{";;;", "", 406, "application/problem+json", "PGRST107"},
	} {
		a := s.Do("GET", todos+"?"+c.query, p.Access, "", "Accept", c.accept)
		if a.Status != c.status || a.Header.Get("Content-Type") != c.media || a.Body != c.body && (c.status == 200 || !strings.Contains(a.Body, c.body)) {
			t.Errorf("%s, %s: %d %s %q", c.accept, c.query, a.Status, a.Header.Get("Content-Type"), a.Body)
		}
	}
}

// TestSingleUndoesWrites asks for one row where there are none or more.
func TestSingleUndoesWrites(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	count := func() (n, changed int) {
		s.DB.Scan(t, `select count(*), count(*) filter (where task = 'changed') from public.todos`, nil, &n, &changed)
		return n, changed
	}
	fields := []string{"Accept", "application/vnd.pgrst.object+json", "Prefer", "return=representation"}
	for _, c := range []struct{ method, query, body, says string }{
		{"POST", "", `[{"task":"changed"},{"task":"changed"}]`, "2 rows"},
		{"POST", "", `[]`, "0 rows"},
		{"PATCH", "", `{"task":"changed"}`, "5 rows"},
		{"PATCH", "?id=eq.0", `{"task":"changed"}`, "0 rows"},
		{"PATCH", "?id=eq.1", `{}`, "0 rows"},
		{"DELETE", "?id=lt.3", ``, "2 rows"},
	} {
		a := s.Do(c.method, todos+c.query, p.Access, c.body, fields...)
		if n, changed := count(); a.Status != 406 || a.Code() != "PGRST116" || !strings.Contains(a.Body, c.says) || n != 7 || changed != 0 {
			t.Errorf("%s %s: %d %s; %d rows, %d changed", c.method, c.query, a.Status, a.Body, n, changed)
		}
	}
	a := s.Do("PATCH", todos+"?id=eq.1&select=task", p.Access, `{"task":"changed"}`, fields...)
	if _, changed := count(); a.Status != 200 || a.Body != `{"task":"changed"}` || changed != 1 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", todos+"?select=task", p.Access, `{"task":"one"}`, fields...); a.Status != 201 || a.Body != `{"task":"one"}` {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	for _, c := range []struct {
		method, query, prefer string
		status                int
		applied, code         string
	}{
		{"GET", "", "count=exact", 200, "count=exact", ""},
		{"GET", "", "count=planned", 200, "count=exact", ""}, // which says what was done
		{"GET", "", "count=some", 200, "", ""},
		{"GET", "", "count=exact, return=minimal, nonsense", 200, "count=exact", ""},
		{"GET", "", "handling=strict, count=exact", 200, "count=exact, handling=strict", ""},
		{"GET", "", "handling=lenient, nonsense", 200, "handling=lenient", ""},
		{"GET", "", "handling=strict, nonsense", 400, "", "PGRST122"},
		{"GET", "", "handling=strict, count=some", 400, "", "PGRST122"},
		{"PATCH", "?id=lt.3", "return=representation, handling=strict, max-affected=2", 200, "return=representation, handling=strict, max-affected=2", ""},
		{"PATCH", "?id=lt.3", "handling=strict, max-affected=1", 400, "", "PGRST124"},
		{"PATCH", "?id=lt.3", "return=representation, handling=strict, max-affected=1", 400, "", "PGRST124"},
		{"PATCH", "?id=lt.3", "max-affected=1", 204, "return=minimal", ""},
		{"PATCH", "?id=lt.3", "handling=strict, max-affected=-1", 400, "", "PGRST122"},
		{"DELETE", "", "handling=strict, max-affected=4", 400, "", "PGRST124"},
		{"PATCH", "?id=lt.3", "count=exact, return=minimal", 204, "return=minimal, count=exact", ""},
		{"DELETE", "?id=eq.1", "return=headers-only, return=representation", 204, "return=headers-only", ""},
	} {
		body := map[string]string{"PATCH": `{"done":true}`}[c.method]
		a := s.Do(c.method, todos+c.query, p.Access, body, "Prefer", c.prefer)
		if a.Status != c.status || a.Header.Get("Preference-Applied") != c.applied || c.code != "" && a.Code() != c.code {
			t.Errorf("%s %s: %d %q %s", c.method, c.prefer, a.Status, a.Header.Get("Preference-Applied"), a.Body)
		}
	}
	var n int
	if s.DB.Scan(t, `select count(*) from public.todos where user_id = $1`, []any{p.ID}, &n); n != 4 {
		t.Errorf("%d rows are left", n)
	}
}

func TestUnchangedAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	get := func(query string, fields ...string) servertest.Answer {
		return s.Do("GET", todos+query, p.Access, "", fields...)
	}
	first := get("?order=id")
	tag := first.Header.Get("ETag")
	if tag == "" || get("?order=id").Header.Get("ETag") != tag {
		t.Fatalf("tags: %s", tag)
	}
	for _, sent := range []string{tag, `"x", ` + tag, "W/" + tag, "*"} {
		if a := get("?order=id", "If-None-Match", sent); a.Status != 304 || a.Body != "" || a.Header.Get("ETag") != tag {
			t.Errorf("%s: %d %s", sent, a.Status, a.Body)
		}
	}
	for name, a := range map[string]servertest.Answer{
		"another tag": get("?order=id", "If-None-Match", `"x"`), "other rows": get("?order=id&limit=1", "If-None-Match", tag),
		"CSV": get("?order=id", "If-None-Match", tag, "Accept", "text/csv"), "a count": get("?order=id", "If-None-Match", tag, "Prefer", "count=exact"),
	} {
		if a.Status != 200 || a.Body == "" {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	s.Do("PATCH", todos+"?id=eq.1", p.Access, `{"task":"changed"}`)
	if a := get("?order=id", "If-None-Match", tag); a.Status != 200 || !strings.Contains(a.Body, "changed") {
		t.Errorf("after a change: %d %s", a.Status, a.Body)
	}
}

// TestSchemas asks for tables of the same name in schemas that are exposed and
// that are not.
func TestSchemas(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.schemas", "public, other"), servertest.With("data.allow_without_rls", "open"))
	s.DB.Exec(t, `create schema other; create schema third; grant usage on schema other, third to authenticated, anonymous, service_role, fluxbase_user, fluxbase_service;
		create table other.todos (id int primary key, user_id uuid default auth.uid(), note text); alter table other.todos enable row level security;
		create policy own on other.todos using (user_id = auth.uid()); grant all on other.todos to authenticated, anonymous, service_role;
		create table other.open (id int); grant all on other.open to authenticated;
		create table third.todos (id int); alter table third.todos enable row level security`)
	p := five(t, s)
	if a := s.Do("POST", todos, p.Access, `{"id":7,"note":"other"}`, "Content-Profile", "other"); a.Status != 201 || a.Header.Get("Content-Profile") != "other" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", todos, p.Access, "", "Accept-Profile", "other"); !strings.Contains(a.Body, `"note":"other"`) || a.Header.Get("Content-Profile") != "other" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", todos+"?limit=1", p.Access, "", "Accept-Profile", "public", "Content-Profile", "other"); !strings.Contains(a.Body, `"task"`) {
		t.Errorf("the default: %d %s", a.Status, a.Body)
	}
	for _, schema := range []string{"third", "auth", "pg_catalog", "information_schema", `other"; --`, "OTHER"} {
		for _, bearer := range []string{p.Access, s.ServiceKey} {
			if a := s.Do("GET", todos, bearer, "", "Accept-Profile", schema); a.Status != 406 || a.Code() != "PGRST106" || !strings.Contains(a.Body, "public, other") {
				t.Errorf("%s: %d %s", schema, a.Status, a.Body)
			}
			if a := s.Do("DELETE", todos, bearer, "", "Content-Profile", schema); a.Status != 406 {
				t.Errorf("%s: %d %s", schema, a.Status, a.Body)
			}
		}
	}
	// A table that is listed by its name alone is one of the default schema.
	if a := s.Do("GET", "/api/v1/tables/open", p.Access, "", "Accept-Profile", "other"); a.Status != 404 {
		t.Errorf("an unguarded table: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", "/api/v1/tables/open", p.Access, ""); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// TestOtherPath is where clients of PostgREST look.
func TestOtherPath(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := five(t, s)
	if a := s.Do("GET", "/rest/v1/todos?select=id&id=eq.1", p.Access, ""); a.Body != `[{"id":1}]` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	a := s.Do("POST", "/rest/v1/todos", p.Access, `{"task":"x"}`, "Prefer", "return=headers-only")
	if a.Header.Get("Location") != "/rest/v1/todos?id=eq.8" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := s.Do("DELETE", "/rest/v1/todos", "", ""); a.Status != 204 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	var n int
	if s.DB.Scan(t, `select count(*) from public.todos`, nil, &n); n != 8 {
		t.Errorf("nobody deleted something: %d", n)
	}
}
