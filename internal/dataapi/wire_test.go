package dataapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestCounts counts by what the planner expects where no policy binds the
// caller. PostgreSQL believes what it was told last.
func TestCounts(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.max_rows", "100"))
	p := s.SignUp()
	s.DB.Exec(t, `alter table public.todos set (autovacuum_enabled = false)`)
	s.DB.Exec(t, `insert into public.todos (user_id, task) select $1, 'counted' from generate_series(1, 1000)`, p.ID)
	s.DB.Exec(t, `analyze public.todos`)
	s.DB.Exec(t, `insert into public.todos (user_id, task) select $1, 'not looked at' from generate_series(1, 50)`, p.ID)
	total := func(query, count, bearer string) (status int, shown, applied string) {
		a := s.Do("HEAD", todos+query, bearer, "", "Prefer", "count="+count)
		return a.Status, a.Header.Get("Content-Range"), a.Header.Get("Preference-Applied")
	}
	_, shown, _ := total("?limit=10", "planned", s.ServiceKey)
	if planned := strings.TrimPrefix(shown, "0-9/"); planned == "1050" || len(planned) != 4 {
		t.Errorf("planned: %s", shown)
	}
	for _, c := range []struct {
		query, count, bearer string
		status               int
		shown, applied       string
	}{
		{"?limit=10", "exact", s.ServiceKey, 206, "0-9/1050", "exact"},
		{"?limit=10", "exact", p.Access, 206, "0-9/1050", "exact"},
		{"?limit=10", "planned", p.Access, 206, "0-9/1050", "exact"}, // statistics are of all rows, and people are told of theirs
		{"?limit=10", "estimated", p.Access, 206, "0-9/1050", "exact"},
		{"?limit=10", "planned", "", 200, "*/0", "exact"},
		{"?limit=10&id=lte.50", "estimated", s.ServiceKey, 206, "0-9/50", "estimated"},
		{"?limit=10&id=lte.100", "estimated", s.ServiceKey, 206, "0-9/100", "estimated"},
		{"?id=eq.3", "planned", s.ServiceKey, 200, "0-0/1", "planned"},
		{"?id=gt.100000", "estimated", s.ServiceKey, 200, "*/0", "estimated"},
	} {
		status, shown, applied := total(c.query, c.count, c.bearer)
		if status != c.status || shown != c.shown || applied != "count="+c.applied {
			t.Errorf("%s, count=%s: %d %s %s, want %d %s", c.query, c.count, status, shown, applied, c.status, c.shown)
		}
	}
	if status, shown, _ := total("?limit=10", "estimated", s.ServiceKey); status != 206 || shown == "0-9/1050" || shown == "0-9/101" {
		t.Errorf("estimated beyond the bound: %d %s", status, shown)
	}
	if a := s.Do("GET", todos+"?id=eq.x", s.ServiceKey, "", "Prefer", "count=estimated"); a.Status != 400 || a.Code() != "22P02" || !strings.Contains(a.Body, "column id") {
		t.Errorf("a mistake: %d %s", a.Status, a.Body)
	}
	// What is on the page is known to be there, whatever the planner thinks.
	s.DB.Exec(t, `update public.todos set done = true where id <= 60`)
	if _, shown, _ := total("?done=is.true", "planned", s.ServiceKey); shown != "0-59/60" {
		t.Errorf("less than is there: %s", shown)
	}
}

// TestPlans asks for plans where the configuration allows it. A write is
// explained, with analyze too, and not done.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.plan_enabled", "true"))
	s.DB.Exec(t, functionsSQL)
	p := five(t, s)
	const plan = "application/vnd.pgrst.plan"
	for _, c := range []struct {
		method, path, body, accept string
		status                     int
		media, says                string
	}{
		{"GET", todos, "", plan, 200, plan + `+text; for="application/json"; charset=utf-8`, "Scan on todos"},
		{"GET", todos, "", plan + "+text", 200, plan + `+text; for="application/json"; charset=utf-8`, "user_id = "},
		{"GET", todos, "", plan + `+json; for="application/json"; options=;`, 200, plan + `+json; for="application/json"; charset=utf-8`, `"Plan": {`},
		{"GET", todos, "", plan + `+json; for="text/csv"; options=analyze|verbose|settings|buffers|wal`, 200, plan + `+json; for="text/csv"; options=analyze|verbose|settings|buffers|wal; charset=utf-8`, `"Actual Rows": 5`},
		{"GET", todos + "?id=eq.1", "", plan + `+text; for="application/vnd.pgrst.object+json"; options=verbose`, 200, plan + `+text; for="application/vnd.pgrst.object+json"; options=verbose; charset=utf-8`, "Output:"},
		{"GET", todos, "", plan + `+text; for="application/vnd.pgrst.array+json;nulls=stripped"`, 200, plan + `+text; for="application/vnd.pgrst.array+json;nulls=stripped"; charset=utf-8`, "Scan on todos"},
		{"POST", todos, `{"task":"new"}`, plan + "+text; options=analyze", 200, plan + `+text; for="application/json"; options=analyze; charset=utf-8`, "Insert on todos"},
		{"PATCH", todos, `{"task":"new"}`, plan + "+text; options=analyze", 200, plan + `+text; for="application/json"; options=analyze; charset=utf-8`, "Update on todos"},
		{"PUT", todos + "?id=eq.1", `{"id":1,"task":"new"}`, plan + "+text; options=analyze", 200, plan + `+text; for="application/json"; options=analyze; charset=utf-8`, "Insert on todos"},
		{"DELETE", todos, ``, plan + "+text; options=analyze", 200, plan + `+text; for="application/json"; options=analyze; charset=utf-8`, "Delete on todos"},
		{"POST", rpc + "write", `{"task":"new"}`, plan + "+text; options=analyze", 200, plan + `+text; for="application/json"; options=analyze; charset=utf-8`, "Aggregate"},
		{"GET", rpc + "my_todos", ``, plan + "+json", 200, plan + `+json; for="application/json"; charset=utf-8`, `"Plan": {`},
		{"GET", todos, "", plan + "+xml", 406, "application/problem+json", "PGRST107"},
		{"GET", todos, "", plan + "+text; options=timing", 406, "application/problem+json", "PGRST107"},
		{"GET", todos, "", plan + `+text; options="analyze) select 1; --"`, 406, "application/problem+json", "PGRST107"},
		{"GET", todos, "", plan + `+text; for="image/png"`, 406, "application/problem+json", "PGRST107"},
		{"GET", todos + "?id=eq.x", "", plan, 400, "application/problem+json", "column id"},
	} {
		a := s.Do(c.method, c.path, p.Access, c.body, "Accept", c.accept)
		if a.Status != c.status || a.Header.Get("Content-Type") != c.media || !strings.Contains(a.Body, c.says) {
			t.Errorf("%s %s, %s: %d %s %s", c.method, c.path, c.accept, a.Status, a.Header.Get("Content-Type"), a.Body)
		}
	}
	var n, changed int
	if s.DB.Scan(t, `select count(*), count(*) filter (where task = 'new') from public.todos`, nil, &n, &changed); n != 7 || changed != 0 {
		t.Errorf("explaining has left %d rows, %d of them changed", n, changed)
	}
	if a := s.Do("PATCH", todos, p.Access, `{"task":"new"}`, "Accept", plan, "Prefer", "count=exact"); a.Status != 200 || a.Header.Get("Content-Range") != "" {
		t.Errorf("a plan of no rows has a range: %d %v", a.Status, a.Header)
	}
	// A plan of the caller's own role, with its policies and no others.
	if a := s.Do("GET", todos, s.ServiceKey, "", "Accept", plan); strings.Contains(a.Body, "user_id =") {
		t.Errorf("as the service: %s", a.Body)
	}
	plain := newServer(t)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		if a := plain.Do(method, todos, plain.ServiceKey, `{}`, "Accept", plan); a.Status != 406 || a.Code() != "PGRST107" {
			t.Errorf("where it is not enabled, %s: %d %s", method, a.Status, a.Body)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	s.DB.Exec(t, `create view public.grouped with (security_invoker = true) as select done, count(*) from public.todos group by done`)
	s.DB.Exec(t, `create table public.keyless (a int); alter table public.keyless enable row level security`)
	for _, prefix := range []string{"/api/v1/tables/", "/rest/v1/"} {
		for table, want := range map[string]string{
			"todos": "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE", "caller_view": "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE",
			"grouped": "OPTIONS,GET,HEAD", "keyless": "OPTIONS,GET,HEAD,POST,PATCH,DELETE",
		} {
			if a := s.Do("OPTIONS", prefix+table, "", ""); a.Status != 200 || a.Header.Get("Allow") != want || a.Body != "" {
				t.Errorf("%s: %d %q %s", table, a.Status, a.Header.Get("Allow"), a.Body)
			}
		}
		for _, table := range []string{"open", "missing"} {
			if a := s.Do("OPTIONS", prefix+table, "", ""); a.Status != 404 || a.Code() != "PGRST205" {
				t.Errorf("%s: %d %s", table, a.Status, a.Body)
			}
		}
		if a := s.Do("LINK", prefix+"todos", "", ""); a.Status != 405 || a.Code() != "PGRST117" || !strings.Contains(a.Header.Get("Allow"), "PATCH") {
			t.Errorf("an unknown method: %d %s", a.Status, a.Body)
		}
	}
	for function, want := range map[string]string{"add": "OPTIONS,GET,HEAD,POST", "write": "OPTIONS,POST"} {
		if a := s.Do("OPTIONS", rpc+function, "", ""); a.Status != 200 || a.Header.Get("Allow") != want {
			t.Errorf("%s: %d %q", function, a.Status, a.Header.Get("Allow"))
		}
	}
	if a := s.Do("OPTIONS", rpc+"missing", "", ""); a.Status != 404 || a.Code() != "PGRST202" {
		t.Errorf("a function that there is not: %d %s", a.Status, a.Body)
	}
	for _, method := range []string{"PATCH", "PUT", "DELETE", "LINK"} {
		if a := s.Do(method, rpc+"add", "", `{}`); a.Status != 405 || a.Code() != "PGRST101" || a.Header.Get("Allow") == "" {
			t.Errorf("%s of a function: %d %s", method, a.Status, a.Body)
		}
	}
	if a := s.Do("OPTIONS", todos, "", "", "Origin", "https://x.example", "Access-Control-Request-Method", "PATCH"); a.Status != http.StatusNoContent {
		t.Errorf("a preflight: %d", a.Status)
	}
	if a := s.Do("HEAD", rpc+"add?a=1", "", ""); a.Status != 200 || a.Body != "" {
		t.Errorf("HEAD of a function: %d %q", a.Status, a.Body)
	}
}

// TestTransactionPreferences chooses time zone and isolation of a transaction.
func TestTransactionPreferences(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.isolation_override", "true"))
	s.DB.Exec(t, `create function public.setting(name text) returns text language sql stable as 'select current_setting(name)';
		create view public.now with (security_invoker = true) as select current_setting('TimeZone') as zone, current_setting('transaction_isolation') as isolation`)
	const get = "/api/v1/tables/now"
	for _, c := range []struct {
		prefer          string
		status          int
		zone, isolation string
		applied         string
	}{
		{"timezone=America/Los_Angeles", 200, "America/Los_Angeles", "read committed", "timezone=America/Los_Angeles"},
		{"timezone=UTC", 200, "UTC", "read committed", "timezone=UTC"},
		{"timezone=Mars/Olympus", 200, "", "read committed", ""},
		{"timezone=+5", 200, "", "read committed", ""},
		{"timezone=", 200, "", "read committed", ""},
		{"handling=strict, timezone=Mars/Olympus", 400, "", "", ""},
		{"handling=strict, timezone=Europe/Berlin", 200, "Europe/Berlin", "read committed", "handling=strict, timezone=Europe/Berlin"},
		{"isolation=serializable", 200, "", "serializable", "isolation=serializable"},
		{"isolation=repeatable-read, timezone=UTC", 200, "UTC", "repeatable read", "isolation=repeatable-read, timezone=UTC"},
		{"isolation=read-committed", 200, "", "read committed", "isolation=read-committed"},
		{"isolation=chaos", 200, "", "read committed", ""},
		{"handling=strict, isolation=chaos", 400, "", "", ""},
	} {
		a := s.Do("GET", get, s.ServiceKey, "", "Prefer", c.prefer)
		if a.Status != c.status || a.Header.Get("Preference-Applied") != c.applied || c.status == 400 && a.Code() != "PGRST122" {
			t.Errorf("%s: %d %q %s", c.prefer, a.Status, a.Header.Get("Preference-Applied"), a.Body)
			continue
		}
		if c.status != 200 {
			continue
		}
		var rows []struct{ Zone, Isolation string }
		a.JSON(t, &rows)
		if c.zone == "" {
			c.zone = rows[0].Zone
			if strings.Contains(c.prefer, rows[0].Zone) {
				t.Errorf("%s: it was taken", c.prefer)
			}
		}
		if rows[0].Zone != c.zone || rows[0].Isolation != c.isolation {
			t.Errorf("%s: %+v", c.prefer, rows)
		}
	}
	if a := s.Do("POST", rpc+"setting", s.ServiceKey, `{"name":"TimeZone"}`, "Prefer", "timezone=Asia/Tokyo"); a.Body != `"Asia/Tokyo"` || a.Header.Get("Preference-Applied") != "timezone=Asia/Tokyo" {
		t.Errorf("a function: %s %v", a.Body, a.Header)
	}
	s.DB.Exec(t, `create table public.zones (id int primary key, a text, zone text default current_setting('TimeZone'), isolation text default current_setting('transaction_isolation'))`)
	if a := s.Do("POST", "/api/v1/tables/zones?columns=id,a&select=zone,isolation", s.ServiceKey, `[{"id":1},{"id":2,"a":"x"}]`,
		"Prefer", "timezone=Asia/Tokyo, isolation=serializable, missing=default, return=representation"); strings.Count(a.Body, `{"zone":"Asia/Tokyo","isolation":"serializable"}`) != 2 {
		t.Errorf("rows that take several statements: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", rpc+"setting", s.ServiceKey, `{"name":"TimeZone"}`); a.Body == `"Asia/Tokyo"` {
		t.Error("the time zone of one request is left for the next")
	}
	plain := newServer(t)
	if a := plain.Do("GET", todos, "", "", "Prefer", "isolation=serializable"); a.Header.Get("Preference-Applied") != "" {
		t.Errorf("where it is not allowed: %v", a.Header)
	}
}

const preRequestSQL = `
create schema guard; grant usage on schema guard to anonymous, authenticated, service_role;
create table guard.seen (id int generated always as identity, who text, method text, path text, headers json);
grant insert on guard.seen to anonymous, authenticated, service_role;
create function guard."Check"() returns void language plpgsql as $$ declare headers json := current_setting('request.headers')::json; begin
	if headers->>'x-plan' = 'free' then
		raise sqlstate 'PT402' using message = 'Pay first', hint = 'Upgrade';
	end if;
	if current_setting('transaction_read_only') = 'off' then
		insert into guard.seen (who, method, path, headers) values (current_user, current_setting('request.method'), current_setting('request.path'), headers);
	end if;
	perform set_config('response.headers', '[{"X-Checked":"yes"},{"Cache-Control":"no-store"}]', true);
	if headers->>'x-status' is not null then perform set_config('response.status', headers->>'x-status', true); end if;
end $$;`

// TestPreRequest has a function run before everything else, as the caller and
// in the transaction of the request.
func TestPreRequest(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, preRequestSQL)
	db.Exec(t, schemaSQL)
	db.Exec(t, functionsSQL)
	s := servertest.On(t, db, servertest.With("data.pre_request", "guard.Check"))
	p := five(t, s)
	one := todos + "?id=eq.1"
	for _, c := range []struct {
		method, path, body string
		fields             []string
		status             int
		seen               string // the last of what it has written down
	}{
		{"GET", one, "", nil, 200, ""},
		{"PATCH", one, `{"rank":2}`, nil, 204, "authenticated PATCH /todos"},
		{"POST", todos, `{"task":"x"}`, nil, 201, "authenticated POST /todos"},
		{"POST", todos + "?columns=task,done", `[{"task":"x"},{"task":"y","done":true},{"task":"z"}]`, []string{"Prefer", "missing=default"}, 201, "authenticated POST /todos"},
		{"POST", todos + "?columns=task,done", `[{"task":"free"},{"task":"free","done":true}]`, []string{"Prefer", "missing=default", "X-Plan", "free"}, 402, ""},
		{"POST", rpc + "write", `{"task":"x"}`, nil, 200, "authenticated POST /rpc/write"},
		{"PATCH", one, `{"rank":2}`, []string{"X-Status", "202"}, 202, "authenticated PATCH /todos"},
		{"GET", one, "", []string{"X-Status", "203"}, 203, ""},
		{"GET", one, "", []string{"X-Status", "204"}, 204, ""},
		{"GET", one, "", []string{"X-Plan", "free"}, 402, ""},
		{"DELETE", one, "", []string{"X-Plan", "free"}, 402, ""},
		{"POST", rpc + "write", `{"task":"free"}`, []string{"X-Plan", "free"}, 402, ""},
		{"PATCH", one, `{"id":"no number"}`, nil, 400, ""},
	} {
		s.DB.Exec(t, `truncate guard.seen`)
		a := s.Do(c.method, c.path, p.Access, c.body, append(c.fields, "apikey", s.ClientKey, "X-Odd", "a\xffb")...)
		if a.Status != c.status {
			t.Errorf("%s %s %q: %d %s", c.method, c.path, c.fields, a.Status, a.Body)
		}
		if ok := a.Status < 300; ok && (a.Header.Get("X-Checked") != "yes" || fmt.Sprint(a.Header["Cache-Control"]) != "[no-store]") {
			t.Errorf("%s %s: %v", c.method, c.path, a.Header)
		}
		if c.status == 402 && (a.Code() != "PT402" || !strings.Contains(a.Body, "Pay first")) {
			t.Errorf("%s %s: %s", c.method, c.path, a.Body)
		}
		var seen, headers string
		s.DB.Scan(t, `select coalesce(string_agg(concat_ws(' ', who, method, path), ','), ''), coalesce(max(headers::text), '') from guard.seen`, nil, &seen, &headers)
		if seen != c.seen {
			t.Errorf("%s %s: seen %q, want %q", c.method, c.path, seen, c.seen)
		}
		if low := strings.ToLower(headers); strings.Contains(headers, p.Access) || strings.Contains(headers, s.ClientKey) || strings.Contains(low, "authorization") || seen != "" && !strings.Contains(low, `"x-odd":"a?b"`) {
			t.Errorf("headers: %s", headers)
		}
	}
	if a := s.Do("GET", todos, p.Access, ""); !strings.Contains(a.Body, `"id":1`) || strings.Contains(a.Body, "free") {
		t.Errorf("what was refused was done: %s", a.Body)
	}
}

// TestPreRequestIsThere: a server whose requests nobody would look at does not
// start.
func TestPreRequestIsThere(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, preRequestSQL)
	db.Exec(t, `create function guard.closed() returns void language sql as 'select'; revoke execute on function guard.closed() from public, anonymous;
		create function guard.taking(a int) returns void language sql as 'select'`)
	for name, want := range map[string]string{
		"guard.missing": "there is no function", "guard.taking": "there is no function", "guard.check": "there is no function",
		"guard.closed": "anonymous", "guard.Check": "",
	} {
		c := servertest.Config(t, db, servertest.With("data.pre_request", name))
		_, err := server.New(context.Background(), c, db.OwnerURL, slog.New(slog.DiscardHandler))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		said := ""
		for _, f := range server.Diagnose(t.Context(), c, db.OwnerURL, true) {
			if f.Subject == "data API" {
				said = f.Detail
			}
		}
		if (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: the doctor says %q", name, said)
		}
	}
}

// TestLimits gives each role limits of its own.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.max_rows", "4"),
		servertest.With("data.limits.anonymous.max_rows", "1"), servertest.With("data.limits.service_role.max_rows", "6"),
		servertest.With("data.limits.authenticated.max_cost", "200"), servertest.With("data.limits.service_role.max_cost", "1000"), servertest.With("data.limits.anonymous.statement_timeout", "100ms"))
	p := five(t, s)
	s.DB.Exec(t, `create policy everybody on public.todos for select to anonymous using (true);
		create table public.big as select n from generate_series(1, 100000) n; alter table public.big enable row level security;
		create policy everybody on public.big using (true); create index on public.big (n); analyze public.big;
		create function public.nap(seconds float) returns void language sql volatile as 'select pg_sleep(seconds)'`)
	for bearer, want := range map[string]string{"": "0-0/*", p.Access: "0-3/*", s.ServiceKey: "0-5/*"} {
		if a := s.Do("GET", todos+"?limit=7", bearer, ""); a.Status != 200 || a.Header.Get("Content-Range") != want {
			t.Errorf("rows: %d %s, want %s: %s", a.Status, a.Header.Get("Content-Range"), want, a.Body)
		}
	}
	const big = "/api/v1/tables/big"
	for _, c := range []struct {
		method, query, body, bearer string
		status                      int
	}{
		{"GET", "?n=eq.7", "", p.Access, 200},
		{"GET", "?limit=1&order=n", "", p.Access, 200},
		{"GET", "?order=n.desc.nullslast&n=neq.4", "", p.Access, 400},
		{"GET", "?n=neq.4", "", s.ServiceKey, 200},
		{"DELETE", "?n=neq.4", "", p.Access, 400},
		{"DELETE", "?n=eq.4", "", p.Access, 204},
		{"PATCH", "?n=neq.4", `{"n":1}`, p.Access, 400},
	} {
		a := s.Do(c.method, big+c.query, c.bearer, c.body)
		if a.Status != c.status || c.status == 400 && a.Code() != "cost_limit" {
			t.Errorf("%s %s: %d %s", c.method, c.query, a.Status, a.Body)
		}
	}
	if a := s.Do("GET", big+"?order=n.desc.nullslast&n=neq.4", p.Access, ""); strings.Contains(a.Body, "a cost of") || !strings.Contains(a.Body, "200") {
		t.Errorf("what the planner expects of all rows is told to people: %s", a.Body)
	}
	if a := s.Do("DELETE", big+"?n=neq.4", s.ServiceKey, ""); a.Code() != "cost_limit" || !strings.Contains(a.Body, "a cost of") {
		t.Errorf("control: the service is told: %d %s", a.Status, a.Body)
	}
	var left int
	if s.DB.Scan(t, `select count(*) from public.big`, nil, &left); left != 99999 {
		t.Errorf("%d rows are left", left)
	}
	if a := s.Do("GET", big+"?n=eq.x", p.Access, ""); a.Status != 400 || a.Code() != "22P02" || !strings.Contains(a.Body, "column n") {
		t.Errorf("a mistake: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", rpc+"nap", "", `{"seconds":30}`); a.Status != 504 {
		t.Errorf("nobody naps: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", rpc+"nap", s.ServiceKey, `{"seconds":0.3}`); a.Status != 204 {
		t.Errorf("control: the service naps: %d %s", a.Status, a.Body)
	}
}
