package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// asked are the limits of a site, which write down what they are asked.
type asked struct {
	about   []string
	refuses string // "arrive" or "spend"
}

func (a *asked) Arrive(_ context.Context, _ http.Header, c *Call) error {
	return a.note("arrive", string(c.Principal.Role))
}

func (a *asked) Spend(_ context.Context, _ http.Header, c *Call, group LimitGroup, subject string) error {
	return a.note("spend", string(c.Principal.Role)+" "+string(group)+" "+subject)
}

func (a *asked) note(what, about string) error {
	a.about = append(a.about, what+" "+about)
	if a.refuses == what {
		return &fault.Error{Kind: fault.TooMany, Code: "slow_down", RetryAfter: 90 * time.Second}
	}
	return nil
}

// TestLimitsAreAskedOnce about every request, whatever becomes of it.
func TestLimitsAreAskedOnce(t *testing.T) {
	t.Parallel()
	bad := fault.New(fault.Unauthenticated, "invalid_token", "")
	user := &principal.Principal{Role: principal.Authenticated, User: id.User{1}}
	for name, c := range map[string]struct {
		method, target, body string
		caller               *principal.Principal
		fail                 error
		refuses              string
		status, served       int
		want                 []string
	}{
		"a request":                   {method: "GET", target: "/things/1", caller: user, status: 200, served: 1, want: []string{"arrive anonymous", "spend authenticated  "}},
		"HEAD":                        {method: "HEAD", target: "/things/1", status: 200, served: 1, want: []string{"arrive anonymous", "spend anonymous  "}},
		"a bad credential":            {method: "GET", target: "/things/1", fail: bad, status: 401, want: []string{"arrive anonymous", "spend anonymous  "}},
		"no right to it":              {method: "GET", target: "/admin", caller: user, status: 403, want: []string{"arrive anonymous", "spend authenticated  "}},
		"no route":                    {method: "GET", target: "/none", status: 404, want: []string{"arrive anonymous", "spend anonymous  "}},
		"a path that is not clean":    {method: "GET", target: "//things/1", status: 404, want: []string{"arrive anonymous", "spend anonymous  "}},
		"another method":              {method: "PUT", target: "/things/1", status: 405, want: []string{"arrive anonymous", "spend anonymous  "}},
		"what others may do here":     {method: "OPTIONS", target: "/things/1", status: 204, want: []string{"arrive anonymous"}},
		"a body":                      {method: "POST", target: "/about", body: `{"name":"ada"}`, status: 200, want: []string{"arrive anonymous", "spend anonymous group ada"}},
		"a body that is not one":      {method: "POST", target: "/about", body: `{"nam`, status: 400, want: []string{"arrive anonymous", "spend anonymous group "}},
		"a body, a bad credential":    {method: "POST", target: "/about", body: `{"name":"ada"}`, fail: bad, status: 401, want: []string{"arrive anonymous", "spend anonymous group "}},
		"health":                      {method: "GET", target: "/health", status: 200, served: 1},
		"a flood":                     {method: "GET", target: "/things/1", refuses: "arrive", status: 429, want: []string{"arrive anonymous"}},
		"a flood of such questions":   {method: "OPTIONS", target: "/things/1", refuses: "arrive", status: 429, want: []string{"arrive anonymous"}},
		"health, in a flood":          {method: "GET", target: "/health", refuses: "arrive", status: 200, served: 1},
		"too many":                    {method: "GET", target: "/things/1", refuses: "spend", status: 429, want: []string{"arrive anonymous", "spend anonymous  "}},
		"too many bad credentials":    {method: "GET", target: "/things/1", fail: bad, refuses: "spend", status: 429, want: []string{"arrive anonymous", "spend anonymous  "}},
		"too many about one":          {method: "POST", target: "/about", body: `{"name":"ada"}`, refuses: "spend", status: 429, want: []string{"arrive anonymous", "spend anonymous group ada"}},
		"too many that are not JSON":  {method: "POST", target: "/about", body: `{`, refuses: "spend", status: 429, want: []string{"arrive anonymous", "spend anonymous group "}},
		"too many paths that are not": {method: "GET", target: "/none", refuses: "spend", status: 429, want: []string{"arrive anonymous", "spend anonymous  "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, limits := site(t), &asked{refuses: c.refuses}
			s.Limits, s.fail = limits, c.fail
			if c.caller != nil {
				s.caller = c.caller
			}
			type named struct {
				Name string `json:"name"`
			}
			s.routes = append(s.routes,
				Route{Method: http.MethodGet, Path: "/health", Unlimited: true, Serve: s.routes[0].Serve},
				Typed(Route{Method: http.MethodPost, Path: "/about", Limits: "group", Subject: About(func(n named) string { return n.Name })},
					func(_ context.Context, _ *Call, n named) (named, error) { return n, nil }))
			r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.Handler(s.routes).ServeHTTP(w, r)
			if w.Code != c.status || s.served != c.served || w.Code == 429 != (w.Header().Get("Retry-After") == "90") {
				t.Errorf("%d, served %d times: %v %s", w.Code, s.served, w.Header(), w.Body)
			}
			if diff := cmp.Diff(c.want, limits.about); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSubjectsOfNoType would never be asked for.
func TestSubjectsOfNoType(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.routes[0].Subject = About(func(struct{}) string { return "" })
	defer func() {
		if recover() == nil {
			t.Error("a route is taken whose requests would not be counted")
		}
	}()
	s.Handler(s.routes)
}
