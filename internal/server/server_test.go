package server_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

var update = flag.Bool("update", false, "write docs/reference/openapi.json and errors.md")

func TestMain(m *testing.M) {
	flag.Parse()
	pgtest.Main(m)
}

// TestOpenAPIDocument holds the description that is served against the one in
// the documentation, and against the routes that are mounted, both ways.
func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	a := s.Do("GET", "/api/v1/openapi.json", "", "")
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ OperationID string }
		Components struct{ Schemas map[string]any }
	}
	a.JSON(t, &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	mounted, ids := map[string]bool{}, map[string]bool{}
	for _, r := range s.Routes {
		if r.Hidden {
			continue
		}
		op, ok := doc.Paths[r.Path][strings.ToLower(r.Method)]
		if !ok || op.OperationID == "" || ids[op.OperationID] {
			t.Errorf("%s %s is not described, or not by a name of its own: %q", r.Method, r.Path, op.OperationID)
		}
		ids[op.OperationID] = true
		mounted[strings.ToLower(r.Method)+" "+r.Path] = true
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if !mounted[method+" "+path] {
				t.Errorf("%s %s is described and not mounted", method, path)
			}
		}
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(a.Body, -1) {
		if _, ok := doc.Components.Schemas[ref[1]]; !ok {
			t.Errorf("a reference to nothing: %s", ref[1])
		}
	}
	golden(t, a.Body)
}

func golden(t *testing.T, body string) {
	t.Helper()
	path := filepath.Join(pgtest.Root(), "docs", "reference", "openapi.json")
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil || string(kept) != string(text)+"\n" {
		t.Errorf("docs/reference/openapi.json is out of date; run: make generate (%v)", err)
	}
}

func TestReferencePage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	page := s.Do("GET", "/docs", "", "")
	if page.Status != 200 || !strings.Contains(page.Body, "/docs/redoc.js") || strings.Contains(page.Header.Get("Content-Security-Policy"), "script-src 'unsafe") {
		t.Errorf("%d %v", page.Status, page.Header)
	}
	for _, script := range regexp.MustCompile(`src="([^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
		if a := s.Do("GET", script[1], "", ""); a.Status != 200 || !strings.Contains(a.Body, "Redoc") {
			t.Errorf("%s: %d", script[1], a.Status)
		}
	}
}

func TestEdge(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("server.security_headers", `{"X-Frame-Options":"SAMEORIGIN","Referrer-Policy":"","X-XSS-Protection":"1; mode=block"}`))
	a := s.Do("GET", "/livez", "", "", "Origin", "http://localhost:3000", "X-Request-Id", "chosen-by-the-caller")
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "", "X-Xss-Protection": "1; mode=block",
		"Access-Control-Allow-Origin": "http://localhost:3000", "Access-Control-Allow-Credentials": "", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if id := a.Header.Get("X-Request-Id"); len(id) != 36 {
		t.Errorf("request id %q", id)
	}
	for _, origin := range []string{"https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example:80", "file://localhost"} {
		if got := s.Do("GET", "/livez", "", "", "Origin", origin).Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("origin %s is allowed: %q", origin, got)
		}
	}
	strict := servertest.New(t, servertest.With("environment", "staging"), servertest.With("server.cors.allowed_origins", "https://app.example.com"))
	for origin, want := range map[string]string{"http://localhost:3000": "", "https://app.example.com": "https://app.example.com", "https://app.example.com.evil.example": ""} {
		if got := strict.Do("GET", "/livez", "", "", "Origin", origin).Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("staging: origin %s: %q, want %q", origin, got, want)
		}
	}
}

// TestNothingSecretIsLogged greps the log of a busy minute for every secret
// that was used in it.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	s.Do("GET", "/api/v1/auth/user?access_token="+p.Access, p.Access, "")
	s.Do("GET", "/api/v1/tables/nothing?secret=eq."+p.Refresh, p.Access, "")
	s.Do("POST", "/api/v1/auth/refresh", "", `{"refresh_token":"`+p.Refresh+`"}`)
	s.Do("POST", "/api/v1/auth/signin", "", `{"email":"`+p.Email+`","password":"`+servertest.Password+`x"}`)
	s.Do("GET", "/api/v1/admin/users", s.ServiceKey, "")
	s.Do("GET", "/livez", s.ServiceKey+"x", "")
	log := s.LogText()
	if !strings.Contains(log, "request") || !strings.Contains(log, p.ID) {
		t.Fatalf("control: the log is not there:\n%s", log)
	}
	for name, secret := range map[string]string{
		"access token": p.Access, "refresh token": p.Refresh, "password": servertest.Password,
		"service key": s.ServiceKey, "client key": s.ClientKey, "address": p.Email,
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
}
