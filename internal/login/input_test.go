package login_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// route is one that takes a body: valid is one that it reads to its end, and
// open that it answers such a one even if somebody sends nonsense in its texts.
type route struct {
	method, path string
	signedIn     bool
	fields       []string // texts
}

var routes = []route{
	{"POST", "/signup", false, []string{"email", "password", "redirect_to"}},
	{"POST", "/signin", false, []string{"email", "password"}},
	{"POST", "/2fa/verify", false, []string{"mfa_token", "code"}},
	{"POST", "/refresh", false, []string{"refresh_token"}},
	{"POST", "/magiclink", false, []string{"email", "redirect_to"}},
	{"POST", "/magiclink/verify", false, []string{"token", "email", "code", "flow_id"}},
	{"POST", "/verify-email", false, []string{"token", "email", "code", "flow_id"}},
	{"POST", "/verify-email/resend", false, []string{"email"}},
	{"POST", "/password/reset", false, []string{"email", "redirect_to"}},
	{"POST", "/password/reset/confirm", false, []string{"token", "email", "code", "password"}},
	{"POST", "/flow", false, []string{"flow_id"}},
	{"POST", "/anonymous/convert", true, []string{"email", "password"}},
	{"PUT", "/user/email", true, []string{"email", "password", "redirect_to"}},
	{"PUT", "/user/password", true, []string{"current_password", "new_password"}},
	{"DELETE", "/user", true, []string{"password", "code"}},
	{"POST", "/reauthenticate", true, []string{"password", "code"}},
	{"POST", "/2fa/enroll", true, []string{"name"}},
	{"POST", "/2fa/enroll/verify", true, []string{"code", "id"}},
	{"POST", "/2fa/disable", true, []string{"password", "code", "id"}},
	{"POST", "/2fa/recovery-codes", true, []string{"password", "code"}},
	{"POST", "/api-keys", true, []string{"name"}},
	{"POST", "/signout", true, []string{"scope"}},
}

// TestBadInput sends each route what it does not take: 4xx, with a pointer where
// a part of the body is to blame, and never a failure of ours.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, r := range routes {
		bearer := ""
		again := func() { // some of it ends the session
			if p := s.SignUp(); r.signedIn {
				bearer = p.Access
			}
		}
		again()
		send := func(body string, fields ...string) servertest.Answer {
			return s.Do(r.method, base+r.path, bearer, body, fields...)
		}
		refused := func(what, body, pointer string) {
			t.Helper()
			a := send(body)
			var problem struct{ Errors []struct{ Pointer string } }
			_ = json.Unmarshal([]byte(a.Body), &problem)
			if a.Status != 400 || pointer != "" && (len(problem.Errors) != 1 || problem.Errors[0].Pointer != pointer) || len(a.Body) > 2000 {
				t.Errorf("%s %s: %s: %d %.300s", r.method, r.path, what, a.Status, a.Body)
			}
		}
		for what, body := range map[string]string{"not JSON": `{`, "an array": `[]`, "null": `null`, "a text": `"x"`, "two objects": `{}{}`} {
			refused(what, body, "")
		}
		refused("unknown key", `{"role":"service_role"}`, "/role")
		refused("invalid UTF-8", "{\"x\":\"\xff\"}", "")
		refused("half a surrogate", `{"`+r.fields[0]+`":"\ud800"}`, "")
		refused("deep", `{"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`, "")
		for _, field := range r.fields {
			for what, value := range map[string]string{"a number": `1`, "an object": `{}`, "an array": `["x"]`, "true": `true`} {
				refused(field+" is "+what, `{"`+field+`":`+value+`}`, "/"+field)
			}
			refused(field+" in capitals", `{"`+strings.ToUpper(field[:1])+field[1:]+`":"x"}`, "/"+strings.ToUpper(field[:1])+field[1:])
			refused(field+" twice", `{"`+field+`":"x","`+field+`":"x"}`, "/"+field)
			for what, value := range map[string]string{"NUL": `x\u0000y`, "100 KiB": strings.Repeat("x", 100<<10), "control characters": `\u0001\r\nX: y`, "empty": ``, "quotes": `'\";--`} {
				a := send(`{"` + field + `":"` + value + `"}`)
				if r.method+r.path+field+what == "DELETE/userpasswordempty" || r.method+r.path+field+what == "DELETE/usercodeempty" {
					again() // that was a request without a proof, of a fresh session
					continue
				}
				if a.Status >= 500 || len(a.Body) > 3000 || strings.Contains(a.Body, "xxxxxxxxxxxxxxxx") {
					t.Errorf("%s %s: %s is %s: %d %.300s", r.method, r.path, field, what, a.Status, a.Body)
				}
				if what != "empty" && what != "quotes" && a.Status < 400 && field != "name" {
					t.Errorf("%s %s: %s is %s: %d %.300s", r.method, r.path, field, what, a.Status, a.Body)
				}
			}
			if r.path == "/signout" {
				again()
			}
		}
		if a := send(strings.Repeat(" ", 1<<20) + "{}"); a.Status != 413 {
			t.Errorf("%s %s: more than 1 MiB: %d", r.method, r.path, a.Status)
		}
		if a := send(`{}`, "Content-Type", "text/plain"); a.Status != 415 {
			t.Errorf("%s %s: as text: %d", r.method, r.path, a.Status)
		}
		if r.signedIn {
			if a := s.Do(r.method, base+r.path, "", `{}`); a.Status != 401 {
				t.Errorf("%s %s: nobody: %d", r.method, r.path, a.Status)
			}
		}
	}
	if strings.Contains(s.LogText(), "request failed") {
		i := strings.Index(s.LogText(), "request failed")
		t.Errorf("something failed: %.500s", s.LogText()[i:])
	}
}

// TestBadFields sends header fields that are no text.
func TestBadFields(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, fields := range map[string][]string{
		"user agent": {"User-Agent", "\xff\xfe Firefox/\x80 Linux"},
		"language":   {"Accept-Language", "\xff\xfe, de;q=\x80"},
		"long":       {"User-Agent", strings.Repeat("ä", 4<<10), "Accept-Language", strings.Repeat("de,", 4<<10)},
	} {
		want(t, s.Do("POST", base+"/magiclink", "", j("email", strings.ReplaceAll(name, " ", "")+"@example.com"), fields...), 202, "")
		mailed(t, s, strings.ReplaceAll(name, " ", "")+"@example.com", 1)
	}
}

// TestEveryRouteHasBadInput: the table above knows each route with a body.
func TestEveryRouteHasBadInput(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var described struct {
		Paths map[string]map[string]struct {
			RequestBody any `json:"requestBody"`
		}
	}
	s.Do("GET", "/api/v1/openapi.json", "", "").JSON(t, &described)
	tested := map[string]bool{"POST /anonymous": true, "PATCH /user": true} // whose one field is an object
	for _, r := range routes {
		tested[r.method+" "+r.path] = true
	}
	found := 0
	for path, methods := range described.Paths {
		for method, operation := range methods {
			if name, ok := strings.CutPrefix(path, base); ok && operation.RequestBody != nil {
				found++
				if !tested[strings.ToUpper(method)+" "+name] {
					t.Errorf("%s %s is not tested with bad input", method, path)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("%d routes with a body", found)
	}
}
