package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/web"
)

// attack sends injections to a server, and has the oracle look.
type attack struct {
	oracle
	t         *testing.T
	s         *servertest.Server
	described map[string]map[string]operation
	person    servertest.Person
	requests  int
	statuses  map[int]int
	reached   map[string]bool
	turn      int
}

// holders calls f with every member of a value, for as long as f has put
// something in its place.
func holders(v any, where string, f func(where string, put func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			was := v[name]
			f(where+"/"+name, func(x any) { v[name] = x })
			v[name] = was
			holders(was, where+"/"+name, f)
			f(where+"/"+name+" as a name", func(x any) {
				delete(v, name)
				v[fmt.Sprint(x)] = was
			})
			clear(v) // names that were put
			v[name] = was
		}
	case []any:
		for i := range v {
			was := v[i]
			f(where+"/0", func(x any) { v[i] = x })
			v[i] = was
			holders(was, where+"/0", f)
		}
	}
}

var variable = regexp.MustCompile(`\{([a-z]+)(\.\.\.)?\}`)

// route attacks one route at each of its places.
func (a *attack) route(r web.Route) {
	a.written = strings.HasPrefix(r.Path, "/api/v1/admin/rls/")
	var key string
	path := func(name, value string) string {
		return variable.ReplaceAllStringFunc(strings.ReplaceAll(r.Path, "{$}", ""), func(v string) string {
			if v = v[1 : len(v)-1]; v == name {
				return url.PathEscape(value)
			}
			if v == "id" && strings.Contains(r.Path, "/sessions/{id}") {
				return a.person.Session
			}
			if v == "id" && key != "" {
				return key
			}
			return map[string]string{"table": "items", "function": "echo", "id": a.person.ID, "name": "NAME", "version": "1"}[v]
		})
	}
	a.alive()
	key = a.key(r.Path)
	for _, body := range a.bodies(r) {
		a.with(r, path, body)
	}
	a.check(r.Method + " " + r.Path)
}

// key is one that a route about keys can rotate or revoke; "" for other routes.
func (a *attack) key(path string) string {
	a.t.Helper()
	ctx := context.Background()
	var made id.Key
	var err error
	switch {
	case strings.Contains(path, "/api-keys/{id}"):
		var userID id.UUID
		if userID, err = id.Parse(a.person.ID); err == nil {
			var own apikey.MadeOwn
			own, err = a.s.Keys.CreateOwn(ctx, a.s.DB.Single(), id.User(userID), apikey.NewOwn{Name: "k"})
			made = own.ID
		}
	case strings.Contains(path, "/client-keys/{id}"), strings.Contains(path, "/service-keys/{id}"):
		kind := apikey.Client
		if strings.Contains(path, "service") {
			kind = apikey.Service
		}
		var key apikey.Made
		key, err = a.s.Keys.Create(ctx, kind, apikey.New{Name: "k"}, audit.Actor{})
		made = key.ID
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return made.String()
}

// with attacks a route around one body.
func (a *attack) with(r web.Route, path func(name, value string) string, body any) {
	base := func() (string, string) { return path("", ""), string(encode(a.t, body)) }
	for _, p := range r.Params {
		for _, evil := range a.few() {
			at, text := base()
			switch p.In {
			case "path":
				at = path(p.Name, evil)
			case "query":
				at += "?" + url.QueryEscape(p.Name) + "=" + url.QueryEscape(evil)
			case "header":
				a.send(r, at, text, p.Name, evil)
				continue
			}
			a.send(r, at, text)
		}
	}
	for _, field := range []string{
		"User-Agent", "Accept-Language", "X-Forwarded-For", "X-Request-Id", "Authorization", "apikey", "X-API-Key", "Cookie", "Origin", "Referer", "Content-Type", "Accept",
		"Prefer", "Range", "Accept-Profile", "Content-Profile", "If-Match", "If-None-Match", "Traceparent", "Forwarded", "X-HTTP-Method-Override",
	} {
		at, text := base()
		a.send(r, at, text, field, a.one())
	}
	at, _ := base()
	a.send(r, at+"?"+url.QueryEscape(a.one())+"="+url.QueryEscape(a.one()), "")
	for _, evil := range a.few() {
		a.send(r, at, evil)
		a.send(r, at, string(encode(a.t, evil)))
	}
	holders(body, "", func(_ string, put func(any)) {
		for _, evil := range a.few() {
			put(evil)
			at, text := base()
			a.send(r, at, text)
		}
		put(map[string]any{a.one(): a.one()})
		at, text := base()
		a.send(r, at, text)
	})
}

// bodies are examples of what a route reads: everything there is, and what there
// has to be.
func (a *attack) bodies(r web.Route) []any {
	content := a.described[r.Path][strings.ToLower(r.Method)].RequestBody.Content
	if s, ok := content["application/json"]; ok && len(s.Schema.Properties) > 0 {
		return []any{s.Schema.example(a, "", true), s.Schema.example(a, "", false)}
	}
	switch {
	case strings.Contains(r.Path, "/rpc/"):
		return []any{map[string]any{"word": "x"}}
	case strings.Contains(r.Path, "{table}") && r.Method == http.MethodPut:
		return []any{map[string]any{"id": 7, "title": "text"}}
	case strings.Contains(r.Path, "{table}"):
		return []any{map[string]any{"title": "text"}}
	case r.Stream:
		return []any{map[string]any{"email": fresh}}
	default:
		return []any{nil}
	}
}

// fresh stands for an address that nobody has.
const fresh = "fresh@example.com"

// queries are what some routes need to get as far as the database.
func query(r web.Route) string {
	switch {
	case strings.Contains(r.Path, "/rpc/") && r.Method == http.MethodGet:
		return "&word=x"
	case strings.Contains(r.Path, "{table}") && r.Method == http.MethodPut:
		return "&id=eq.7"
	default:
		return ""
	}
}

// encode is JSON, of bytes too that are no text.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil { // not UTF-8
		return []byte(strings.ReplaceAll(fmt.Sprintf("%q", fmt.Sprint(v)), `\x`, `\u00`))
	}
	return text
}

// few returns injections in turn.
func (a *attack) few() []string {
	if *everything {
		return append(slices.Clone(some), a.one(), a.one())
	}
	return []string{a.one(), a.one()}
}

func (a *attack) one() string {
	a.turn++
	if a.turn%2 == 0 {
		return some[a.turn/2%len(some)]
	}
	return injections[a.turn/2%len(injections)]
}

// alive signs somebody up again whom the attack has signed out or deleted.
func (a *attack) alive() {
	if a.person.Access == "" || a.s.Do("GET", "/api/v1/auth/user", a.person.Access, "").Status != http.StatusOK {
		a.person = a.s.SignUp()
	}
}

func (a *attack) send(r web.Route, path, body string, fields ...string) {
	method := r.Method
	if method == "" {
		method = "BREW"
	}
	bearer := a.person.Access
	if r.Access == web.Service || a.requests%3 == 0 {
		bearer = a.s.ServiceKey
	}
	if extra := query(r); strings.Contains(path, "?") {
		path += extra
	} else {
		path += strings.Replace(extra, "&", "?", 1)
	}
	if r.Stream && r.Method == http.MethodPost && !slices.Contains(fields, "Content-Type") {
		fields = append(fields, "Content-Type", "application/x-ndjson")
	}
	address := fmt.Sprintf("fresh%d@example.com", a.requests)
	if strings.HasSuffix(r.Path, "/signin") || strings.Contains(r.Path, "/reset") {
		address = a.person.Email
	}
	body = strings.ReplaceAll(body, fresh, address)
	if status := a.do(method, path, bearer, body, fields...); status > 0 && status < 300 {
		a.reached[r.Method+" "+r.Path] = true
	}
}

func (a *attack) do(method, path, bearer, body string, fields ...string) (status int) {
	a.t.Helper()
	for i, f := range fields {
		fields[i] = strings.Map(func(c rune) rune { // what a client can send in a field
			if c < ' ' {
				return -1
			}
			return c
		}, f)
		if fields[i] == "Authorization" {
			bearer = ""
		}
	}
	if _, err := url.Parse(a.s.URL + path); err != nil {
		return 0 // a client cannot send it
	}
	answer := a.s.Do(method, path, bearer, body, fields...)
	a.requests++
	status = answer.Status
	a.statuses[answer.Status]++
	for _, wrong := range a.answer(answer.Status, answer.Body) {
		a.t.Errorf("%s %s %q %s: %s", method, path, fields, body, wrong)
	}
	return status
}

// check looks at what has passed since it did last.
func (a *attack) check(what string) {
	a.t.Helper()
	for _, wrong := range a.statements() {
		a.t.Errorf("%s: %s", what, wrong)
	}
	if touched(a.t, &pgtest.Database{DB: a.wire.DB}) {
		a.t.Errorf("%s: the canary has been touched", what)
	}
}

func (a *attack) states() map[string]int {
	n := map[string]int{}
	for _, r := range a.wire.Refusals() {
		n[r.State]++
	}
	return n
}

// data attacks every place of the data API with every injection.
func (a *attack) data() {
	a.written = false
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	methods := []string{"GET", "GET", "PATCH", "DELETE", "POST"}
	n := 0
	for p, place := range places {
		a.alive()
		for i, evil := range injections {
			if !*everything && (i+p)%6 != 0 {
				continue
			}
			query := strings.ReplaceAll(strings.ReplaceAll(place, "%s", url.QueryEscape(evil)), "%q", url.QueryEscape(`"`+quoted.Replace(evil)+`"`))
			n++
			method, body := methods[n%len(methods)], ""
			if method != "GET" && method != "DELETE" {
				body = `[{"id":8,"title":"two"}]`
			}
			a.do(method, "/api/v1/tables/items?"+strings.ReplaceAll(query, ">", "%3E"), []string{a.person.Access, a.s.ServiceKey}[n%2], body, "Prefer", "return=representation,tx=rollback,count=exact")
		}
		a.check(place)
	}
	for i, evil := range injections {
		if !*everything && i%6 != 0 {
			continue
		}
		line := `"` + strings.ReplaceAll(evil, `"`, `""`) + `"`
		for _, r := range []struct{ method, path, media, body, field, value string }{
			{"POST", "tables/items", "text/csv", "id," + line + "\n9,1\n", "", ""},
			{"POST", "tables/items", "text/csv", "id,title\n9," + line + "\n", "Prefer", "resolution=merge-duplicates"},
			{"POST", "tables/items", "application/x-www-form-urlencoded", "id=9&" + url.QueryEscape(evil) + "=1", "", ""},
			{"POST", "tables/items", "application/json", string(encode(a.t, map[string]any{evil: 1})), "", ""},
			{"POST", "tables/items", "application/json", string(encode(a.t, map[string]any{"id": 9, "title": evil, "doc": map[string]any{evil: evil}, "tags": []string{evil}})), "Prefer", "resolution=merge-duplicates"},
			{"PATCH", "tables/items?id=eq.9", "application/json", string(encode(a.t, map[string]any{evil: evil, "title": evil})), "", ""},
			{"PUT", "tables/items?id=eq." + url.QueryEscape(evil), "application/json", string(encode(a.t, map[string]any{"id": evil})), "", ""},
			{"POST", "rpc/echo", "application/json", string(encode(a.t, map[string]any{"word": evil, "number": 1})), "", ""},
			{"POST", "rpc/echo", "application/json", string(encode(a.t, map[string]any{"word": "x", evil: 1})), "", ""},
			{"GET", "rpc/echo?word=" + url.QueryEscape(evil) + "&select=" + url.QueryEscape(evil), "", "", "", ""},
			{"GET", "rpc/echo?word=x&" + url.QueryEscape(evil) + "=1", "", "", "", ""},
			{"GET", "rpc/" + url.PathEscape(evil), "", "", "", ""},
			{"GET", "tables/" + url.PathEscape(evil), "", "", "", ""},
			{"GET", "tables/items", "", "", "Prefer", "timezone=" + evil},
			{"GET", "tables/items", "", "", "Prefer", "handling=strict, max-affected=" + evil + ", count=" + evil},
			{"GET", "tables/items", "", "", "Accept-Profile", evil},
			{"GET", "tables/items", "", "", "Range", evil},
			{"GET", "tables/items", "", "", "Accept", "application/vnd.pgrst.plan+json; options=" + evil},
			{"GET", "tables/items", "", "", "If-None-Match", evil},
		} {
			fields := []string{}
			if r.media != "" {
				fields = append(fields, "Content-Type", r.media)
			}
			if r.field != "" {
				fields = append(fields, r.field, r.value)
			}
			n++
			a.do(r.method, "/api/v1/"+r.path, []string{a.person.Access, a.s.ServiceKey}[n%2], r.body, fields...)
		}
		a.check(evil)
	}
}
