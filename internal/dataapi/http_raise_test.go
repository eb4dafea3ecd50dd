package dataapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const raisingSQL = `
create function public.fail(state text, message text default 'said', detail text default '') returns int language plpgsql volatile as $$ begin
	raise exception using errcode = state, message = message, detail = detail; end $$;
create table public.raising (id int primary key, state text, message text, detail text); alter table public.raising enable row level security;
create policy everybody on public.raising using (true); 
create function public.raise_it() returns trigger language plpgsql as $$ begin
	if new.state = 'tell' then
		perform set_config('response.headers', new.message, true), set_config('response.status', new.detail, true);
		return new;
	end if;
	raise exception using errcode = new.state, message = new.message, detail = new.detail; end $$;
create trigger raise_it before insert on public.raising for each row when (new.id < 100) execute function public.raise_it();
create trigger raise_after after insert on public.raising for each row when (new.id >= 100) execute function public.raise_it();`

func newRaiser(t *testing.T, options ...servertest.Option) *servertest.Server {
	t.Helper()
	s := newServer(t, options...)
	s.DB.Exec(t, raisingSQL)
	return s
}

// TestStatuses has PostgreSQL raise every SQLSTATE of PostgREST's table, for
// nobody and for somebody.
func TestStatuses(t *testing.T) {
	t.Parallel()
	s := newRaiser(t)
	p := s.SignUp()
	for state, want := range map[string]int{
		"08000": 503, "08006": 503, "08P01": 503, "09000": 500, "0L000": 403, "0P000": 403,
		"23502": 400, "23503": 409, "23505": 409, "23514": 400, "23P01": 400,
		"25006": 405, "25000": 500, "25P02": 500, "28000": 403, "28P01": 403, "2D000": 500, "38000": 500, "38003": 500, "39000": 500, "3B000": 500,
		"40000": 500, "40001": 409, "40P01": 409, // to be repeated: see docs/data-api.md
		"42501": 403, "42883": 404, "42P01": 404, "42P17": 500, "42601": 400, "42703": 400, "42846": 400,
		"53000": 503, "53100": 503, "53300": 503, "53400": 500, "54000": 500, "54001": 500,
		"55000": 500, "55006": 500, "55P03": 409, "57000": 500, "57014": 504, "57P01": 503, "57P03": 503, "57P04": 500, "58000": 500, "58P01": 500,
		"F0000": 500, "HV000": 500, "P0001": 400, "P0000": 500, "P0002": 500, "P0003": 500, "P0004": 500, "XX000": 500, "XX001": 500,
		"22012": 400, "22P02": 400, "21000": 400, "0A000": 400, "3D000": 503, "3F000": 400, "44000": 400, "ABCDE": 400,
	} {
		for bearer, want := range map[string]int{p.Access: want, "": map[bool]int{true: 401, false: want}[state == "42501"]} {
			a := s.Do("POST", rpc+"fail", bearer, fmt.Sprintf(`{"state":%q}`, state))
			if a.Status != want {
				t.Errorf("%s: %d, want %d: %s", state, a.Status, want, a.Body)
				continue
			}
			told := !strings.Contains("08000 08006 08P01 53000 53100 53300 57000 57P01 57P03 57P04 3D000 58000 58P01 F0000 HV000 XX000 XX001", state)
			if (a.Code() == state) != told || strings.Contains(a.Body, `"said"`) != told {
				t.Errorf("%s is told: %v: %s", state, !told, a.Body)
			}
			challenge := a.Header.Get("WWW-Authenticate")
			if (want == 401) != strings.HasPrefix(challenge, "Bearer") || strings.Contains(challenge, "error=") {
				t.Errorf("%s: a challenge %q", state, challenge)
			}
			conflict := state == "40001" || state == "40P01" || state == "55P03"
			if (a.Header.Get("Retry-After") != "") != (want == 503 || conflict) || strings.Contains(a.Body, "Repeat") != conflict {
				t.Errorf("%s: Retry-After %q: %s", state, a.Header.Get("Retry-After"), a.Body)
			}
			if want := map[bool]string{true: "Fluxbase; error=" + a.Code()}[told]; a.Header.Get("Proxy-Status") != want {
				t.Errorf("%s: Proxy-Status %q, want %q", state, a.Header.Get("Proxy-Status"), want)
			}
		}
	}
	if a := s.Do("GET", "/api/v1/tables/missing", "", ""); a.Header.Get("Proxy-Status") != "Fluxbase; error=PGRST205" {
		t.Errorf("%v", a.Header)
	}
	if a := s.Do("GET", todos, "not.a.token", ""); a.Status != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("a bad token: %d %v", a.Status, a.Header)
	}
}

// TestRaised lets functions and triggers choose status and fields of an error.
func TestRaised(t *testing.T) {
	t.Parallel()
	s := newRaiser(t)
	p := s.SignUp()
	const words = `{"code":"123","message":"Payment Required","details":"Quota exceeded","hint":"Upgrade your plan"}`
	for _, c := range []struct {
		state, message, detail string
		status                 int
		code, says             string
		field, value           string
	}{
		{"PT402", "Pay", "more", 402, "PT402", `"details":"more"`, "", ""},
		{"PT418", "Tea", "", 418, "PT418", `"message":"Tea"`, "", ""},
		{"PT503", "Later", "", 503, "PT503", `"message":"Later"`, "", ""},
		{"PT401", "Who", "", 401, "PT401", `"message":"Who"`, "Www-Authenticate", `Bearer realm="fluxbase"`},
		{"PT200", "Fine", "", 500, "PT200", "no status of an error", "", ""},
		{"PT304", "Same", "", 500, "PT304", "no status of an error", "", ""},
		{"PT600", "Much", "", 500, "PT600", "no status of an error", "", ""},
		{"PTABC", "Odd", "", 500, "PTABC", "no status of an error", "", ""},
		{"PGRST", words, `{"status":402,"headers":{"X-Powered-By":"Nerd Rage"}}`, 402, "123", `"hint":"Upgrade your plan"`, "X-Powered-By", "Nerd Rage"},
		{"PGRST", words, `{"status":302,"headers":{"Location":"https://example.com/pay"}}`, 302, "123", "Quota exceeded", "Location", "https://example.com/pay"},
		{"PGRST", words, `{"status":429,"headers":{"Retry-After":"9"}}`, 429, "123", "Quota exceeded", "Retry-After", "9"},
		{"PGRST", `{"code":"a\nSet-Cookie: b","message":"m"}`, `{"status":400}`, 400, "a\nSet-Cookie: b", `"message":"m"`, "Proxy-Status", ""},
		{"PGRST", `{"code":"1","message":"m"}`, `{"status":400,"headers":{}}`, 400, "1", `"message":"m"`, "", ""},
		{"PGRST", "no JSON", `{"status":402}`, 500, "PGRST121", "MESSAGE is an object", "", ""},
		{"PGRST", words, ``, 500, "PGRST121", "MESSAGE is an object", "", ""},
		{"PGRST", words, `{"status":200}`, 500, "PGRST121", "MESSAGE is an object", "", ""},
		{"PGRST", words, `{"status":402,"headers":{"X-A":"b\r\nX-B: c"}}`, 500, "PGRST121", "", "X-B", ""},
		{"PGRST", words, `{"status":402,"headers":{"X-A: b\r\nX-B":"c"}}`, 500, "PGRST121", "", "X-B", ""},
		{"PGRST", words, `{"status":402,"headers":{"Transfer-Encoding":"chunked"}}`, 500, "PGRST121", "", "Transfer-Encoding", ""},
		{"PGRST", words, `{"status":402,"headers":{"Content-Type":"text/html"}}`, 500, "PGRST121", "", "Content-Type", "application/problem+json"},
		{"PGRST", words, `{"status":402,"headers":{"Access-Control-Allow-Origin":"*"}}`, 500, "PGRST121", "", "Access-Control-Allow-Origin", ""},
	} {
		body := fmt.Sprintf(`{"state":%q,"message":%q,"detail":%q}`, c.state, c.message, c.detail)
		for path, body := range map[string]string{rpc + "fail": body, "/api/v1/tables/raising": `{"id":1,` + body[1:], "/rest/v1/raising": `{"id":101,` + body[1:]} {
			a := s.Do("POST", path, p.Access, body)
			if a.Status != c.status || a.Code() != c.code || !strings.Contains(a.Body, c.says) || c.field != "" && a.Header.Get(c.field) != c.value {
				t.Errorf("%s: %s %s %s: %d %v %s", path, c.state, c.message, c.detail, a.Status, a.Header, a.Body)
			}
		}
	}
	var n int
	if s.DB.Scan(t, `select count(*) from public.raising`, nil, &n); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestOutcomeOfWrites lets triggers choose status and fields of an answer.
func TestOutcomeOfWrites(t *testing.T) {
	t.Parallel()
	s := newRaiser(t)
	p := s.SignUp()
	const path = "/api/v1/tables/raising"
	for i, c := range []struct {
		headers, status string
		want            int
		code            string
		field, value    string
	}{
		{`[{"X-Told":"yes"}]`, "", 201, "", "X-Told", "yes"},
		{`[{"X-Told":"yes"},{"X-Told":"twice"}]`, "202", 202, "", "X-Told", "yes"},
		{`[{"Location":"/elsewhere"}]`, "", 201, "", "Location", "/elsewhere"},
		{``, "204", 204, "", "Content-Type", ""},
		{``, "418", 418, "", "", ""},
		{``, "teapot", 500, "PGRST112", "", ""},
		{``, "99", 500, "PGRST112", "", ""},
		{`{"X-Told":"yes"}`, "", 500, "PGRST111", "X-Told", ""},
		{`[{"X-Told":"yes\r\nX-More: x"}]`, "", 500, "PGRST111", "X-More", ""},
		{`[{"Connection":"close"}]`, "", 500, "PGRST111", "", ""},
		{`[{"Set-Cookie":"a=b","X":"y"}]`, "", 500, "PGRST111", "Set-Cookie", ""},
	} {
		for _, after := range []int{0, 100} { // before and after the row is written
			for n, prefer := range []string{"return=minimal", "return=representation", "return=headers-only"} {
				body := fmt.Sprintf(`{"id":%d,"state":"tell","message":%q,"detail":%q}`, after+1+3*i+n, c.headers, c.status)
				a := s.Do("POST", path, p.Access, body, "Prefer", prefer)
				if a.Status != c.want || c.code != "" && a.Code() != c.code || c.field != "" && a.Header.Get(c.field) != c.value {
					t.Errorf("%s, %s: %d %v %s", prefer, body, a.Status, a.Header, a.Body)
				}
			}
		}
	}
	if a := s.Do("PATCH", path+"?id=eq.1", p.Access, `{"detail":"x"}`); a.Status != 204 || a.Header.Get("X-Told") != "" {
		t.Errorf("what one request was told is left for the next: %d %v", a.Status, a.Header)
	}
}
