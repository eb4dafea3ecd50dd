package dataapi_test

import (
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const rpc = "/api/v1/rpc/"

const functionsSQL = `
create type public.pair as (x int, y text);
create function public.add(a int, b int default 10) returns int language sql immutable as 'select a + b';
create function public.nothing() returns void language sql stable as 'select';
create function public.null_text() returns text language sql stable as 'select null::text';
create function public.numbers(n int) returns setof int language sql immutable as 'select generate_series(1, n)';
create function public.pairs() returns table (x int, y text) language sql stable as 'values (1, ''one''), (2, ''two''), (3, null)';
create function public.one_pair(x int) returns public.pair language sql stable as 'select x, ''p''::text';
create function public.out_one(a int, out b int) language sql stable as 'select a * 2';
create function public.my_todos(like_ text default '%') returns setof public.todos language sql stable as 'select * from public.todos where task like like_';
create function public.sum(variadic n int[]) returns bigint language sql immutable as 'select sum(v) from unnest(n) v';
create function public.list(a int default 1, b int default 2, variadic n int[] default '{9}') returns text language sql immutable as 'select concat_ws('','', a, b, n::text)';
create function public.total(n int[]) returns bigint language sql immutable as 'select sum(v) from unnest(n) v';
create function public.whole(json) returns json language sql stable as 'select $1';
create function public.echo(text) returns text language sql stable as 'select $1';
create function public.size(bytea) returns int language sql stable as 'select length($1)';
create function public.over(a int) returns text language sql stable as 'select ''a''';
create function public.over(a int, b int) returns text language sql stable as 'select ''ab''';
create function public.over(c text, d int default 1) returns text language sql stable as 'select ''c''';
create function public.twins(a int) returns text language sql stable as 'select ''int''';
create function public.twins(a text) returns text language sql stable as 'select ''text''';
create function public.write(task text) returns int language sql volatile as 'insert into public.todos (task) values (task) returning id';
create function public.liar(task text) returns int language plpgsql stable as $$ begin
	return public.write(task); end $$;
create function public.who() returns text language sql stable as 'select current_user || '' '' || coalesce(auth.uid()::text, ''-'')';
create function public.refused() returns int language sql stable as 'select 1'; revoke execute on function public.refused() from public, anonymous, authenticated;
create function public.raise() returns int language plpgsql stable as $$ begin raise exception 'no luck' using hint = 'try again', detail = 'dice'; end $$;
create function public.tell(headers text, status text) returns text language plpgsql stable as $$ begin
	perform set_config('response.headers', headers, true), set_config('response.status', status, true); return 'told'; end $$;
create function public.tell_rows(headers text) returns setof int language plpgsql stable as $$ begin
	return next 1; perform set_config('response.headers', headers, true); return next 2; end $$;
create function public."Odd; name"("a ""b""; --" int) returns int language sql stable as 'select $1';
create schema hidden; create function hidden.secret() returns int language sql as 'select 1';
create function public.trig() returns trigger language plpgsql as 'begin return new; end';
create procedure public.proc() language sql as 'select';`

func newCaller(t *testing.T) *servertest.Server {
	t.Helper()
	s := newServer(t)
	s.DB.Exec(t, functionsSQL)
	return s
}

func compact(body string) string { return strings.NewReplacer("\n", "", " ", "").Replace(body) }

func TestCalls(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	p := s.SignUp()
	for _, task := range []string{"a1", "a2", "b1"} {
		s.Do("POST", todos, p.Access, `{"task":"`+task+`"}`)
	}
	for _, c := range []struct {
		method, call, body string
		status             int
		want               string
	}{
		{"POST", "add", `{"a":1,"b":2}`, 200, `3`},
		{"POST", "add", `{"a":1}`, 200, `11`},
		{"POST", "add", `{"b":null,"a":1}`, 200, `null`},
		{"GET", "add?a=1&b=2", ``, 200, `3`},
		{"GET", "add?a=-5", ``, 200, `5`},
		{"HEAD", "add?a=1", ``, 200, ``},
		{"POST", "add?columns=a", `{"a":1,"b":2}`, 200, `11`},
		{"POST", "nothing", ``, 204, ``},
		{"GET", "nothing", ``, 204, ``},
		{"POST", "list", `{}`, 200, `"1,2,{9}"`},
		{"POST", "list", `{"a":5}`, 200, `"5,2,{9}"`},
		{"GET", "list?a=5&b=6", ``, 200, `"5,6,{9}"`},
		{"GET", "list?a=5&b=6&n=7&n=8", ``, 200, `"5,6,{7,8}"`},
		{"POST", "null_text", `{}`, 200, `null`},
		{"GET", "numbers?n=3", ``, 200, `[1,2,3]`},
		{"GET", "numbers?n=9&limit=2&offset=3", ``, 200, `[4,5]`},
		{"POST", "numbers?limit=1", `{"n":5}`, 200, `[1]`},
		{"GET", "numbers?n=0", ``, 200, `[]`},
		{"GET", "pairs", ``, 200, `[{"x":1,"y":"one"},{"x":2,"y":"two"},{"x":3,"y":null}]`},
		{"GET", "pairs?select=z:y&x=gt.1&order=x.desc&limit=2", ``, 200, `[{"z":null},{"z":"two"}]`},
		{"POST", "pairs?or=(x.eq.1,y.is.null)&select=x", `{}`, 200, `[{"x":1},{"x":3}]`},
		{"GET", "one_pair?x=7", ``, 200, `{"x":7,"y":"p"}`},
		{"GET", "one_pair?x=7&select=y", ``, 200, `{"y":"p"}`},
		{"POST", "out_one", `{"a":2}`, 200, `{"b":4}`},
		{"GET", "my_todos?select=task&order=task", ``, 200, `[{"task":"a1"},{"task":"a2"},{"task":"b1"}]`},
		{"GET", "my_todos?like_=a%25&select=task&task=neq.a2", ``, 200, `[{"task":"a1"}]`},
		{"POST", "my_todos?select=task&task=eq.b1", `{"like_":"%"}`, 200, `[{"task":"b1"}]`},
		{"GET", "sum?n=1&n=2&n=3", ``, 200, `6`},
		{"GET", "sum?n=4", ``, 200, `4`},
		{"GET", "sum", ``, 200, `null`},
		{"POST", "sum", `{"n":[1,2,3]}`, 200, `6`},
		{"GET", "total?n={1,2}", ``, 200, `3`},
		{"POST", "total", `{"n":[5,6]}`, 200, `11`},
		{"POST", "whole", `{"a":[1]}`, 200, `{"a":[1]}`},
		{"POST", "whole", `[1,2]`, 200, `[1,2]`},
		{"POST", "whole", `"text"`, 200, `"text"`},
		{"GET", "over?a=1", ``, 200, `"a"`},
		{"GET", "over?a=1&b=2", ``, 200, `"ab"`},
		{"POST", "over", `{"c":"x"}`, 200, `"c"`},
		{"POST", "write", `{"task":"written"}`, 200, `4`},
		{"POST", "who", `{}`, 200, `"authenticated` + p.ID + `"`},
		{"POST", "Odd;%20name", `{"a \"b\"; --":3}`, 200, `3`},
		{"GET", "Odd;%20name?a+%22b%22%3B+--=4", ``, 200, `4`},
	} {
		a := s.Do(c.method, rpc+c.call, p.Access, c.body)
		if a.Status != c.status || compact(a.Body) != c.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.call, c.body, a.Status, a.Body, c.status, c.want)
		}
	}
	for media, want := range map[string]string{"text/plain": `"a{b"`, "text/plain; charset=utf-8": `"a{b"`} {
		if a := s.Do("POST", rpc+"echo", p.Access, "a{b", "Content-Type", media); a.Status != 200 || a.Body != want {
			t.Errorf("%s: %d %s", media, a.Status, a.Body)
		}
	}
	if a := s.Do("POST", rpc+"size", p.Access, "\x00\xff\\", "Content-Type", "application/octet-stream"); a.Status != 200 || a.Body != "3" {
		t.Errorf("bytes: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", rpc+"numbers?n=9&limit=2&offset=3", p.Access, ""); a.Header.Get("Content-Range") != "3-4/*" {
		t.Errorf("%v", a.Header)
	}
	if a := s.Do("POST", rpc+"who", "", "{}"); a.Body != `"anonymous -"` {
		t.Errorf("nobody is %s", a.Body)
	}
}

// TestCallsSeeWhatTheirCallerSees runs a function over somebody else's rows.
func TestCallsSeeWhatTheirCallerSees(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	alice, bob := s.SignUp(), s.SignUp()
	s.Do("POST", rpc+"write", alice.Access, `{"task":"alice's"}`)
	for bearer, want := range map[string]string{alice.Access: `[{"task":"alice's"}]`, bob.Access: `[]`, "": `[]`, s.ServiceKey: `[{"task":"alice's"}]`} {
		if a := s.Do("GET", rpc+"my_todos?select=task", bearer, ""); a.Status != 200 || a.Body != want {
			t.Errorf("%d %s, want %s", a.Status, a.Body, want)
		}
	}
}

func TestCallsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	p := s.SignUp()
	for _, c := range []struct {
		method, call, body string
		status             int
		code, says         string
	}{
		{"POST", "adds", `{"a":1}`, 404, "PGRST202", "public.add"},
		{"POST", "list", `{"b":6}`, 404, "42883", "public.list"}, // which PostgreSQL has no way to call
		{"POST", "entirely_unknown", `{}`, 404, "PGRST202", "without parameters"},
		{"POST", "add", `{"nope":1}`, 404, "PGRST202", "public.add(a =\\u003e integer, b =\\u003e integer)"},
		{"POST", "add", `{}`, 404, "PGRST202", "public.add"},
		{"POST", "add", `{"a":1,"b":2,"c":3}`, 404, "PGRST202", "a, b, c"},
		{"GET", "add?a=1&c=3", ``, 404, "PGRST202", "a, c"},
		{"POST", "add", `[1]`, 404, "PGRST202", ""},
		{"POST", "add", `{"a":1,"a":2}`, 400, "PGRST102", "twice"},
		{"POST", "add", `{"a":`, 400, "PGRST102", ""},
		{"POST", "add", `{"a":"x"}`, 400, "22P02", "integer"},
		{"GET", "add?a=x", ``, 400, "22P02", "integer"},
		{"GET", "add?a=%00", ``, 400, "PGRST100", ""},
		{"GET", "add?a=%zz", ``, 400, "PGRST100", ""},
		{"GET", "add?a=1&select=nope", ``, 400, "42703", "nope"},
		{"GET", "add?a=1&nope=eq.1", ``, 400, "42703", "nope"},
		{"GET", "add?a=1&or=(x.eq.1,y.eq.2)", ``, 400, "42703", "x"},
		{"GET", "pairs?nope=eq.1", ``, 400, "42703", "nope"},
		{"GET", "pairs?order=nope", ``, 400, "42703", "nope"},
		{"POST", "pairs?x=eq.a", `{}`, 400, "22P02", ""},
		{"POST", "twins", `{"a":1}`, 300, "PGRST203", "public.twins(a =\\u003e integer), public.twins(a =\\u003e text)"},
		{"GET", "twins?a=1", ``, 300, "PGRST203", ""},
		{"GET", "write?task=x", ``, 405, "PGRST101", "stable"},
		{"POST", "liar", `{"task":"x"}`, 405, "25006", "read-only"},
		{"GET", "liar?task=x", ``, 405, "25006", "read-only"},
		{"PATCH", "add", `{"a":1}`, 405, "PGRST101", "POST"},
		{"PUT", "add", `{"a":1}`, 405, "PGRST101", "POST"},
		{"DELETE", "add", ``, 405, "PGRST101", "POST"},
		{"POST", "refused", `{}`, 403, "42501", "refused"},
		{"POST", "raise", `{}`, 400, "P0001", "try again"},
		{"POST", "trig", `{}`, 404, "PGRST202", ""},
		{"POST", "proc", `{}`, 404, "PGRST202", ""},
		{"POST", "secret", `{}`, 404, "PGRST202", ""},
		{"POST", "hidden.secret", `{}`, 404, "PGRST202", ""},
		{"POST", "pg_sleep", `{}`, 404, "PGRST202", ""},
		{"POST", "version", `{}`, 404, "PGRST202", ""},
		{"POST", "uid", `{}`, 404, "PGRST202", ""},
	} {
		a := s.Do(c.method, rpc+c.call, p.Access, c.body)
		if a.Status != c.status || a.Code() != c.code || !strings.Contains(strings.ReplaceAll(a.Body, ">", `\u003e`), c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.call, c.body, a.Status, a.Body)
		}
	}
	if a := s.Do("POST", rpc+"refused", "", `{}`); a.Status != 401 || a.Code() != "42501" {
		t.Errorf("nobody: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", rpc+"echo", p.Access, "\xff", "Content-Type", "text/plain"); a.Status != 400 || a.Code() != "PGRST102" {
		t.Errorf("not UTF-8: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", rpc+"add", p.Access, "1", "Content-Type", "text/plain"); a.Status != 404 || a.Code() != "PGRST202" {
		t.Errorf("text to a function of numbers: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", rpc+"add", p.Access, "<a/>", "Content-Type", "text/html"); a.Status != 415 {
		t.Errorf("HTML: %d %s", a.Status, a.Body)
	}
	var n int
	if s.DB.Scan(t, "select count(*) from public.todos", nil, &n); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

func TestFunctionsAnswerWithFieldsAndStatus(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	p := s.SignUp()
	tell := func(headers, status string) servertest.Answer {
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
		return s.Do("POST", rpc+"tell", p.Access, `{"headers":"`+quote.Replace(headers)+`","status":"`+status+`"}`)
	}
	a := tell(`[{"X-One":"1"},{"Cache-Control":"max-age=5"},{"X-One":"2"}]`, "418")
	if a.Status != 418 || a.Body != `"told"` || strings.Join(a.Header["X-One"], ",") != "1,2" || a.Header.Get("Cache-Control") == "" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := tell("", "204"); a.Status != 204 || a.Body != "" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := tell("", ""); a.Status != 200 || a.Header.Get("X-One") != "" {
		t.Errorf("what one call has set lives on in another: %d %v", a.Status, a.Header)
	}
	if a := s.Do("GET", rpc+`tell_rows?headers=[{"X-Rows":"2"}]`, p.Access, ""); a.Status != 200 || a.Header.Get("X-Rows") != "2" || a.Body != "[1, 2]" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	for _, headers := range []string{
		`{"X-One":"1"}`, `[{"X-One":1}]`, `[{"X-One":"1","X-Two":"2"}]`, `[1]`, `x`, `[{}]`, `[{"X One":"1"}]`, `[{"X-One":"1\r\nX-Two: 2"}]`,
		`[{"Content-Length":"1"}]`, `[{"transfer-ENCODING":"chunked"}]`, `[{"Content-Type":"text/html"}]`, `[{"Access-Control-Allow-Origin":"*"}]`,
	} {
		if a := tell(headers, ""); a.Status != 500 || a.Code() != "PGRST111" || a.Header.Get("X-Two") != "" {
			t.Errorf("%s: %d %v %s", headers, a.Status, a.Header, a.Body)
		}
	}
	for _, status := range []string{"x", "99", "101", "600", "-200", "200.5"} {
		if a := tell("", status); a.Status != 500 || a.Code() != "PGRST112" {
			t.Errorf("%s: %d %s", status, a.Status, a.Body)
		}
	}
}

// TestCallsInTheShapeAskedFor asks where PostgREST's clients look, for one row,
// for no answer, and for another schema.
func TestCallsInTheShapeAskedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t, servertest.With("data.schemas", "public,shop"))
	s.DB.Exec(t, functionsSQL+`; create schema shop; grant usage on schema shop to authenticated, fluxbase_user;
		create function shop.only() returns text language sql stable as $$ select 'shop' $$;
		create function public.plant(n int) returns setof public.todos language sql volatile as
			$$ insert into public.todos (task) select 'x' from generate_series(1, n) returning * $$`)
	p := s.SignUp()
	const one = "application/vnd.pgrst.object+json"
	for _, c := range []struct {
		method, path, body string
		fields             []string
		status             int
		want               string
	}{
		{"POST", "/rest/v1/rpc/add", `{"a":1}`, nil, 200, `11`},
		{"GET", "/rest/v1/rpc/numbers?n=2", ``, nil, 200, `[1,2]`},
		{"GET", rpc + "pairs?x=eq.2", ``, []string{"Accept", one}, 200, `{"x":2,"y":"two"}`},
		{"GET", rpc + "one_pair?x=2", ``, []string{"Accept", one}, 200, `{"x":2,"y":"p"}`},
		{"GET", rpc + "pairs", ``, []string{"Accept", one}, 406, `PGRST116`},
		{"POST", rpc + "plant", `{"n":2}`, []string{"Accept", one}, 406, `PGRST116`},
		{"POST", rpc + "plant?select=task", `{"n":1}`, []string{"Accept", one}, 200, `{"task":"x"}`},
		{"GET", rpc + "pairs", ``, []string{"Accept", "image/png"}, 406, `PGRST107`},
		{"GET", rpc + "pairs", ``, []string{"Accept", "text/csv"}, 200, `x,y1,one2,two3,`},
		{"GET", rpc + "numbers?n=2", ``, []string{"Accept", "text/csv"}, 200, `numbers12`},
		{"POST", rpc + "add", `{"a":1}`, []string{"Accept", "text/csv"}, 200, `add11`},
		{"GET", rpc + "pairs?x=eq.3", ``, []string{"Accept", "application/vnd.pgrst.array+json;nulls=stripped"}, 200, `[{"x":3}]`},
		{"GET", rpc + "numbers?n=3&limit=1", ``, []string{"Prefer", "count=exact"}, 206, `[1]`},
		{"POST", rpc + "add", `{"a":1}`, []string{"Prefer", "handling=strict, max-affected=1"}, 400, `PGRST128`},
		{"POST", rpc + "plant", `{"n":2}`, []string{"Prefer", "handling=strict, max-affected=1"}, 400, `PGRST124`},
		{"POST", rpc + "add", `{"a":1}`, []string{"Prefer", "return=minimal"}, 204, ``},
		{"GET", rpc + "only", ``, []string{"Accept-Profile", "shop"}, 200, `"shop"`},
		{"POST", rpc + "only", `{}`, []string{"Content-Profile", "shop"}, 200, `"shop"`},
		{"GET", rpc + "only", ``, nil, 404, `PGRST202`},
		{"GET", rpc + "add?a=1", ``, []string{"Accept-Profile", "shop"}, 404, `PGRST202`},
		{"GET", rpc + "uid", ``, []string{"Accept-Profile", "auth"}, 406, `PGRST106`},
	} {
		a := s.Do(c.method, c.path, p.Access, c.body, c.fields...)
		got := compact(a.Body)
		if c.status >= 400 {
			got = a.Code()
		}
		if a.Status != c.status || got != c.want {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.fields, a.Status, a.Body)
		}
	}
	var n int
	if s.DB.Scan(t, "select count(*) from public.todos", nil, &n); n != 1 {
		t.Errorf("%d rows: what was refused has been written", n)
	}
}

// TestCallsThatAreUndone calls a function that writes where everything is to be
// undone, or is so for one call.
func TestCallsThatAreUndone(t *testing.T) {
	t.Parallel()
	for config, fields := range map[string][]string{"rollback": nil, "commit-allow-override": {"Prefer", "tx=rollback"}} {
		s := newServer(t, servertest.With("data.tx_end", config))
		s.DB.Exec(t, functionsSQL)
		p := s.SignUp()
		var n int
		if a := s.Do("POST", rpc+"write", p.Access, `{"task":"undone"}`, fields...); a.Status != 200 || a.Body != "1" || fields != nil && a.Header.Get("Preference-Applied") != "tx=rollback" {
			t.Errorf("%s: %d %v %s", config, a.Status, a.Header, a.Body)
		}
		if s.DB.Scan(t, "select count(*) from public.todos", nil, &n); n != 0 {
			t.Errorf("%s: %d rows", config, n)
		}
		if fields != nil {
			s.Do("POST", rpc+"write", p.Access, `{"task":"done"}`)
			if s.DB.Scan(t, "select count(*) from public.todos", nil, &n); n != 1 {
				t.Errorf("the positive control: %d rows", n)
			}
		}
	}
}

// TestPagesOfCalls: a read of a function's rows takes Range, and has no page
// beyond the last row.
func TestPagesOfCalls(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	for _, c := range []struct {
		method, call, body, ranged, prefer string
		status                             int
		pages, want                        string
	}{
		{"GET", "pairs?select=x", "", "1-1", "", 200, "1-1/*", `[{"x":2}]`},
		{"GET", "pairs?select=x&limit=2", "", "1-5", "count=exact", 206, "1-1/3", `[{"x":2}]`},
		{"GET", "numbers?n=5", "", "3-", "count=exact", 206, "3-4/5", `[4,5]`},
		{"GET", "numbers?n=5", "", "5-", "count=exact", 206, "*/5", `[]`},
		{"GET", "numbers?n=5", "", "6-", "count=exact", 416, "*/5", "PGRST103"},
		{"GET", "pairs?offset=4", "", "", "count=exact", 416, "*/3", "PGRST103"},
		{"GET", "pairs?offset=4", "", "", "", 200, "*/*", `[]`},
		{"GET", "pairs", "", "4-3", "", 416, "", "PGRST103"},
		{"GET", "add?a=1", "", "1-1", "", 200, "", `11`},                               // one value is no page
		{"POST", "pairs?select=x&limit=1", "{}", "1-1", "", 200, "0-0/*", `[{"x":1}]`}, // Range is for GET
		{"POST", "pairs?offset=4", "{}", "", "count=exact", 206, "*/3", `[]`},          // has been done
	} {
		fields := []string{"Prefer", c.prefer}
		if c.ranged != "" {
			fields = append(fields, "Range", c.ranged)
		}
		a := s.Do(c.method, rpc+c.call, s.ServiceKey, c.body, fields...)
		if a.Status != c.status || a.Header.Get("Content-Range") != c.pages || compact(a.Body) != c.want && a.Code() != c.want {
			t.Errorf("%s %s %s: %d %q %s", c.method, c.call, c.ranged, a.Status, a.Header.Get("Content-Range"), a.Body)
		}
	}
}

// TestAnswersOfOthers: a function that sets fields and status for its session,
// and not for its transaction, decides about no other answer.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	s := newCaller(t)
	alice, bob := s.SignUp(), s.SignUp()
	s.DB.Exec(t, `create function public.careless() returns text language plpgsql as $$ begin
		perform set_config('response.headers', '[{"Set-Cookie":"alice=1"}]', false), set_config('response.status', '202', false);
		return current_setting('response.status'); end $$`)
	for range 4 {
		if a := s.Do("POST", rpc+"careless", alice.Access, "{}"); a.Status != 202 || a.Header.Get("Set-Cookie") == "" {
			t.Errorf("control: %d %v", a.Status, a.Header)
		}
		if a := s.Do("POST", rpc+"who", bob.Access, "{}"); a.Status != 200 || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("Bob gets %d %q", a.Status, a.Header.Get("Set-Cookie"))
		}
	}
}
