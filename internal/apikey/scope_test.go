package apikey_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestScopes asks for everything that there is scope for, with a key of each
// scope alone, of all others, and of those that it takes.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	expect(t, "a row", s.Do("POST", "/api/v1/tables/todos", p.Access, `{"title":"a"}`), 201, "")
	all := []string{"tables:read", "tables:write", "rpc:execute", "realtime", "functions:invoke"}
	keys := map[string]string{}
	key := func(scopes []string) string {
		list := `["` + strings.Join(scopes, `","`) + `"]`
		if keys[list] == "" {
			keys[list] = scoped(t, s, p, list)
		}
		return keys[list]
	}
	representation, headersOnly := []string{"Prefer", "return=representation"}, []string{"Prefer", "return=headers-only"}
	for name, c := range map[string]struct {
		method, path, body string
		fields             []string
		needs              []string
		status             int
	}{
		"read":                    {"GET", "/api/v1/tables/todos", "", nil, []string{"tables:read"}, 200},
		"read, other path":        {"GET", "/rest/v1/todos", "", nil, []string{"tables:read"}, 200},
		"head":                    {"HEAD", "/api/v1/tables/todos", "", nil, []string{"tables:read"}, 200},
		"embedding":               {"GET", "/api/v1/tables/todos?select=id,notes(body)", "", nil, []string{"tables:read"}, 200},
		"insert":                  {"POST", "/api/v1/tables/todos", `{"title":"b"}`, nil, []string{"tables:write"}, 201},
		"insert, other path":      {"POST", "/rest/v1/todos", `{"title":"b"}`, nil, []string{"tables:write"}, 201},
		"insert, keys back":       {"POST", "/api/v1/tables/todos", `{"title":"b"}`, headersOnly, []string{"tables:write"}, 201},
		"insert, rows back":       {"POST", "/api/v1/tables/todos", `{"title":"b"}`, representation, []string{"tables:read", "tables:write"}, 201},
		"update":                  {"PATCH", "/api/v1/tables/todos?id=eq.1", `{"title":"c"}`, nil, []string{"tables:write"}, 204},
		"update, rows back":       {"PATCH", "/api/v1/tables/todos?id=eq.1", `{"title":"c"}`, representation, []string{"tables:read", "tables:write"}, 200},
		"update that is none":     {"PATCH", "/api/v1/tables/todos", `{}`, representation, []string{"tables:read", "tables:write"}, 200},
		"put":                     {"PUT", "/api/v1/tables/notes?id=eq.7", `{"id":7,"todo_id":1,"body":"x"}`, nil, []string{"tables:write"}, 0},
		"delete":                  {"DELETE", "/api/v1/tables/todos?id=eq.99", "", nil, []string{"tables:write"}, 204},
		"delete, rows back":       {"DELETE", "/api/v1/tables/todos?id=eq.99", "", representation, []string{"tables:read", "tables:write"}, 200},
		"call by GET":             {"GET", "/api/v1/rpc/who", "", nil, []string{"rpc:execute"}, 200},
		"call by HEAD":            {"HEAD", "/api/v1/rpc/who", "", nil, []string{"rpc:execute"}, 200},
		"call by POST":            {"POST", "/api/v1/rpc/who", `{}`, nil, []string{"rpc:execute"}, 200},
		"call, other path":        {"POST", "/rest/v1/rpc/who", `{}`, nil, []string{"rpc:execute"}, 200},
		"call with embedding":     {"GET", "/api/v1/rpc/mine?select=id,notes(body)", "", nil, []string{"rpc:execute", "tables:read"}, 200},
		"call, embedding by POST": {"POST", "/api/v1/rpc/mine?select=id,...notes(body)", `{}`, nil, []string{"rpc:execute", "tables:read"}, 0},
	} {
		ask := func(scopes []string) (int, string) {
			a := s.Do(c.method, c.path, key(scopes), c.body, c.fields...)
			return a.Status, a.Code()
		}
		if status, code := ask(c.needs); status != c.status && (c.status != 0 || status == 403) {
			t.Errorf("%s: with what it needs: %d %s", name, status, code)
		}
		for _, lacking := range c.needs {
			rest := slices.DeleteFunc(slices.Clone(all), func(scope string) bool { return scope == lacking })
			if status, code := ask(rest); status != 403 || c.method != "HEAD" && code != "insufficient_scope" {
				t.Errorf("%s: with all but %s: %d %s", name, lacking, status, code)
			}
		}
	}
	if a := s.Do("GET", "/api/v1/tables/todos", key([]string{"rpc:execute"}), ""); !strings.Contains(a.Body, "tables:read") {
		t.Errorf("it says what it lacks: %s", a.Body)
	}
}

// takers are the routes that take an API key of a user, with the scope that each
// wants.
func takers() map[string]string {
	open := map[string]string{
		"GET /{$}": "*", "GET /livez": "*", "GET /readyz": "*", "GET /docs": "*", "GET /docs/redoc.js": "*", "GET /docs/errors": "*", "GET /api/v1/openapi.json": "*",
		"GET /oauth/jwks": "*", "GET /api/v1/auth/settings": "*", "GET /api/v1/auth/user": "*",
	}
	for _, base := range []string{"/api/v1/tables", "/rest/v1"} {
		path := base + "/{table}"
		open["GET "+path], open["OPTIONS "+path], open[" "+path] = "tables:read", "*", "*"
		for _, method := range []string{"POST", "PATCH", "PUT", "DELETE"} {
			open[method+" "+path] = "tables:write"
		}
	}
	for _, path := range []string{"/api/v1/rpc/{function}", "/rest/v1/rpc/{function}"} {
		open["GET "+path], open["POST "+path], open["OPTIONS "+path], open[" "+path] = "rpc:execute", "rpc:execute", "*", "*"
	}
	return open
}

// TestEveryRoute offers a key with every scope to every route that there is. What
// is not in the table refuses it, before anything is looked at: a route that is
// added takes no key until somebody has thought about it.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	key := scoped(t, s, p, `["tables:read","tables:write","rpc:execute","realtime","functions:invoke"]`)
	before := credentials(t, s)
	open, refused := takers(), 0
	for _, r := range s.Routes {
		name := r.Method + " " + r.Path
		scope, takes := open[name]
		if string(r.Scope) != scope {
			t.Errorf("%s declares the scope %q, and not %q", name, r.Scope, scope)
		}
		delete(open, name)
		if takes {
			continue
		}
		refused++
		a := s.Do(r.Method, strings.NewReplacer("{id}", p.Session, "{name}", "n", "{table}", "todos").Replace(r.Path), key, `{}`)
		if a.Status != 403 || a.Code() != "api_key_not_allowed" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	for name := range maps.Keys(open) {
		t.Errorf("there is no route %s", name)
	}
	if after := credentials(t, s); after != before || refused < 60 {
		t.Errorf("after %d refusals: %s, and before: %s", refused, after, before)
	}
	expect(t, "an unknown path", s.Do("GET", "/nowhere", key, ""), 404, "route_not_found")
	expect(t, "an unknown method", s.Do("PUT", "/livez", key, ""), 405, "method_not_allowed")
	expect(t, "control: the key holds", s.Do("GET", "/api/v1/tables/todos", key, ""), 200, "")
	expect(t, "control: the person may", s.Do("GET", "/api/v1/auth/sessions", p.Access, ""), 200, "")
}

// credentials is a fingerprint of all that somebody signs in with.
func credentials(t *testing.T, s *servertest.Server) string {
	t.Helper()
	var text string
	s.DB.Scan(t, `select md5(concat((select json_agg(u) from auth.users u), (select json_agg(p) from auth.passwords p), (select json_agg(f) from auth.totp_factors f),
		(select json_agg((s.id, s.ended_at, s.aal)) from auth.sessions s), (select json_agg((k.id, k.revoked_at)) from auth.api_keys k),
		(select count(*) from auth.flows), (select count(*) from auth.mail_messages)))`, nil, &text)
	return text
}
