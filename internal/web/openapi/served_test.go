package openapi_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type operation struct {
	OperationID string `json:"operationId"`
	Summary     string `json:"summary"`
	Tags        []string
	Parameters  []struct{ Name, In string }
	Responses   map[string]json.RawMessage
}

type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]json.RawMessage
	}
}

// The document of the real server.
func served(t *testing.T) (doc document, text string, routes []web.Route) {
	t.Helper()
	s := servertest.New(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var raw json.RawMessage
	if err := json.NewDecoder(answer.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc, string(raw), s.Routes
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)
	component = regexp.MustCompile(`^[A-Za-z0-9._-]+$`) // OpenAPI 3.1, section 4.8.7
	variable  = regexp.MustCompile(`\{([^}]*)\}`)
	reference = regexp.MustCompile(`"\$ref":"([^"]*)"`)
)

func TestServedDocument(t *testing.T) {
	t.Parallel()
	doc, text, routes := served(t)

	mounted := 0
	for _, r := range routes {
		if !r.Hidden {
			mounted++
		}
	}
	ids, described := map[string]string{}, 0
	for path, operations := range doc.Paths {
		for method, op := range operations {
			described++
			where := method + " " + path
			if other, twice := ids[op.OperationID]; twice || !plainName.MatchString(op.OperationID) {
				t.Errorf("%s: operationId %q, also of %q", where, op.OperationID, other)
			}
			ids[op.OperationID] = where
			if op.Summary == "" || len(op.Tags) != 1 || op.Tags[0] == "" || len(op.Responses) != 2 {
				t.Errorf("%s: %+v", where, op)
			}
			checkParameters(t, where, path, op)
		}
	}
	if described != mounted || described < 15 {
		t.Errorf("%d operations described, %d mounted", described, mounted)
	}
	for name := range doc.Components.Schemas {
		if !component.MatchString(name) {
			t.Errorf("a component is called %q", name)
		}
	}
	for _, ref := range reference.FindAllStringSubmatch(text, -1) {
		name, ok := strings.CutPrefix(ref[1], "#/components/schemas/")
		if _, known := doc.Components.Schemas[name]; !ok || !known {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
}

// checkParameters wants each variable of a path described, and each path
// parameter in the path.
func checkParameters(t *testing.T, where, path string, op operation) {
	t.Helper()
	in := map[string]bool{}
	for _, p := range op.Parameters {
		if in[p.In+" "+p.Name] || p.In != "path" && p.In != "query" && p.In != "header" {
			t.Errorf("%s: parameter %+v", where, p)
		}
		in[p.In+" "+p.Name] = true
		if p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
			t.Errorf("%s: %q is not in the path", where, p.Name)
		}
	}
	for _, v := range variable.FindAllStringSubmatch(path, -1) {
		if !in["path "+v[1]] {
			t.Errorf("%s: %q is not described", where, v[1])
		}
	}
}
