package server_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/web"
)

// injections are of each class that is known: ends of strings, of names and of
// statements, comments, dollar quotes, escapes, encodings, casts, operators,
// paths, and what other parsers on the way could make of them.
var injections = []string{
	`'`, `"`, `''`, `""`, `\`, `\'`, `\"`, `'"`, "`", `;`, `--`, `/*`, `*/`, `$$`, `$1`, `$a$`, `%`, `_`, `*`, `)`, `(`, `]`, `}`, `,`, `.`, `:`, `::`, `->`, `?`, `@`, `|`, `null`, `NaN`, `\N`, `\.`,
	`' or '1'='1`, `' or 1=1 --`, `') or ('1'='1`, `1 or 1=1`, `1) or (1=1`, `" or "1"="1`, `' and 1=cast((select song from cage.bird) as int) and '1'='1`,
	`'; insert into cage.touched values ('x'); --`, `"; select cage.touch(); --`, `1; select cage.touch()`, `'||cage.touch()||'`, `' union select song from cage.bird --`,
	`id from public.items; select cage.touch() --`, `cage.touch()`, `(select cage.touch())`, `(select song from cage.bird)`, `cage.bird(song)`, `cage.bird`, `"cage"."bird"`, `..cage.bird(*)`,
	`x" from cage.bird; --`, `x" as y, cage.touch() as "z`, `x')::text, cage.touch()::text, ('`, `'::regclass`, `int4; select cage.touch()`, `int4)), cage.touch(), ((1`, `regclass`, `text::regclass`,
	`pg_sleep(5)`, `'; select pg_sleep(5); --`, `1-(select 1 from pg_sleep(5))`, `pg_read_file('/etc/passwd')`, `$$;select cage.touch();$$`, `$a$; select cage.touch(); $a$`, `'; do $x$ begin perform cage.touch(); end $x$; --`,
	`U&'\0027; select cage.touch() --`, `u&"\0022; select cage.touch() --"`, `e'\'; select cage.touch() --'`, `E'\x27'`, `x'27'`, `chr(39)`, `'/**/or/**/1=1--`, `/*!50000 or */`, "'\nor\n1=1\n--", "'\tor\t1=1--", "'\x0bor 1=1", "'\u00a0or\u00a01=1",
	`%27%20or%201=1`, `%2527`, "\xc0\xa7 or 1=1", "\xbf\x27 or 1=1", "\xf0\x9f\x98", "a\x00' or 1=1", "\uff07 or 1=1", "\u2019 or 1=1", "\u02bc or 1=1", "\u202e'", "\ufeff'", "\u0131d", "ID\u017f",
	`{"a":"'"}`, `{"a'; select cage.touch(); --":1}`, `["'"]`, `$.a ? (@ == "'")`, `$[*] ? (@.x like_regex ".*")`, `{a,"b}`, `{"a',cage.touch()}`, `a'->>'b`, `a->>'b' = cage.touch()::text`,
	`eq.'`, `in.(1,2);select cage.touch()`, `in.("a\",\"b")`, `eq(any).{"'}`, `fts('; select cage.touch()).x`, `fts(english').x`, `not.not.eq.1`, `is.null;`, `cs.{"'}`, `like.*'*`, `match.(.*)+'`,
	`id.desc;select cage.touch()`, `id.desc nulls first, cage.touch()`, `id,cage.touch()`, `1,2,3`, `-1`, `1e9`, `0x27`, `9223372036854775808`, `1;`, `0-0;`, `UTC'; select cage.touch(); --`, `UTC`, `set_config('role','postgres',false)`,
	`current_setting('x')`, `count()`, `id.sum()`, `id.cage.touch()`, `id.max();`, `id::cage.bird`, `a:b:c`, `a:"b":c`, `parts!parts_item_fkey(*)`, `parts!"'"(*)`, `...parts(title)`, `cardinality.eq.1`, `or(id.eq.1`, `and(id.eq.1,or(id.eq.2))`,
	`{{7*7}}`, `${jndi:x}`, `../../etc/passwd`, "a\r\nX-Evil: 1", `<script>`, `|| cage.touch() ||`, `@@`, `&&`, `<->`, `~*`, `OPERATOR(pg_catalog.+)`, `copy cage.touched from program 'x'`, `'; reset role; select cage.touch(); --`, `'; set role service_role; --`, `; listen x`,
}

// some are a few that tell, which come more often.
var some = []string{`'; select cage.touch(); --`, `"; select cage.touch(); --`, `\'); select pg_sleep(5)/*`, `$$ ' " \ %27`, `{"a'": "\""}`, "\xc0\xa7'", "x\x00'"}

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

// operation is what the description of the API says of a route.
type operation struct {
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Properties map[string]schema
	Required   []string
	Items      *schema
}

// UnmarshalJSON implements json.Unmarshaler: a schema may be true, which is
// anything.
func (s *schema) UnmarshalJSON(text []byte) error {
	if string(text) == "true" {
		return nil
	}
	type plain schema
	return json.Unmarshal(text, (*plain)(s), json.MatchCaseInsensitiveNames(true))
}

func described(t *testing.T, s *servertest.Server) map[string]map[string]operation {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]schema }
	}
	s.Do("GET", "/api/v1/openapi.json", "", "").JSON(t, &doc)
	for _, operations := range doc.Paths {
		for _, op := range operations {
			for media, content := range op.RequestBody.Content {
				content.Schema = content.Schema.resolved(doc.Components.Schemas)
				op.RequestBody.Content[media] = content
			}
		}
	}
	return doc.Paths
}

func (s schema) resolved(all map[string]schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = all[name]
	}
	properties := map[string]schema{}
	for name, p := range s.Properties {
		properties[name] = p.resolved(all)
	}
	s.Properties = properties
	if s.Items != nil {
		items := s.Items.resolved(all)
		s.Items = &items
	}
	return s
}

// example is a value of a schema, with which a handler goes as far as it can.
func (s schema) example(a *attack, name string, whole bool) any {
	kinds := fmt.Sprint(s.Type)
	switch {
	case len(s.Properties) > 0:
		o := map[string]any{}
		for member, p := range s.Properties {
			if whole || slices.Contains(s.Required, member) {
				o[member] = p.example(a, member, whole)
			}
		}
		return o
	case s.Items != nil:
		return []any{s.Items.example(a, name, whole)}
	case s.Format == "uuid":
		return a.person.ID
	case s.Format == "date-time":
		return "2026-01-01T00:00:00Z"
	case strings.Contains(kinds, "boolean"):
		return false
	case strings.Contains(kinds, "integer"), strings.Contains(kinds, "number"):
		return 1
	case strings.Contains(kinds, "string"):
		return cmp.Or(map[string]string{
			"email": fresh, "password": servertest.Password, "current_password": servertest.Password, "new_password": servertest.Password,
			"refresh_token": a.person.Refresh,
		}[name], "text")
	default:
		return map[string]any{"a": "b"}
	}
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
	path := func(name, value string) string {
		return variable.ReplaceAllStringFunc(strings.ReplaceAll(r.Path, "{$}", ""), func(v string) string {
			if v = v[1 : len(v)-1]; v == name {
				return url.PathEscape(value)
			}
			if v == "id" && strings.Contains(r.Path, "/sessions/{id}") {
				return a.person.Session
			}
			return map[string]string{"table": "items", "function": "echo", "id": a.person.ID, "name": "NAME", "version": "1"}[v]
		})
	}
	a.alive()
	for _, body := range a.bodies(r) {
		a.with(r, path, body)
	}
	a.check(r.Method + " " + r.Path)
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
		return injections
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

// Where the words of requests for data stand: %s is an injection, and %q one in
// the quotes of such requests.
var places = []string{
	"select=%s", "select=id,%s", "select=x:%s", "select=%q:id", "select=%q", "select=id::%s", "select=id::%q", "select=doc->%s", "select=doc->>%q", "select=doc->%q->>a",
	"select=id,parts(%s)", "select=id,parts!%s(*)", "select=id,parts!%q(*)", "select=%q:parts(id)", "select=id,parts(id)&parts.order=%s", "select=id,parts(id)&parts.title=eq.%s", "select=id,parts(id)&parts.%s=eq.1",
	"select=id.%s", "select=...%s(id)", "order=%s", "order=%q.desc", "order=id.%s", "order=doc->>%q", "order=parts(%s)", "limit=%s", "offset=%s", "columns=%s", "columns=%q", "on_conflict=%s", "on_conflict=%q",
	"%s=eq.1", "%q=eq.1", "title=%s", "title=eq.%s", "title=not.%s", "title=like.%s", "title=ilike.%s", "title=match.%s", "title=in.(%s)", "title=in.(%q)", "id=in.(%s)", "id=eq.%s", "id=is.%s", "title=eq(any).%s", "title=eq(all).{%q}",
	"title=fts.%s", "title=fts(%s).x", "title=fts(%q).x", "title=wfts.%s", "tags=cs.%s", "tags=cs.{%q}", "tags=ov.%s", "doc=cs.%s", "doc->>%s=eq.1", "doc->%q=eq.1", "at=gt.%s",
	"or=%s", "or=(%s)", "or=(title.eq.%s)", "or=(title.eq.%q)", "or=(%q.eq.1)", "not.or=(title.%s)", "and=(or(%s),id.eq.1)", "on_conflict=id&columns=id,%s",
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
