package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// testSite is a Server with a few routes, whose caller is a field.
type testSite struct {
	*Server

	caller *principal.Principal
	fail   error // of Authenticate
	served int   // calls of a handler
	last   *Call
	handle func(http.ResponseWriter, *http.Request, *Call) error
	out    bytes.Buffer // the log
	routes []Route
}

func site(t *testing.T) *testSite {
	t.Helper()
	s := &testSite{caller: principal.Nobody()}
	s.handle = func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
		return WriteJSON(w, http.StatusOK, []byte(`{"ok":true}`))
	}
	s.Server = &Server{
		Authenticate: func(*http.Request) (*principal.Principal, error) { return s.caller, s.fail },
		Logger:       slog.New(slog.NewJSONHandler(leaktest.Tee(&s.out), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:          time.Now,
		MaxBody:      100,
		Deadline:     time.Minute,
		Headers:      map[string][]string{"X-Frame-Options": {"DENY"}, "Content-Security-Policy": {"default-src 'none'"}},
	}
	serve := func(w http.ResponseWriter, r *http.Request, c *Call) error {
		s.served++
		s.last = c
		return s.handle(w, r, c)
	}
	for method, path := range map[string]string{
		http.MethodGet: "/things/{id}", http.MethodDelete: "/things/{id}", http.MethodPost: "/things", http.MethodPatch: "/things",
	} {
		s.routes = append(s.routes, Route{Method: method, Path: path, Serve: serve})
	}
	s.routes = append(s.routes,
		Route{Method: http.MethodGet, Path: "/mine", Access: SignedIn, Serve: serve},
		Route{Method: http.MethodGet, Path: "/admin", Access: Service, Serve: serve})
	return s
}

func (s *testSite) do(method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler(s.routes).ServeHTTP(w, r)
	return w
}

func (s *testSite) get(target string, headers ...string) *httptest.ResponseRecorder {
	return s.do(http.MethodGet, target, headers...)
}

// logged returns the entries of the log with a message.
func (s *testSite) logged(t *testing.T, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(s.out.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

func document(t *testing.T, w *httptest.ResponseRecorder) problem.Document {
	t.Helper()
	var doc problem.Document
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	if doc.Status != w.Code || w.Header().Get("Content-Type") != "application/problem+json" || doc.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("status %d, %v, %+v", w.Code, w.Header(), doc)
	}
	return doc
}

func TestRouting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/things/1", 200, "", ""},
		{"HEAD", "/things/1", 200, "", ""},
		{"DELETE", "/things/1", 200, "", ""},
		{"POST", "/things", 200, "", ""},
		{"PUT", "/things/1", 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS"},
		{"TRACE", "/things/1", 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS"},
		{"CONNECT", "/things/1", 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS"},
		{"get", "/things/1", 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS"},
		{"FOO", "/things", 405, "method_not_allowed", "OPTIONS, PATCH, POST"},
		{"GET", "/things", 405, "method_not_allowed", "OPTIONS, PATCH, POST"},
		{"HEAD", "/things", 405, "method_not_allowed", "OPTIONS, PATCH, POST"},
		{"GET", "/", 404, "route_not_found", ""},
		{"GET", "/nothing", 404, "route_not_found", ""},
		{"HEAD", "/nothing", 404, "route_not_found", ""},
		{"POST", "/nothing", 404, "route_not_found", ""},
		{"GET", "/things/", 404, "route_not_found", ""},
		{"GET", "/things/1/2", 404, "route_not_found", ""},
		{"GET", "/Things/1", 404, "route_not_found", ""},
	} {
		s := site(t)
		w := s.do(c.method, c.path)
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", c.method, c.path, w.Code, w.Header().Get("Allow"), c.status, c.allow)
		}
		if c.code == "" && s.served != 1 || c.code != "" && s.served != 0 {
			t.Errorf("%s %s: served %d times", c.method, c.path, s.served)
		}
		if c.code != "" && document(t, w).Code != c.code {
			t.Errorf("%s %s: %s", c.method, c.path, w.Body)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	s := site(t)
	server := httptest.NewServer(s.Handler(s.routes))
	t.Cleanup(server.Close)
	for _, path := range []string{"/things/1", "/nothing", "/admin"} {
		var lengths []int64
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.Body.Close() != nil {
				t.Fatal(err)
			}
			if method == http.MethodHead && len(body) != 0 || method == http.MethodGet && len(body) == 0 {
				t.Errorf("%s %s: body %q", method, path, body)
			}
			lengths = append(lengths, answer.ContentLength)
		}
		if lengths[0] != lengths[1] {
			t.Errorf("%s: content lengths %v", path, lengths)
		}
	}
}

func TestTwoRoutesOfOneMethodAndPathPanic(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("the second route was taken for the first")
		}
	}()
	r := Route{Method: http.MethodGet, Path: "/a"}
	site(t).Handler([]Route{r, {Method: http.MethodPost, Path: "/a"}, r})
}

func TestPanicIsAProblemWithoutDetail(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*testSite){
		"in the handler": func(s *testSite) {
			s.handle = func(http.ResponseWriter, *http.Request, *Call) error { panic("dsn " + marker) }
		},
		"in authentication": func(s *testSite) {
			s.Authenticate = func(*http.Request) (*principal.Principal, error) { panic("dsn " + marker) }
		},
		"of a runtime error": func(s *testSite) {
			s.handle = func(http.ResponseWriter, *http.Request, *Call) error {
				return map[string]error(nil)[[]string{}[s.served]]
			}
		},
		"an error": func(s *testSite) {
			s.handle = func(http.ResponseWriter, *http.Request, *Call) error { return errors.New("dsn " + marker) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := site(t)
			spoil(s)
			w := s.get("/things/1")
			doc := document(t, w)
			want := problem.Document{
				Type: "/docs/errors#internal_error", Title: "Internal Server Error", Status: 500,
				Detail: "Something went wrong on our side.", Code: "internal_error", RequestID: doc.RequestID,
			}
			if diff := cmp.Diff(want, doc); diff != "" {
				t.Error(diff)
			}
			failures := s.logged(t, "request failed")
			if len(failures) != 1 || failures[0]["request_id"] != doc.RequestID || failures[0]["level"] != "ERROR" {
				t.Fatalf("logged %v", failures)
			}
			if text, _ := failures[0]["error"].(string); name != "an error" && !strings.Contains(text, "server_test.go") ||
				name != "of a runtime error" && !strings.Contains(text, marker) {
				t.Errorf("the log does not say what happened: %s", text)
			}
			if requests := s.logged(t, "request"); len(requests) != 1 || requests[0]["status"] != 500.0 {
				t.Errorf("logged %v", requests)
			}
		})
	}
}

func TestAnswerUnderWayIsNotFollowedByAProblem(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.handle = func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
		_ = WriteJSON(w, http.StatusCreated, []byte(`{}`))
		panic("late")
	}
	if w := s.get("/things/1"); w.Code != http.StatusCreated || w.Body.String() != `{}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if len(s.logged(t, "request failed")) != 1 {
		t.Error("the log has no word of it")
	}
}

// Somebody who went away is no failure of ours.
func TestCanceledRequestIsNoError(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.handle = func(http.ResponseWriter, *http.Request, *Call) error { return context.Canceled }
	s.get("/things/1")
	if n := len(s.logged(t, "request failed")); n != 0 {
		t.Errorf("%d entries", n)
	}
}

func TestEveryAnswerHasRequestIDAndSecurityFields(t *testing.T) {
	t.Parallel()
	s := site(t)
	seen := map[string]bool{}
	for _, c := range [][2]string{
		{"GET", "/things/1"},
		{"PUT", "/things/1"},
		{"GET", "/nothing"},
		{"OPTIONS", "/things/1"},
		{"GET", "/admin"},
		{"GET", "/panic"},
		{"GET", "/things/1"},
	} {
		s.handle = func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		// Whoever calls does not choose the identifier in our log.
		w := s.do(c[0], c[1], "X-Request-Id", "chosen")
		requestID := w.Header().Values("X-Request-Id")
		if len(requestID) != 1 {
			t.Fatalf("%v: X-Request-Id %q", c, requestID)
		}
		if _, err := id.Parse(requestID[0]); err != nil || seen[requestID[0]] {
			t.Errorf("%v: X-Request-Id %q, %v", c, requestID, err)
		}
		seen[requestID[0]] = true
		for name, want := range s.Headers {
			if got := w.Header().Values(name); !slices.Equal(got, want) {
				t.Errorf("%v: %s is %q", c, name, got)
			}
		}
	}
	if got := s.logged(t, "request"); len(got) != len(seen) {
		t.Errorf("%d log lines for %d answers", len(got), len(seen))
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	signedIn := &principal.Principal{Role: principal.Authenticated, User: id.User{1}}
	service := &principal.Principal{Role: principal.Service, Key: id.Key{1}}
	required, refused := error(ErrCredentialRequired), error(ErrNotForCaller)
	const unknown = Access(99)
	for _, c := range []struct {
		caller string
		p      *principal.Principal
		want   map[Access]error
	}{
		{"nobody", principal.Nobody(), map[Access]error{Public: nil, SignedIn: required, Service: required, unknown: required}},
		{"a user", signedIn, map[Access]error{Public: nil, SignedIn: nil, Service: refused, unknown: refused}},
		{
			"a user without authenticator",
			&principal.Principal{Role: principal.Authenticated, User: id.User{1}, Anonymous: true},
			map[Access]error{Public: nil, SignedIn: nil, Service: refused, unknown: refused},
		},
		{"a service", service, map[Access]error{Public: nil, SignedIn: refused, Service: nil, unknown: refused}},
		{
			"the role without a user",
			&principal.Principal{Role: principal.Authenticated},
			map[Access]error{Public: nil, SignedIn: refused, Service: refused, unknown: refused},
		},
		{
			"a user with the role anonymous",
			&principal.Principal{Role: principal.Anonymous, User: id.User{1}},
			map[Access]error{Public: nil, SignedIn: required, Service: required, unknown: required},
		},
		{
			"a role nobody knows",
			&principal.Principal{Role: "postgres", User: id.User{1}},
			map[Access]error{Public: nil, SignedIn: refused, Service: refused, unknown: refused},
		},
		{"the zero value", &principal.Principal{}, map[Access]error{Public: nil, SignedIn: refused, Service: refused, unknown: refused}},
	} {
		for access, want := range c.want {
			if got := admit(Route{Access: access}, c.p); !errors.Is(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%s, access %d: %v, want %v", c.caller, access, got, want)
			}
		}
	}
}

// The table above counts for nothing if serve does not ask it.
func TestRouteDeclaresWhoMayCall(t *testing.T) {
	t.Parallel()
	user := &principal.Principal{Role: principal.Authenticated, User: id.User{1}}
	service := &principal.Principal{Role: principal.Service}
	for _, c := range []struct {
		path   string
		caller *principal.Principal
		status int
	}{
		{"/mine", principal.Nobody(), 401},
		{"/mine", user, 200},
		{"/mine", service, 403},
		{"/admin", principal.Nobody(), 401},
		{"/admin", user, 403},
		{"/admin", service, 200},
	} {
		s := site(t)
		s.caller = c.caller
		w := s.get(c.path)
		if w.Code != c.status || (s.served == 1) != (c.status == 200) {
			t.Errorf("%s as %q: %d, served %d times; want %d", c.path, c.caller.Role, w.Code, s.served, c.status)
		}
		if s.served == 1 && s.last.Principal != c.caller {
			t.Errorf("%s: the handler got %+v", c.path, s.last.Principal)
		}
	}
}

// A bad credential is never taken for none: not on public routes, not where
// there is no route.
func TestBadCredentialIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.caller, s.fail = nil, fault.New(fault.Unauthenticated, "invalid_token", "The access token is not valid.")
	for _, target := range []string{"/things/1", "/mine", "/admin", "/nothing"} {
		if w := s.get(target); w.Code != http.StatusUnauthorized || document(t, w).Code != "invalid_token" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := s.do(http.MethodPut, "/things/1"); w.Code != http.StatusUnauthorized {
		t.Errorf("method not allowed: %d", w.Code)
	}
	if s.served != 0 {
		t.Error("a handler ran")
	}
}

// An authenticator that fails without a fault must not let anybody in.
func TestBrokenAuthenticationIsARefusal(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.caller, s.fail = &principal.Principal{Role: principal.Service}, errors.New("the database is gone")
	if w := s.get("/admin"); w.Code != http.StatusInternalServerError || s.served != 0 {
		t.Errorf("%d, served %d", w.Code, s.served)
	}
}

func TestBodyIsLimitedOnEveryRoute(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.handle = func(w http.ResponseWriter, r *http.Request, _ *Call) error {
		body, err := ReadJSON(r)
		if err != nil {
			return err
		}
		return WriteJSON(w, http.StatusOK, body)
	}
	for n, status := range map[int]int{100: 200, 101: 413, 100_000: 413} {
		body := `"` + strings.Repeat("x", n-2) + `"`
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/things", io.MultiReader(strings.NewReader(body))) // of unknown length
		r.Header.Set("Content-Type", "application/json")
		s.Handler(s.routes).ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%d bytes: %d %s", n, w.Code, w.Body)
		}
	}
}

func TestHandlerHasADeadline(t *testing.T) {
	t.Parallel()
	s := site(t)
	var inside *http.Request
	s.handle = func(w http.ResponseWriter, r *http.Request, _ *Call) error {
		inside = r
		if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) > s.Deadline {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	s.get("/things/1")
	if inside == nil || inside.Context().Err() == nil {
		t.Error("the context outlives the request")
	}
}

func TestCallDescribesTheRequest(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // of httptest
	agent := strings.Repeat("a", 511) + "é"
	w := s.get("/things/a%2Fb?q=1&q=2", "X-Forwarded-For", "203.0.113.7", "User-Agent", agent)
	c := s.last
	if c.Path("id") != "a/b" || cmp.Diff([]string{"1", "2"}, c.Query()["q"]) != "" || c.Address.String() != "203.0.113.7" ||
		c.RequestID != w.Header().Get("X-Request-Id") || c.UserAgent != agent[:511]+"?" {
		t.Errorf("%+v", c)
	}
}

// PostgreSQL takes no text that is not UTF-8, so what goes into a table is made so.
func TestUserAgentIsShortText(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{"", "curl/8", "\xff\xfe", "é" + strings.Repeat("x", 511), strings.Repeat("é", 5000), strings.Repeat("\xff", 600)} {
		got := cut(agent, 512)
		if len(got) > 512 || !utf8.ValidString(got) || len(agent) < 512 && utf8.ValidString(agent) && got != agent {
			t.Errorf("%.20q became %q", agent, got)
		}
	}
}

// Neither a query string nor a credential is written to the log.
func TestLogLine(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.caller = &principal.Principal{Role: principal.Authenticated, User: id.User{1}, Session: id.Session{2}, Email: marker + "@example.com"}
	s.get("/things/"+marker+"?code="+marker, "Authorization", "Bearer "+marker, "Apikey", marker, "Cookie", marker, "User-Agent", marker)
	entries := s.logged(t, "request")
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	e := entries[0]
	delete(e, "time")
	delete(e, "duration")
	delete(e, "request_id")
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "/things/{id}", "status": 200.0, "bytes": 11.0,
		"remote_addr": "192.0.2.1", "role": "authenticated", "user_id": s.caller.User.String(), "session_id": s.caller.Session.String(),
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	s.get("/" + marker + "/" + marker) // which there is not
	s.do(strings.ToUpper(marker), "/things/"+marker)
	if n := len(s.logged(t, "request")); n != 3 || strings.Contains(strings.ToLower(s.out.String()), marker) {
		t.Errorf("%d requests logged: %s", n, s.out.String())
	}

	s = site(t)
	s.get("/admin")
	if e := s.logged(t, "request"); len(e) != 1 || e[0]["error_code"] != "credential_required" || e[0]["user_id"] != nil {
		t.Errorf("logged %v", e)
	}
	s = site(t)
	s.Logger = slog.New(slog.NewJSONHandler(leaktest.Tee(&s.out), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s.get("/things/1")
	if s.out.Len() != 0 {
		t.Errorf("logged at level warn: %s", s.out.String())
	}
}
