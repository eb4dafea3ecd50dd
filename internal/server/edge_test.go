package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const strict = "default-src 'none'; frame-ancestors 'none'"

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	// As product documentation prints it.
	block := `{"X-Content-Type-Options":"nosniff","X-Frame-Options":"DENY","X-XSS-Protection":"1; mode=block",` +
		`"Strict-Transport-Security":"max-age=31536000; includeSubDomains","Content-Security-Policy":"default-src 'self'"}`
	for name, c := range map[string]struct {
		options []servertest.Option
		want    map[string][]string
	}{
		"by default": {nil, map[string][]string{
			"X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"}, "Referrer-Policy": {"no-referrer"}, "Content-Security-Policy": {strict},
			"Cross-Origin-Opener-Policy": {"same-origin"}, "Cross-Origin-Resource-Policy": {"same-origin"},
			"Permissions-Policy":        {"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
			"Strict-Transport-Security": nil, // the public URL is not https
		}},
		"by default, over https": {
			[]servertest.Option{servertest.With("public_url", "https://api.example.com")},
			map[string][]string{"Strict-Transport-Security": {"max-age=31536000; includeSubDomains"}},
		},
		"configured": {
			[]servertest.Option{servertest.With("public_url", "https://api.example.com"), servertest.With("server.security_headers", block)},
			map[string][]string{
				"X-Xss-Protection": {"1; mode=block"}, "Strict-Transport-Security": {"max-age=31536000; includeSubDomains"},
				"Content-Security-Policy": {"default-src 'self'", strict}, "Referrer-Policy": {"no-referrer"},
			},
		},
		"configured, over http": {
			[]servertest.Option{servertest.With("server.security_headers", block)},
			map[string][]string{"X-Xss-Protection": {"1; mode=block"}, "Strict-Transport-Security": nil},
		},
		"removed": {
			[]servertest.Option{servertest.With("server.security_headers", `{"X-Frame-Options":"","Content-Security-Policy":""}`)},
			map[string][]string{"X-Frame-Options": nil, "Content-Security-Policy": nil, "X-Content-Type-Options": {"nosniff"}},
		},
	} {
		s := servertest.New(t, c.options...)
		for _, path := range []string{"/livez", "/nothing", "/api/v1/auth/user", "//"} { // 200, 404, 401, and what ServeMux would answer itself
			got := s.Do("GET", path, "", "")
			for field, want := range c.want {
				if !slices.Equal(got.Header.Values(field), want) {
					t.Errorf("%s: %s: %s is %q, want %q", name, path, field, got.Header.Values(field), want)
				}
			}
		}
	}
}

// A page needs its own policy, whatever is configured: a loose one would open it
// and a strict one would break it.
func TestPagesKeepTheirPolicy(t *testing.T) {
	t.Parallel()
	plain := servertest.New(t)
	loose := servertest.New(t, servertest.With("server.security_headers", `{"Content-Security-Policy":"default-src * 'unsafe-inline' 'unsafe-eval'"}`))
	script := regexp.MustCompile(`(?:script-src|default-src)[^;]*(?:'unsafe-inline'|'unsafe-eval'|\*)`)
	for _, path := range []string{"/docs", "/dev/mail", "/verify?token=x"} {
		want := plain.Do("GET", path, "", "").Header
		got := loose.Do("GET", path, "", "").Header
		if !strings.HasPrefix(want.Get("Content-Type"), "text/html") {
			t.Fatalf("control: %s is no page: %v", path, want)
		}
		policy := got.Values("Content-Security-Policy")
		if !slices.Equal(policy, want.Values("Content-Security-Policy")) || len(policy) != 1 || policy[0] == strict {
			t.Errorf("%s: %q, want %q", path, policy, want.Values("Content-Security-Policy"))
		}
		if script.MatchString(policy[0]) || !strings.Contains(policy[0], "frame-ancestors 'none'") || !strings.Contains(policy[0], "base-uri 'none'") {
			t.Errorf("%s: %s", path, policy[0])
		}
	}
	if got := loose.Do("GET", "/livez", "", "").Header.Values("Content-Security-Policy"); !slices.Contains(got, strict) {
		t.Errorf("JSON: %q", got)
	}
}

func TestOriginsInDevelopment(t *testing.T) {
	t.Parallel()
	anybody := servertest.New(t, servertest.With("server.cors.allowed_origins", "*"))
	for origin, want := range map[string]string{"https://a.example": "https://a.example", "null": ""} {
		if got := anybody.Do("GET", "/livez", "", "", "Origin", origin).Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: %q, want %q", origin, got, want)
		}
	}
	if got := anybody.Do("GET", "/verify?token=x", "", "", "Origin", "https://a.example").Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("the page of mailed links can be read by %q", got)
	}
}

// parameter is one of a route's path.
var parameter = regexp.MustCompile(`\{[^}]*\}`)

// disguises are other spellings of a path, which servers before and behind each
// other have taken for the same and for another.
func disguises(path string) []string {
	last := strings.LastIndexByte(path, '/')
	encoded := path[:last] + "%2F" + path[last+1:]
	return []string{
		"/" + path, path + "/", path + "//", "/." + path, "/x/.." + path, "/x/%2e%2e" + path, "/x/..%2f" + path[1:], "/x/..;" + path, "/..;/x/.." + path,
		encoded, strings.ReplaceAll(encoded, "%2F", "%252F"), path[:last] + "//" + path[last+1:], path[:last] + "/./" + path[last+1:],
		path[:last] + "/;/" + path[last+1:], path + "%00", path + "%20", path + ".", path + "/.", path + "/..", path + ";", path + ";a=b", path + "%3f", path + "%23",
		strings.ReplaceAll(path, "/", `\`), `/\` + path[1:], "/%2f" + path[1:], strings.ToUpper(path),
	}
}

// routeOf is the pattern that a path is for, by its segments as they are written
// and nothing else; "/" if it is for none.
func routeOf(patterns []string, path string) string {
	segments := strings.Split(path, "/")
	for _, literal := range []bool{true, false} { // a pattern without a parameter at the end goes before one with
	patterns:
		for _, pattern := range patterns {
			want := strings.Split(pattern, "/")
			if len(want) != len(segments) || strings.HasSuffix(pattern, "}") == literal {
				continue
			}
			for i, w := range want {
				got, err := url.PathUnescape(segments[i])
				isParameter := strings.HasPrefix(w, "{") && got != "" && got != "." && got != ".."
				if err != nil || got != w && !isParameter {
					continue patterns
				}
			}
			return pattern
		}
	}
	return "/"
}

// TestEachRouteHasOnePath asks for every route under names that are not quite
// its own: each is for the route that its segments say, or for none, so there is
// no spelling that limits or access would not know.
func TestEachRouteHasOnePath(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var patterns []string
	for _, r := range s.Routes {
		if path := strings.TrimSuffix(r.Path, "{$}"); len(path) > 1 && !slices.Contains(patterns, path) {
			patterns = append(patterns, path)
		}
	}
	if len(patterns) < 50 {
		t.Errorf("only %d paths", len(patterns))
	}
	asked, want := map[string]string{}, map[string]string{} // by request id
	requestID := regexp.MustCompile(`\r\nX-Request-Id: (\S+)`)
	ask := func(path, pattern string) {
		got := raw(t, s.URL, "OPTIONS "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		found := requestID.FindStringSubmatch(got)
		if strings.HasPrefix(got, "HTTP/1.1 400") { // no path at all
			return
		}
		if found == nil || strings.Contains(got, "\r\nLocation:") || pattern == "/" && !strings.HasPrefix(got, "HTTP/1.1 404") {
			t.Errorf("%s: %s", path, got)
			return
		}
		asked[found[1]], want[found[1]] = path, pattern
	}
	for _, pattern := range patterns {
		path := parameter.ReplaceAllString(pattern, "a0a")
		ask(path, pattern)
		for _, other := range disguises(path) {
			ask(other, routeOf(patterns, other))
		}
	}
	served := 0
	for _, line := range regexp.MustCompile(`request_id=(\S+) method=OPTIONS route=(\S+)`).FindAllStringSubmatch(s.LogText(), -1) {
		switch line[2] {
		case "/", `""`: // for none
		case want[line[1]]:
			served++
		default:
			t.Errorf("%s is taken for %s, and is %s", asked[line[1]], line[2], want[line[1]])
		}
		delete(want, line[1])
	}
	if len(want) > 0 || served < len(patterns) {
		t.Errorf("%d requests are not in the log, and %d of %d are served", len(want), served, len(patterns))
	}
}

// An encoded letter is the letter, for access as for everything else.
func TestEncodedLettersAreLetters(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, path := range []string{"/api/v1/admin/users", "/api/v1/%61dmin/users", "/api/v1/admin/%75sers", "/%61%70%69/v1/admin/users"} {
		if got := s.Do("GET", path, "", ""); got.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, got.Status)
		}
		if got := s.Do("GET", path, s.ServiceKey, ""); got.Status != http.StatusOK {
			t.Errorf("control: %s: %d", path, got.Status)
		}
	}
}

// What is no path at all is answered like every other request, and named so in
// the log.
func TestRequestsWithoutAPath(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, line := range []string{"OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "CONNECT evil.example:443 HTTP/1.1"} {
		got := raw(t, s.URL, line+"\r\nHost: a\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 404") || !strings.Contains(got, "X-Request-Id") {
			t.Errorf("%s: %s", line, got)
		}
	}
}
