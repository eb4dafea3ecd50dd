package login_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const form = "application/x-www-form-urlencoded"

// rows is everything that opening a link could change.
func rows(t *testing.T, s *servertest.Server) (all string) {
	t.Helper()
	s.DB.Scan(t, `select concat((select string_agg(f::text, ';' order by id) from auth.flows f), (select string_agg(u::text, ';' order by id) from auth.users u),
		(select count(*) from auth.sessions), (select count(*) from auth.audit_log), (select count(*) from auth.mail_messages))`, nil, &all)
	return all
}

// TestLinksAreInert opens links as mail scanners, previews and browsers that
// prefetch do.
func TestLinksAreInert(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	flow := str(t, want(t, post(s, "/magiclink", "email", "a@example.com"), 202, ""), "flow_id")
	_, token, _ := mailed(t, s, "a@example.com", 1)
	before := rows(t, s)
	for range 3 {
		want(t, s.Do("GET", "/verify?token="+token, "", ""), 200, "")
		want(t, s.Do("GET", "/verify?token="+token+"&action=approve", "", "", "Purpose", "prefetch", "Sec-Purpose", "prefetch"), 200, "")
		want(t, s.Do("HEAD", "/verify?token="+token, "", ""), 200, "")
		want(t, s.Do("OPTIONS", "/verify?token="+token, "", ""), 204, "")
		want(t, s.Do("PUT", "/verify?token="+token, "", ""), 405, "")
	}
	body := "token=" + token + "&action=approve"
	for name, a := range map[string]servertest.Answer{
		"a query":            s.Do("POST", "/verify?"+body, "", "", "Content-Type", form),
		"JSON":               s.Do("POST", "/verify", "", j("token", token, "action", "approve")),
		"text":               s.Do("POST", "/verify", "", body, "Content-Type", "text/plain"),
		"no type":            s.Do("POST", "/verify", "", body, "Content-Type", ""),
		"multipart":          s.Do("POST", "/verify", "", body, "Content-Type", "multipart/form-data; boundary=x"),
		"no token":           s.Do("POST", "/verify", "", "action=approve", "Content-Type", form),
		"another token":      s.Do("POST", "/verify", "", "token=x&action=approve", "Content-Type", form),
		"no action":          s.Do("POST", "/verify", "", "token="+token, "Content-Type", form),
		"unknown action":     s.Do("POST", "/verify", "", "token="+token+"&action=Approve", "Content-Type", form),
		"two tokens":         s.Do("POST", "/verify", "", "token=x&"+body, "Content-Type", form),
		"two actions":        s.Do("POST", "/verify", "", body+"&action=deny", "Content-Type", form),
		"broken escape":      s.Do("POST", "/verify", "", body+"&x=%zz", "Content-Type", form),
		"1 MiB":              s.Do("POST", "/verify", "", body+"&x="+strings.Repeat("x", 1<<20-100), "Content-Type", form),
		"5 KiB":              s.Do("POST", "/verify", "", body+"&x="+strings.Repeat("x", 5<<10), "Content-Type", form),
		"NUL":                s.Do("POST", "/verify", "", body+"%00", "Content-Type", form),
		"of another kind":    press(t, s, token, "password", "password", "a-long-password", "again", "a-long-password"),
		"nowhere to go on":   press(t, s, token, "continue"),
		"a bad credential":   s.Do("POST", "/verify", "nonsense", body, "Content-Type", form),
		"a token in capital": press(t, s, strings.ToLower(token), "approve"),
	} {
		if a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if after := rows(t, s); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	want(t, s.Do("POST", "/verify", "", body, "Content-Type", form), 200, "")
	if rows(t, s) == before {
		t.Error("control: the button changes nothing")
	}
	s.Person("", post(s, "/flow", "flow_id", flow))
}

// TestPageIsSealedOff holds each state of the page against what browsers are told.
func TestPageIsSealedOff(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("auth.redirect_urls", "https://app.example.com/in,com.example.app:/in"))
	want(t, post(s, "/magiclink", "email", "a@example.com", "redirect_to", "https://app.example.com/in"), 202, "")
	want(t, post(s, "/magiclink", "email", "b@example.com", "redirect_to", "com.example.app:/in"), 202, "")
	want(t, post(s, "/magiclink", "email", "c@example.com"), 202, "")
	open := func(email string) servertest.Answer {
		_, token, _ := mailed(t, s, email, 1)
		return s.Do("GET", "/verify?token="+token, "", "")
	}
	_, token, _ := mailed(t, s, "c@example.com", 1)
	for name, c := range map[string]struct {
		a       servertest.Answer
		status  int
		targets string
	}{
		"with an application":  {open("a@example.com"), 200, "'self' https://app.example.com;"},
		"with one on a phone":  {open("b@example.com"), 200, "'self' com.example.app:;"},
		"without":              {open("c@example.com"), 200, "'self';"},
		"denied":               {press(t, s, token, "deny"), 200, "'self';"},
		"over":                 {press(t, s, token, "approve"), 403, "'self';"},
		"opened when over":     {s.Do("GET", "/verify?token="+token, "", ""), 404, "'self';"},
		"without a token":      {s.Do("GET", "/verify", "", ""), 404, "'self';"},
		"with nonsense":        {s.Do("GET", "/verify?token=%00%ff", "", ""), 404, "'self';"},
		"with a longer one":    {s.Do("GET", "/verify?token="+strings.Repeat("A", 6<<10), "", ""), 404, "'self';"},
		"with two, one is bad": {s.Do("GET", "/verify?token=x&token="+token, "", ""), 404, "'self';"},
	} {
		csp := c.a.Header.Get("Content-Security-Policy")
		if c.a.Status != c.status || !strings.Contains(csp, "form-action "+c.targets) || !strings.HasPrefix(csp, "default-src 'none';") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") || strings.Contains(csp, "unsafe") ||
			c.a.Header.Get("X-Frame-Options") != "DENY" || c.a.Header.Get("Cache-Control") != "no-store" || c.a.Header.Get("Referrer-Policy") != "no-referrer" ||
			c.a.Header.Get("X-Content-Type-Options") != "nosniff" || c.a.Header.Get("Set-Cookie") != "" || c.a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", name, c.a.Status, c.a.Header)
		}
		if !strings.HasPrefix(c.a.Body, "<!doctype html>") || strings.Contains(c.a.Body, "<script") || strings.Contains(c.a.Body, "src=") || strings.Contains(c.a.Body, "ZgotmplZ") {
			t.Errorf("%s: %s", name, c.a.Body)
		}
	}
	if text := s.LogText(); strings.Contains(text, token) {
		t.Error("the log has the token")
	}
}

// TestSignInHereComesFirst: what a phisher who has asked for the link wants pressed
// is not the button that catches the eye, where there is another.
func TestSignInHereComesFirst(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	button := func(action, class, text string) string {
		return `<button name="action" value="` + action + `"` + class + `>` + text + `</button>`
	}
	const first = ` class="first"`
	for email, c := range map[string]struct {
		path, redirect string
		want           []string // in this order
	}{
		"both@example.com": {"/magiclink", "http://localhost:3000/", []string{
			button("continue", first, "Sign in here"), button("approve", "", "Sign in where it was asked for"), `value="deny"`,
		}},
		"one@example.com": {"/magiclink", "", []string{button("approve", first, "Sign in where it was asked for"), `value="deny"`}},
		"signup@example.com": {"/signup", "http://localhost:3000/", []string{
			button("continue", first, "Confirm and go on"), button("approve", "", "Confirm"), `value="deny"`,
		}},
	} {
		fields := []any{"email", email}
		if c.path == "/signup" {
			fields = append(fields, "password", owners)
		}
		if c.redirect != "" {
			fields = append(fields, "redirect_to", c.redirect)
		}
		l := next(t, s, email, func() { post(s, c.path, fields...) })
		page := want(t, s.Do("GET", "/verify?token="+l.token, "", ""), 200, "").Body
		rest := page
		for _, b := range c.want {
			_, after, ok := strings.Cut(rest, b)
			if !ok {
				t.Errorf("%s: %s is not where it belongs: %s", email, b, page)
			}
			rest = after
		}
		if strings.Count(page, first) != 1 {
			t.Errorf("%s: %s", email, page)
		}
	}
	// A link that never was and one that is over say the same.
	l := next(t, s, "over@example.com", func() { post(s, "/magiclink", "email", "over@example.com") })
	want(t, press(t, s, l.token, "approve"), 200, "")
	over := want(t, s.Do("GET", "/verify?token="+l.token, "", ""), 404, "").Body
	if never := want(t, s.Do("GET", "/verify?token="+strings.Repeat("A", 52), "", ""), 404, "").Body; never != over || !strings.Contains(never, "It is not known here") {
		t.Errorf("%s\n%s", never, over)
	}
}

// TestPageEscapes puts markup wherever somebody else can write.
func TestPageEscapes(t *testing.T) {
	t.Parallel()
	const markup = `"><img src=x onerror=alert(1)>`
	where := "http://localhost:3000/?x=" + url.QueryEscape(markup)
	s := servertest.New(t, required)
	want(t, s.Do("POST", base+"/signup", "", j("email", "o'&x@example.com", "password", "a-long-password", "data", map[string]any{"name": markup}, "redirect_to", where),
		"User-Agent", "Firefox/1 (Linux) "+markup, "Accept-Language", markup), 201, "")
	m, token, _ := mailed(t, s, "o'&x@example.com", 1)
	page := want(t, s.Do("GET", "/verify?token="+token, "", ""), 200, "")
	weak := want(t, press(t, s, token, markup), 400, "invalid_form")
	for name, text := range map[string]string{"page": page.Body, "mail": m.HTML, "refusal": weak.Body} {
		if strings.Contains(text, "<img src=x") || strings.Contains(text, "onerror=alert(1)>") && name != "mail" {
			t.Errorf("%s: %s", name, text)
		}
	}
	if !strings.Contains(page.Body, "o&#39;&amp;x@example.com") {
		t.Error(page.Body)
	}
	if to := want(t, press(t, s, token, "continue", "password", "a-long-password"), 303, "").Header.Get("Location"); !strings.HasPrefix(to, where+"#token=") {
		t.Error(to)
	}
}

// TestRedirectsAreComparedExactly asks for mail that leads elsewhere, by each of
// the ways of asking.
func TestRedirectsAreComparedExactly(t *testing.T) {
	t.Parallel()
	const listed = "https://app.example.com/in"
	inProduction := []servertest.Option{
		servertest.With("environment", "staging"), servertest.With("auth.redirect_urls", listed), required,
		servertest.With("auth.bcrypt_cost", "10"), servertest.With("public_url", "https://api.example.com"),
		servertest.With("mail.smtp.host", "127.0.0.1"), servertest.With("mail.smtp.port", "1"), servertest.With("mail.from", "api@example.com"),
	}
	s := servertest.New(t, inProduction...)
	dev := servertest.New(t, servertest.With("auth.redirect_urls", listed))
	bad := []string{
		"https://app.example.com/in/", "https://app.example.com/IN", "https://APP.example.com/in", "HTTPS://app.example.com/in", "https://app.example.com:443/in",
		"https://app.example.com/in?x=1", "https://app.example.com/in#", "https://app.example.com/in#x", "https://app.example.com/./in", "https://app.example.com/x/../in",
		"https://app.example.com/%69n", "https://app.example.com%2fin", "https://app.example.com\\/in", "https://evil@app.example.com/in", "https://app.example.com@evil.example/in",
		"https://app.example.com.evil.example/in", "//app.example.com/in", "//evil.example", "/in", "in", " https://app.example.com/in", "https://app.example.com/in ",
		"https://app.example.com/in\n", "https:app.example.com/in", "http://app.example.com/in", "javascript:alert(1)", "data:text/html,x", "https://app.example.com/in,https://evil.example",
	}
	local := []string{"http://localhost:3000/", "http://127.0.0.1:5173/cb?x=1", "http://[::1]:3000/", "https://localhost/"}
	never := []string{
		"http://localhost.evil.example/", "http://evil.example/localhost", "http://localhost@evil.example/", "http://evil@localhost/", "http://127.0.0.1.evil.example/",
		"http://localhost#@evil.example/", "http://localhost\\@evil.example/", "ftp://localhost/", "javascript://localhost/%0aalert(1)", "//localhost/", "http://0.0.0.0/", "http://10.0.0.1/", "http:///x",
	}
	for _, to := range append(append(bad, never...), local...) {
		want(t, post(s, "/magiclink", "email", "a@example.com", "redirect_to", to), 400, "redirect_not_allowed")
	}
	for _, to := range append(bad, never...) {
		for path, fields := range map[string][]any{"/magiclink": nil, "/password/reset": nil, "/signup": {"password", "a-long-password"}} {
			a := post(dev, path, append(fields, "email", "a@example.com", "redirect_to", to)...)
			if path == "/signup" && a.Status == 201 {
				t.Errorf("%s: %q: %d", path, to, a.Status)
			}
			if a.Status != 400 || a.Code() != "redirect_not_allowed" || !strings.Contains(a.Body, `"/redirect_to"`) {
				t.Errorf("%s: %q: %d %s", path, to, a.Status, a.Body)
			}
		}
	}
	p := dev.SignUp()
	want(t, as(dev, p, "PUT", "/user/email", "email", "new@example.com", "redirect_to", "https://evil.example"), 400, "redirect_not_allowed")
	for i, to := range append(local, listed) {
		want(t, post(dev, "/magiclink", "email", fmt.Sprintf("a%d@example.com", i), "redirect_to", to), 202, "")
	}
	want(t, post(s, "/magiclink", "email", "a@example.com", "redirect_to", listed), 202, "")

	// What is taken from the list is no longer gone to.
	_, token, _ := mailed(t, dev, "a4@example.com", 1) // before another server could take the message
	narrower := servertest.On(t, dev.DB)
	want(t, press(t, narrower, token, "continue"), 403, "")
	want(t, press(t, dev, token, "continue"), 303, "")
}

// TestLinksCarryThePublicURL forges what says where the server is.
func TestLinksCarryThePublicURL(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("public_url", "http://127.0.0.1:4711"), servertest.With("server.trusted_proxies", "127.0.0.1/32"))
	forged := []string{
		"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "Forwarded", "host=evil.example;proto=https",
		"X-Original-Host", "evil.example", "X-Host", "evil.example", "Origin", "https://evil.example", "Referer", "https://evil.example/",
	}
	want(t, s.Do("POST", base+"/magiclink", "", j("email", "a@example.com"), forged...), 202, "")
	m, _, _ := mailed(t, s, "a@example.com", 1)
	for _, text := range []string{m.Text, m.HTML} {
		if strings.Contains(text, "evil.example") || !strings.Contains(text, "http://127.0.0.1:4711/verify?token=") {
			t.Error(text)
		}
	}
	raw := strings.Replace(s.URL, "http://127.0.0.1", "http://localhost", 1) // another Host
	forgedHost := *s
	forgedHost.URL = raw
	want(t, forgedHost.Do("POST", base+"/magiclink", "", j("email", "b@example.com")), 202, "")
	if m, _, _ := mailed(t, s, "b@example.com", 1); strings.Contains(m.Text, "localhost") || !strings.Contains(m.Text, "http://127.0.0.1:4711/verify?token=") {
		t.Error(m.Text)
	}
}
