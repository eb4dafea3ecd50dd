package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const friend = "https://app.example.com"

func isFriend(origin string) bool { return origin == friend }

// corsFields returns the fields of an answer that concern browsers.
func corsFields(h http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			found[strings.TrimPrefix(name, "Access-Control-")] = strings.Join(values, "|")
		}
	}
	return found
}

func TestOnlyKnownOriginsRead(t *testing.T) {
	t.Parallel()
	exposed := "Content-Profile, Content-Range, ETag, Location, Preference-Applied, RateLimit, RateLimit-Policy, " +
		"Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id"
	for origin, want := range map[string]map[string]string{
		friend:                               {"Allow-Origin": friend, "Expose-Headers": exposed},
		"":                                   {},
		"null":                               {},
		"https://evil.example":               {},
		"http://app.example.com":             {},
		"https://app.example.com.evil.org":   {},
		"https://app.example.com:8443":       {},
		"https://app.example.com@evil.org":   {},
		"https://APP.example.com":            {},
		friend + "\t":                        {},
		friend + ", https://evil.example":    {},
		"https://evilapp.example.com":        {},
		"https://app.example.com/":           {},
		"https://evil.example#" + friend[8:]: {},
	} {
		s := site(t)
		s.AllowOrigin = isFriend
		for _, path := range []string{"/things/1", "/nothing"} {
			w := s.get(path, "Origin", origin)
			if diff := cmp.Diff(want, corsFields(w.Header())); diff != "" {
				t.Errorf("%s from %q: %s", path, origin, diff)
			}
			if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Origin") {
				t.Errorf("%s from %q: a cache would mix origins up: Vary is %q", path, origin, w.Header()["Vary"])
			}
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = isFriend
	s.fail = ErrNotForCaller // a preflight carries no credential, so none is asked for

	w := s.do(http.MethodOptions, "/things/1", "Origin", friend, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,x-evil")
	if w.Code != http.StatusNoContent || w.Header().Get("Allow") != "DELETE, GET, HEAD, OPTIONS" || w.Body.Len() != 0 {
		t.Errorf("status %d, Allow %q, body %q", w.Code, w.Header().Get("Allow"), w.Body)
	}
	got := corsFields(w.Header())
	if got["Allow-Origin"] != friend || got["Allow-Methods"] != "DELETE, GET, HEAD, OPTIONS" || got["Max-Age"] != "600" {
		t.Errorf("%v", got)
	}
	for _, name := range []string{"Authorization", "apikey", "Content-Type", "Prefer", "X-Sub-Tenant-ID"} {
		if !strings.Contains(got["Allow-Headers"], name) {
			t.Errorf("%s may not be sent: %s", name, got["Allow-Headers"])
		}
	}
	if strings.Contains(strings.ToLower(got["Allow-Headers"]), "evil") || strings.Contains(got["Allow-Headers"], "*") {
		t.Errorf("what was asked for is allowed: %s", got["Allow-Headers"])
	}
	if vary := strings.Join(w.Header().Values("Vary"), ", "); !strings.Contains(vary, "Access-Control-Request-Method") {
		t.Errorf("Vary is %q", vary)
	}
	if s.served != 0 {
		t.Error("a preflight reached the handler")
	}
}

func TestPreflightOfAStranger(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = isFriend
	w := s.do(http.MethodOptions, "/things/1", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET")
	if got := corsFields(w.Header()); w.Code != http.StatusNoContent || len(got) != 0 {
		t.Errorf("status %d, %v", w.Code, got)
	}
	s.AllowOrigin = nil // nobody is a friend
	if got := corsFields(s.get("/things/1", "Origin", friend).Header()); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// OPTIONS without the fields of a preflight asks for the methods only.
func TestOptions(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = isFriend
	w := s.do(http.MethodOptions, "/things/1", "Origin", friend)
	if got := corsFields(w.Header()); w.Code != http.StatusNoContent || got["Allow-Methods"] != "" || got["Allow-Origin"] != friend ||
		w.Header().Get("Allow") != "DELETE, GET, HEAD, OPTIONS" {
		t.Errorf("status %d, Allow %q, %v", w.Code, w.Header().Get("Allow"), got)
	}
}

// A wildcard or credentials that travel by themselves would make every page
// act as its visitor.
func TestCredentialsNeverTravelByThemselves(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = func(string) bool { return true }
	for _, origin := range []string{friend, "null", "https://evil.example"} {
		for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodPut, http.MethodDelete} {
			w := s.do(method, "/things/1", "Origin", origin, "Access-Control-Request-Method", "GET", "Cookie", "a=b")
			got := corsFields(w.Header())
			want := origin
			if origin == "null" { // any sandboxed frame is that, wherever it comes from
				want = ""
			}
			if _, has := got["Allow-Credentials"]; has || got["Allow-Origin"] != want {
				t.Errorf("%s from %q: %v", method, origin, got)
			}
		}
	}
}

func TestOptionsOfNothing(t *testing.T) {
	t.Parallel()
	s := site(t)
	if w := s.do(http.MethodOptions, "/nothing"); w.Code != http.StatusNotFound || w.Header().Get("Allow") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := s.do(http.MethodOptions, "/things/1"); w.Code != http.StatusNoContent || w.Header().Get("Allow") == "" {
		t.Errorf("control: %d %v", w.Code, w.Header())
	}
}

// A page that people are sent to is for their eyes: no other page reads it, not
// even one that may read everything else.
func TestSameOriginPaths(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = func(string) bool { return true }
	s.routes = append(s.routes, Route{Method: http.MethodGet, Path: "/page", SameOrigin: true, Serve: s.handle}, Route{Method: http.MethodPost, Path: "/page", Serve: s.handle})
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodPut} {
		w := s.do(method, "/page", "Origin", friend, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "apikey")
		if got := corsFields(w.Header()); len(got) != 0 {
			t.Errorf("%s: %v", method, got)
		}
		if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Origin") {
			t.Errorf("%s: Vary is %q", method, w.Header()["Vary"])
		}
		w = s.do(method, "/things", "Origin", friend, "Access-Control-Request-Method", "POST")
		if corsFields(w.Header())["Allow-Origin"] != friend {
			t.Errorf("control: %s: %v", method, w.Header())
		}
	}
}

// Two fields are two claims, of which the first may not count.
func TestTwoOrigins(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = isFriend
	r := httptest.NewRequest(http.MethodGet, "/things/1", nil)
	r.Header["Origin"] = []string{friend, "https://evil.example"}
	w := httptest.NewRecorder()
	s.Handler(s.routes).ServeHTTP(w, r)
	if got := corsFields(w.Header()); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
