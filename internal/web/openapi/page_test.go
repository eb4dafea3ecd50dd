package openapi

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/web"
)

func fetch(t *testing.T, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	for _, r := range Routes([]byte(`{"openapi":"3.1.0"}`)) {
		if r.Path != path {
			continue
		}
		if r.Access != web.Public || !r.Hidden || r.Method != http.MethodGet {
			t.Errorf("%s: %+v", path, r)
		}
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Accept-Encoding", encoding)
		w := httptest.NewRecorder()
		if err := r.Serve(w, req, nil); err != nil {
			t.Fatal(err)
		}
		return w
	}
	t.Fatalf("no route for %s", path)
	return nil
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	if w := fetch(t, "/api/v1/openapi.json", ""); w.Body.String() != `{"openapi":"3.1.0"}` || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

// The page runs no script but its own, and nothing comes from elsewhere.
func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	w := fetch(t, "/docs", "")
	policy := w.Header().Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, directive+";") && !strings.HasSuffix(policy, directive) {
			t.Errorf("the policy lacks %s: %s", directive, policy)
		}
	}
	if strings.Contains(policy, "script-src 'self' ") || strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "http") {
		t.Errorf("the policy allows more: %s", policy)
	}
	for _, source := range regexp.MustCompile(`(?:src|spec-url|rel="\w+" href)="([^"]*)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		if !strings.HasPrefix(source[1], "/") && source[1] != "data:," || strings.HasPrefix(source[1], "//") {
			t.Errorf("the page loads %s", source[1])
		}
	}
	if regexp.MustCompile(`(?s)<script[^>]*>[^<]|\son\w+=`).MatchString(w.Body.String()) {
		t.Error("the page has a script in it")
	}
}

func TestScriptIsServedPackedOrNot(t *testing.T) {
	t.Parallel()
	packed, plain := fetch(t, "/docs/redoc.js", "br, gzip"), fetch(t, "/docs/redoc.js", "")
	if packed.Header().Get("Content-Encoding") != "gzip" || plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v, %v", packed.Header(), plain.Header())
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != plain.Body.String() || len(text) < 1000 {
		t.Errorf("%v: %d bytes unpacked, %d plain", err, len(text), plain.Body.Len())
	}
}
