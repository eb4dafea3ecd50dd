package openapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/web"
)

type thing struct {
	ID    id.UUID   `json:"id"`
	Name  string    `json:"name"`
	Count *int      `json:"count,omitempty"`
	At    time.Time `json:"at"`
}

var types = Schemas{reflect.TypeFor[id.UUID](): Text("uuid"), reflect.TypeFor[time.Time](): Text("date-time")}

func sample() []web.Route {
	return []web.Route{
		web.Typed(web.Route{Method: http.MethodPost, Path: "/api/v1/things", Tag: "Things", Summary: "Make", Status: http.StatusCreated, Access: web.SignedIn},
			func(_ context.Context, _ *web.Call, in thing) (thing, error) { return in, nil }),
		web.Typed(web.Route{
			Method: http.MethodDelete, Path: "/api/v1/things/{id}", Tag: "Things", Summary: "Remove", Access: web.Service,
			Params: []web.Param{{Name: "id", In: "path", Description: "Which"}, {Name: "force", In: "query"}},
		},
			func(context.Context, *web.Call, web.None) (web.None, error) { return web.None{}, nil }),
		{Method: http.MethodGet, Path: "/api/v1/raw", Tag: "Raw", Summary: "Read", Media: "text/csv"},
		{Method: http.MethodPatch, Path: "/api/v1/raw", Tag: "Raw", Summary: "Write", Media: "text/csv"},
		{Method: http.MethodGet, Path: "/secret/page", Hidden: true},
	}
}

// at walks a JSON value by keys.
func at(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		object, ok := v.(map[string]any)
		if !ok || object[key] == nil {
			t.Fatalf("no %q of %q in %v", key, keys, v)
		}
		v = object[key]
	}
	return v
}

func described(t *testing.T, routes []web.Route) map[string]any {
	t.Helper()
	text, err := Document(routes, "1.2.3", types)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentDescribesRoutes(t *testing.T) {
	t.Parallel()
	doc := described(t, sample())
	if doc["openapi"] != "3.1.0" || at(t, doc, "info", "version") != "1.2.3" {
		t.Errorf("%v", doc)
	}
	create := at(t, doc, "paths", "/api/v1/things", "post")
	if at(t, create, "operationId") != "postThings" || at(t, create, "summary") != "Make" || at(t, create, "description") != "Access: signed in. API keys of users: not open to them." {
		t.Errorf("%v", create)
	}
	ref := map[string]any{"$ref": "#/components/schemas/openapi.thing"}
	for _, keys := range [][]string{
		{"requestBody", "content", "application/json", "schema"},
		{"responses", "201", "content", "application/json", "schema"},
	} {
		if diff := cmp.Diff(any(ref), at(t, create, keys...)); diff != "" {
			t.Errorf("%v: %s", keys, diff)
		}
	}
	if got := at(t, create, "responses", "default", "content", "application/problem+json", "schema", "$ref"); got != "#/components/schemas/problem.Document" {
		t.Errorf("failures are %v", got)
	}
	remove := at(t, doc, "paths", "/api/v1/things/{id}", "delete")
	if _, has := remove.(map[string]any)["requestBody"]; has || at(t, remove, "operationId") != "deleteThingsById" {
		t.Errorf("%v", remove)
	}
	if _, has := at(t, remove, "responses", "204").(map[string]any)["content"]; has {
		t.Errorf("%v", remove)
	}
	want := []any{
		map[string]any{"name": "id", "in": "path", "required": true, "description": "Which", "schema": map[string]any{"type": "string"}},
		map[string]any{"name": "force", "in": "query", "required": false, "description": "", "schema": map[string]any{"type": "string"}},
	}
	if diff := cmp.Diff(any(want), at(t, remove, "parameters")); diff != "" {
		t.Error(diff)
	}
	at(t, doc, "paths", "/api/v1/raw", "get", "responses", "200", "content", "text/csv")
	at(t, doc, "paths", "/api/v1/raw", "patch", "requestBody", "content", "text/csv")
}

// TestPathsAreInTheOrderOfRoutes: people meet sign-up before what comes earlier in
// the alphabet.
func TestPathsAreInTheOrderOfRoutes(t *testing.T) {
	t.Parallel()
	var routes []web.Route
	for _, r := range [][2]string{{"POST", "/signup"}, {"PUT", "/user"}, {"GET", "/user"}, {"POST", "/2fa/verify"}, {"GET", "/signup"}} {
		routes = append(routes, web.Route{Method: r[0], Path: r[1]})
	}
	text, err := Document(routes, "1", types)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, name := range []string{`"/signup":`, `"post":`, `"get":`, `"/user":`, `"put":`, `"get":`, `"/2fa/verify":`} {
		next := strings.Index(string(text[at+1:]), name)
		if next < 0 {
			t.Fatalf("%s is not where it belongs: %s", name, text)
		}
		at += 1 + next
	}
}

func TestHiddenRoutesAreNotDescribed(t *testing.T) {
	t.Parallel()
	text, err := Document(sample(), "1", types)
	if err != nil || strings.Contains(string(text), "/secret/page") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	schema := at(t, described(t, sample()), "components", "schemas", "openapi.thing")
	for name, want := range map[string]any{
		"id": map[string]any{"type": "string", "format": "uuid"}, "name": map[string]any{"type": "string"},
		"at": map[string]any{"type": "string", "format": "date-time"},
	} {
		if diff := cmp.Diff(want, at(t, schema, "properties", name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	required, _ := at(t, schema, "required").([]any)
	if !slices.Contains(required, any("name")) || slices.Contains(required, any("count")) {
		t.Errorf("required: %v", required)
	}
	one, err := Describe[thing](types)
	if err != nil || one.Properties["id"].Format != "uuid" {
		t.Errorf("Describe = %v, %v", one, err)
	}
}

func TestSecurityFollowsAccess(t *testing.T) {
	t.Parallel()
	none, bearer, key := map[string]any{}, map[string]any{"bearer": []any{}}, map[string]any{"apikey": []any{}}
	for access, want := range map[web.Access][]any{
		web.Public: {none, bearer, key}, web.SignedIn: {bearer}, web.Service: {bearer, key},
	} {
		doc := described(t, []web.Route{{Method: http.MethodGet, Path: "/a", Access: access}})
		if diff := cmp.Diff(any(want), at(t, doc, "paths", "/a", "get", "security")); diff != "" {
			t.Errorf("%s: %s", access, diff)
		}
	}
}

func TestOperationID(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/api/v1/auth/sessions/{id}": "getAuthSessionsById", "/livez": "getLivez", "/oauth/jwks": "getOauthJwks",
		"/.well-known/openid-configuration": "getWellKnownOpenidConfiguration", "/api/v1/a/{b}/c": "getAByBC", "/": "get", "/docs/redoc.js": "getDocsRedocJs",
	} {
		if got := operationID(web.Route{Method: http.MethodGet, Path: path}); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// The document is written to the repository, so it must not change by itself.
func TestDocumentIsDeterministic(t *testing.T) {
	t.Parallel()
	first, err := Document(sample(), "1", types)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		again, err := Document(sample(), "1", types)
		if err != nil || string(again) != string(first) {
			t.Fatalf("%v:\n%s", err, cmp.Diff(string(first), string(again)))
		}
	}
}

func TestTypeThatIsNoJSONIsAnError(t *testing.T) {
	t.Parallel()
	routes := []web.Route{{Method: http.MethodGet, Path: "/a", Answer: reflect.TypeFor[chan int]()}}
	if text, err := Document(routes, "1", types); err == nil || !strings.Contains(err.Error(), "GET /a") {
		t.Errorf("%v: %s", err, text)
	}
	if _, err := Describe[chan int](types); err == nil {
		t.Error("a channel has a schema")
	}
}
