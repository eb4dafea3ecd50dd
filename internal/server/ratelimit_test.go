package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// limited is a server with limits, all of which are none but those that are
// given as pairs of keys and values.
func limited(t *testing.T, pairs ...string) *servertest.Server {
	t.Helper()
	return limitedOn(t, pgtest.New(t), pairs...)
}

func limitedOn(t *testing.T, db *pgtest.Database, pairs ...string) *servertest.Server {
	t.Helper()
	return servertest.On(t, db, limits(pairs...)...)
}

func limits(pairs ...string) []servertest.Option {
	options := []servertest.Option{
		servertest.With("ratelimit.enabled", "true"), servertest.With("ratelimit.global_rate_limit", "true"),
		servertest.With("ratelimit.window", "1h"), servertest.With("ratelimit.address", "none"),
		servertest.With("ratelimit.timeout", "5s"), // a machine that runs tests may be busy
	}
	for _, role := range []string{"anonymous", "authenticated", "service_role"} {
		options = append(options, servertest.With("ratelimit.limits."+role, "0"))
	}
	for _, route := range []string{"sign_in", "sign_in_account", "sign_up", "mail", "mail_recipient", "mfa", "refresh"} {
		options = append(options, servertest.With("ratelimit.routes."+route, "none"))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		options = append(options, servertest.With("ratelimit."+pairs[i], pairs[i+1]))
	}
	return options
}

// from sends a request from an address, past the network.
func from(s *servertest.Server, address, method, path, body string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = address
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

const settings = "/api/v1/auth/settings"

// refusedAfter sends requests until one is refused, at most so many, and returns
// how many were not.
func refusedAfter(t *testing.T, most int, send func(i int) int) int {
	t.Helper()
	for i := range most {
		if status := send(i); status == http.StatusTooManyRequests {
			return i
		}
	}
	return most
}

// TestAnswersSayWhatIsLeft looks at the fields of answers, and at the refusal.
func TestAnswersSayWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := limited(t, "limits.anonymous", "3", "routes.sign_up", "2/1h")
	a := s.Do("GET", settings, "", "", "Origin", "http://localhost:3000")
	for name, want := range map[string]string{
		"RateLimit-Policy": `"anonymous";q=3;w=3600`, "RateLimit": `"anonymous";r=2;t=1200`,
		"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "1200", "Retry-After": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if exposed := a.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "RateLimit, RateLimit-Policy, Retry-After") {
		t.Errorf("pages of other origins do not see them: %s", exposed)
	}
	a = s.Do("POST", "/api/v1/auth/anonymous", "", "")
	if got := a.Header.Get("RateLimit-Policy"); a.Status != 201 || got != `"anonymous";q=3;w=3600, "sign_up";q=2;w=3600` {
		t.Errorf("%d %s", a.Status, got)
	}
	if got := a.Header.Get("RateLimit"); !strings.HasPrefix(got, `"anonymous";r=1;t=2`) || !strings.Contains(got, `, "sign_up";r=1;t=1800`) {
		t.Error(got)
	}
	s.Do("GET", settings, "", "")
	a = s.Do("GET", settings, "", "", "Origin", "http://localhost:3000")
	wait, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	if a.Status != 429 || a.Code() != "over_request_rate_limit" || wait < 1100 || wait > 1200 || a.Header.Get("X-RateLimit-Remaining") != "0" ||
		a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("Access-Control-Allow-Origin") == "" || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if a := s.Do("GET", path, "", ""); a.Status != 200 || a.Header.Get("RateLimit") != "" {
			t.Errorf("%s is limited: %d %v", path, a.Status, a.Header)
		}
	}
}

// TestWhoIsCounted has one bucket for whoever is one, however they look.
func TestWhoIsCounted(t *testing.T) {
	t.Parallel()
	const limit = "4"
	s := servertest.New(t, append(limits("limits.anonymous", limit, "limits.authenticated", limit, "limits.service_role", limit),
		servertest.With("server.trusted_proxies", "10.0.0.0/8"))...)
	p := s.SignUp()
	second := s.Person(p.Email, s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password)))
	get := func(address string, fields ...string) int {
		return from(s, address, "GET", settings, "", fields...).Code
	}

	for name, c := range map[string]struct {
		send func(i int) int
		want int // of 12
	}{
		"one address":                       {func(int) int { return get("192.0.2.1:1000") }, 4},
		"many ports":                        {func(i int) int { return get(fmt.Sprintf("192.0.2.2:%d", 1000+i)) }, 4},
		"control: many addresses":           {func(i int) int { return get(fmt.Sprintf("192.0.2.%d:1", 100+i)) }, 12},
		"one /64":                           {func(i int) int { return get(fmt.Sprintf("[2001:db8:0:1:%x::%x]:1", i*77, i)) }, 4},
		"control: many /64":                 {func(i int) int { return get(fmt.Sprintf("[2001:db8:0:%x::1]:1", 100+i)) }, 12},
		"IPv4 in IPv6, and without":         {func(i int) int { return get([]string{"[::ffff:192.0.2.3]:1", "192.0.2.3:1"}[i%2]) }, 4},
		"X-Forwarded-For of nobody trusted": {func(i int) int { return get("192.0.2.4:1", "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)) }, 4},
		"X-Forwarded-For of a proxy":        {func(i int) int { return get("10.0.0.1:1", "X-Forwarded-For", fmt.Sprintf("198.51.101.%d", i)) }, 12},
		"written in front of what a proxy says": {func(i int) int {
			return get("10.0.0.1:1", "X-Forwarded-For", fmt.Sprintf("198.51.100.%d, 192.0.2.5", i))
		}, 4},
		"other fields": {func(i int) int {
			return get("192.0.2.6:1", "Forwarded", fmt.Sprintf("for=198.51.100.%d", i), "X-Real-IP", fmt.Sprintf("198.51.100.%d", i), "CF-Connecting-IP", fmt.Sprintf("198.51.100.%d", i))
		}, 4},
		"with the key of an application, and without": {func(i int) int {
			return get("192.0.2.7:1", []string{"apikey", "X-None"}[i%2], s.ClientKey)
		}, 4},
		"methods": {func(i int) int {
			return from(s, "192.0.2.8:1", []string{"GET", "HEAD", "POST", "BREW"}[i%4], settings, "").Code
		}, 4},
		"paths of none": {func(i int) int { return from(s, "192.0.2.9:1", "GET", fmt.Sprintf("/nothing/%d", i), "").Code }, 4},
		"bad credentials": {func(i int) int {
			return get("192.0.2.10:1", "Authorization", fmt.Sprintf("Bearer nonsense%d", i))
		}, 4},
		"two sessions of a user, from anywhere": {func(i int) int {
			return get(fmt.Sprintf("192.0.3.%d:1", i), "Authorization", "Bearer "+[]string{p.Access, second.Access}[i%2])
		}, 4},
		"a service key": {func(i int) int { return get(fmt.Sprintf("192.0.4.%d:1", i), "Authorization", "Bearer "+s.ServiceKey) }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refusedAfter(t, 12, c.send); got != c.want {
				t.Errorf("%d of 12 went through, want %d", got, c.want)
			}
		})
	}
}

// TestServiceKeysWithoutLimit are not held up by the limits of others.
func TestServiceKeysWithoutLimit(t *testing.T) {
	t.Parallel()
	s := limited(t, "limits.anonymous", "2", "limits.authenticated", "2")
	if got := refusedAfter(t, 20, func(int) int { return s.Do("GET", settings, s.ServiceKey, "").Status }); got != 20 {
		t.Errorf("refused after %d", got)
	}
	if got := refusedAfter(t, 20, func(int) int { return s.Do("GET", settings, "", "").Status }); got != 2 {
		t.Errorf("control: refused after %d", got)
	}
}

// TestPathsAreWrittenInManyWays tries to reach sign-in in another bucket.
func TestPathsAreWrittenInManyWays(t *testing.T) {
	t.Parallel()
	s := limited(t, "routes.sign_in", "3/1h")
	const body = `{"email":"a@example.com","password":"wrong-password"}`
	try := func(path string) *httptest.ResponseRecorder { return from(s, "192.0.2.1:1", "POST", path, body) }
	for range 3 {
		if w := try("/api/v1/auth/signin"); w.Code != 401 {
			t.Fatalf("control: %d %s", w.Code, w.Body)
		}
	}
	for _, path := range []string{
		"/api/v1/auth/signin", "//api/v1/auth/signin", "/api//v1/auth/signin", "/api/v1/auth/signin/", "/API/v1/auth/signin", "/api/v1/auth/SignIn",
		"/api/v1/auth/%73ignin", "/api/v1/auth/./signin", "/api/v1/auth/x/../signin", "/api/v1/auth/signin?a=b", "/api/v1/auth/signin;a=b",
		"/api/v1/auth/signin%2f", "/api/v1%2fauth/signin", "/api/v1/auth/signin%20",
	} {
		if w := try(path); w.Code != 404 && w.Code != 429 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := try("/api/v1/auth/%73ignin"); w.Code != 429 {
		t.Errorf("an escape: %d", w.Code)
	}
}

// TestFloods are refused before anything is looked at, whatever they ask for.
func TestFloods(t *testing.T) {
	t.Parallel()
	s := limited(t, "address", "5/1h")
	p := from(s, "192.0.2.200:1", "POST", "/api/v1/auth/anonymous", "")
	access := s.Person("", servertest.Answer{Status: p.Code, Body: p.Body.String()}).Access
	for name, send := range map[string]func(address string, i int) int{
		"requests": func(address string, _ int) int { return from(s, address, "GET", settings, "").Code },
		"preflights": func(address string, _ int) int {
			return from(s, address, "OPTIONS", settings, "", "Origin", "http://localhost", "Access-Control-Request-Method", "GET").Code
		},
		"credentials": func(address string, i int) int {
			return from(s, address, "GET", settings, "", "Authorization", fmt.Sprintf("Bearer x%d", i)).Code
		},
		"a user": func(address string, _ int) int {
			return from(s, address, "GET", settings, "", "Authorization", "Bearer "+access).Code
		},
		"a service": func(address string, _ int) int {
			return from(s, address, "GET", settings, "", "apikey", s.ServiceKey).Code
		},
		"HEAD": func(address string, _ int) int { return from(s, address, "HEAD", settings, "").Code },
	} {
		address := fmt.Sprintf("192.0.2.%d:1", 10+len(name))
		if got := refusedAfter(t, 20, func(i int) int { return send(address, i) }); got != 5 {
			t.Errorf("%s: %d of 20", name, got)
		}
		if got := from(s, address, "GET", "/livez", "").Code; got != 200 {
			t.Errorf("%s: health is refused: %d", name, got)
		}
	}
}

// TestStreamsOfOneConnection counts the requests of HTTP/2 one by one.
func TestStreamsOfOneConnection(t *testing.T) {
	t.Parallel()
	s := limited(t, "address", "50/1h")
	front := httptest.NewUnstartedServer(s.Handler)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, MaxConnsPerHost: 1, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}, Timeout: 20 * time.Second}
	var served, refused, other atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, front.URL+settings, nil)
			a, err := client.Do(r)
			if err != nil || a.ProtoMajor != 2 {
				other.Add(1)
				return
			}
			_ = a.Body.Close()
			switch a.StatusCode {
			case http.StatusOK:
				served.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				other.Add(1)
			}
		})
	}
	all.Wait()
	if served.Load() != 50 || refused.Load() != 150 {
		t.Errorf("%d served, %d refused, %d else", served.Load(), refused.Load(), other.Load())
	}
}

// TestAccountsAreGuessedAt in many spellings: one address has so many guesses at
// each, whether or not there is one, and keeps nobody out who is elsewhere.
func TestAccountsAreGuessedAt(t *testing.T) {
	t.Parallel()
	s := limited(t, "routes.sign_in_account", "5/1h", "routes.sign_in", "100/1h")
	p := s.SignUp()
	spellings := []string{p.Email, strings.ToUpper(p.Email), " " + p.Email + " ", strings.Replace(p.Email, "@example", "@EXAMPLE", 1)}
	signIn := func(address, email, password string) int {
		return from(s, address, "POST", "/api/v1/auth/signin", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)).Code
	}
	if got := refusedAfter(t, 20, func(i int) int { return signIn("192.0.2.1:1", spellings[i%len(spellings)], "wrong-password") }); got != 5 {
		t.Errorf("%d guesses of 5", got)
	}
	if status := signIn("192.0.2.1:1", p.Email, servertest.Password); status != 429 {
		t.Errorf("a right password among the guesses is told: %d", status)
	}
	if got := refusedAfter(t, 20, func(int) int { return signIn("192.0.2.1:1", "nobody@example.com", "wrong-password") }); got != 5 {
		t.Errorf("whether there is an account is told: %d guesses", got)
	}
	if got := refusedAfter(t, 20, func(i int) int { return signIn(fmt.Sprintf("[2001:db8::%x]:1", i+1), p.Email, "wrong-password") }); got != 5 {
		t.Errorf("from one /64: %d guesses of 5", got)
	}
	if status := signIn("192.0.2.1:1", s.SignUp().Email, servertest.Password); status != 200 {
		t.Errorf("control: another account: %d", status)
	}
	if status := signIn("192.0.2.2:1", p.Email, servertest.Password); status != 200 {
		t.Errorf("its owner is kept out by a stranger: %d", status)
	}
}

// TestRefusalsCostNothingElse: who is refused by one limit has the others left.
func TestRefusalsCostNothingElse(t *testing.T) {
	t.Parallel()
	s := limited(t, "limits.authenticated", "8", "routes.mfa", "3/1h")
	p := s.SignUp()
	refused := 0
	for range 30 {
		if s.Do("POST", "/api/v1/auth/2fa/disable", p.Access, `{"password":"wrong-password"}`).Status == 429 {
			refused++
		}
	}
	if refused != 27 {
		t.Errorf("control: %d of 30 are refused", refused)
	}
	if got := refusedAfter(t, 20, func(int) int { return s.Do("GET", settings, p.Access, "").Status }); got != 5 {
		t.Errorf("%d of the 5 that are left", got)
	}
}

// TestRoutesHaveTheirLimits exhausts each bucket by its route.
func TestRoutesHaveTheirLimits(t *testing.T) {
	t.Parallel()
	s := limited(t, "routes.sign_up", "3/1h", "routes.mail", "4/1h", "routes.mail_recipient", "2/1h", "routes.mfa", "3/1h", "routes.refresh", "3/1h")
	signUp := func(address, email string) *httptest.ResponseRecorder {
		return from(s, address, "POST", "/api/v1/auth/signup", fmt.Sprintf(`{"email":%q,"password":%q}`, email, servertest.Password))
	}
	made := func(address, email string) servertest.Person {
		w := signUp(address, email)
		return s.Person(email, servertest.Answer{Status: w.Code, Body: w.Body.String()})
	}
	if got := refusedAfter(t, 9, func(i int) int { return signUp("192.0.2.1:1", fmt.Sprintf("a%d@example.com", i)).Code }); got != 3 {
		t.Errorf("sign_up: %d", got)
	}
	mail := func(address, path, email string) int {
		return from(s, address, "POST", "/api/v1/auth"+path, `{"email":"`+email+`"}`).Code
	}
	if got := refusedAfter(t, 9, func(i int) int { return mail("192.0.2.2:1", "/magiclink", fmt.Sprintf("b%d@example.com", i)) }); got != 4 {
		t.Errorf("mail: %d", got)
	}
	paths := []string{"/magiclink", "/password/reset", "/verify-email/resend"}
	if got := refusedAfter(t, 9, func(i int) int {
		return mail("192.0.3.1:1", paths[i%3], []string{"c@example.com", "C@Example.com"}[i%2])
	}); got != 2 {
		t.Errorf("mail_recipient: %d", got)
	}
	if status := mail("192.0.3.2:1", "/magiclink", "c@example.com"); status == 429 {
		t.Error("the owner of a mailbox is kept out by a stranger")
	}
	p, other := made("192.0.2.3:1", "d@example.com"), made("192.0.2.3:1", "e@example.com")
	proofs := []string{"/reauthenticate", "/2fa/disable", "/2fa/recovery-codes"}
	prove := func(i int, access string) int {
		return from(s, fmt.Sprintf("192.0.4.%d:1", i), "POST", "/api/v1/auth"+proofs[i%3], `{"password":"wrong-password"}`, "Authorization", "Bearer "+access).Code
	}
	if got := refusedAfter(t, 9, func(i int) int { return prove(i, p.Access) }); got != 3 {
		t.Errorf("mfa: %d", got)
	}
	if got := refusedAfter(t, 9, func(i int) int {
		return from(s, fmt.Sprintf("192.0.5.%d:1", i), "POST", "/api/v1/auth/2fa/verify", `{"mfa_token":"x","code":"000000"}`).Code
	}); got != 3 {
		t.Errorf("mfa, before there is a user: %d", got)
	}
	if status := prove(0, other.Access); status == 429 {
		t.Error("control: another user is refused")
	}
	refresh := func(i int, token string) int {
		return from(s, fmt.Sprintf("192.0.6.%d:1", i), "POST", "/api/v1/auth/refresh", `{"refresh_token":"`+token+`"}`).Code
	}
	forged := p.Refresh[:len(p.Refresh)-4] + "AAAA"
	if got := refusedAfter(t, 9, func(i int) int { return refresh(i, forged) }); got != 9 {
		t.Errorf("a token that we did not make is counted as the session's: %d", got)
	}
	if got := refusedAfter(t, 9, func(i int) int { return refresh(i, p.Refresh) }); got != 3 {
		t.Errorf("refresh: %d", got)
	}
	if status := refresh(0, other.Refresh); status != 200 {
		t.Errorf("control: another session: %d", status)
	}
}

// TestEveryGroupIsKnown: a slip in a name would be no limit.
func TestEveryGroupIsKnown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	named := 0
	for _, r := range s.Routes {
		if !ratelimit.Known(r.Limits) {
			t.Errorf("%s %s: there is no group %q", r.Method, r.Path, r.Limits)
		}
		if r.Limits != "" {
			named++
		}
		if r.Unlimited != (r.Path == "/livez" || r.Path == "/readyz") {
			t.Errorf("%s %s: unlimited is %v", r.Method, r.Path, r.Unlimited)
		}
	}
	if named < 15 || ratelimit.Known("sign-in") {
		t.Errorf("control: %d routes are limited", named)
	}
}
