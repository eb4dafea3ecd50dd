package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/fault"
)

func TestTyped(t *testing.T) {
	t.Parallel()
	failure := fault.New(fault.Conflict, "taken", "It is taken.")
	echo := func(_ context.Context, _ *Call, in item) (item, error) {
		if in.Name == "taken" {
			return in, failure
		}
		return item{strings.ToUpper(in.Name)}, nil
	}
	run := func(r Route, body string) (*httptest.ResponseRecorder, error) {
		w := httptest.NewRecorder()
		return w, r.Serve(w, posted("application/json", body), &Call{})
	}

	r := Typed(Route{Method: http.MethodPost, Path: "/", Status: http.StatusCreated}, echo)
	if r.Body != reflect.TypeFor[item]() || r.Answer != reflect.TypeFor[item]() || r.Status != http.StatusCreated {
		t.Errorf("%+v", r)
	}
	w, err := run(r, `{"name":"<é>"}`)
	if err != nil || w.Code != http.StatusCreated || w.Body.String() != `{"name":"<É>"}` || w.Header().Get("Content-Length") != "15" ||
		w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%d %s %v %v", w.Code, w.Body, w.Header(), err)
	}
	if _, err := run(r, `{"nam":"x"}`); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a body of another shape: %v", err)
	}
	if w, err := run(r, `{"name":"taken"}`); !errors.Is(err, failure) || w.Body.Len() != 0 {
		t.Errorf("a failure: %v, %s", err, w.Body)
	}
}

func TestTypedWithoutBodyOrAnswer(t *testing.T) {
	t.Parallel()
	r := Typed(Route{}, func(context.Context, *Call, None) (None, error) { return None{}, nil })
	w := httptest.NewRecorder()
	err := r.Serve(w, posted("text/plain", "not read"), &Call{})
	if r.Body != nil || r.Answer != nil || err != nil || w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("%+v: %d %s %v", r, w.Code, w.Body, err)
	}
	if r := Typed(Route{}, func(context.Context, *Call, None) (item, error) { return item{}, nil }); r.Status != http.StatusOK {
		t.Errorf("status %d", r.Status)
	}
}

func TestAccessInWords(t *testing.T) {
	t.Parallel()
	if got := Public.String() + ", " + SignedIn.String() + ", " + Service.String(); got != "public, signed in, service key" {
		t.Error(got)
	}
}

// A slip in the name of a parameter must not do an operator's deed without it.
func TestOperatorsQueriesAreStrict(t *testing.T) {
	t.Parallel()
	for access, want := range map[Access]bool{Service: true, Public: false} {
		r := Typed(Route{Access: access, Params: []Param{{Name: "tenant", In: "query"}, {Name: "id", In: "path"}}},
			func(context.Context, *Call, None) (None, error) { return None{}, nil })
		for query, refused := range map[string]bool{"": false, "tenant=x": false, "tenant=": false, "tennant=x": true, "id=1": true, "tenant=x;y=1": true, "tenant=%zz": true} {
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.URL.RawQuery = query
			err := r.Serve(httptest.NewRecorder(), request, &Call{})
			if got := fault.KindOf(err) == fault.Invalid && err != nil; got != (refused && want) {
				t.Errorf("%s ?%s: %v", access, query, err)
			}
		}
	}
}

// TestRoutesForOtherMethods: a path may answer for its methods itself, and for
// those that it has no route for. Browsers are answered all the same.
func TestRoutesForOtherMethods(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.AllowOrigin = isFriend
	for method, says := range map[string]string{http.MethodGet: "get", http.MethodOptions: "own", "": "other"} {
		s.routes = append(s.routes, Route{Method: method, Path: "/own", Serve: func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
			w.Header().Set("X-Says", says)
			return nil
		}})
	}
	for _, c := range []struct {
		method  string
		headers []string
		says    string
		allow   string
	}{
		{http.MethodGet, nil, "get", ""},
		{http.MethodHead, nil, "get", ""},
		{http.MethodOptions, nil, "own", ""},
		{http.MethodPut, nil, "other", ""},
		{"LINK", nil, "other", ""},
		{http.MethodOptions, []string{"Origin", friend}, "own", ""},
		{http.MethodOptions, []string{"Origin", friend, "Access-Control-Request-Method", "GET"}, "", "GET, HEAD, OPTIONS"},
		{http.MethodOptions, []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET"}, "", "GET, HEAD, OPTIONS"},
	} {
		w := s.do(c.method, "/own", c.headers...)
		if w.Header().Get("X-Says") != c.says || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %q: %v", c.method, c.headers, w.Header())
		}
	}
	s.fail = fault.New(fault.Unauthenticated, "invalid_token", "")
	if w := s.do(http.MethodOptions, "/own"); w.Code != http.StatusUnauthorized {
		t.Errorf("with a bad credential: %d", w.Code)
	}
}
