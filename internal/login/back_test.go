package login_test

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

var anchor = regexp.MustCompile(`<a href="([^"]*)"`)

// back is where a page leads back to; "" is nowhere.
func back(a servertest.Answer) string {
	found := anchor.FindStringSubmatch(a.Body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// TestWayBackFromADeadLink opens links that are over: their reader may go back to
// the application, which is told so.
func TestWayBackFromADeadLink(t *testing.T) {
	t.Parallel()
	const web, phone = "https://app.example.com/in?tab=2", "com.example.app:/in"
	s := servertest.New(t, servertest.With("auth.redirect_urls", web+","+phone))
	open := func(token string) servertest.Answer { return s.Do("GET", "/verify?token="+token, "", "") }
	link := func(path, to string) letter {
		t.Helper()
		return next(t, s, "a@example.com", func() {
			s.DB.Exec(t, `update auth.flows set mailed = false`)
			want(t, post(s, path, "email", "a@example.com", "redirect_to", to), 202, "")
		})
	}
	s.Person("a@example.com", post(s, "/signup", "email", "a@example.com", "password", servertest.Password))
	for what, end := range map[string]func(token string){
		"expired": func(string) {
			s.DB.Exec(t, `update auth.flows set expires_at = now() - interval '1 second'`)
		},
		"denied":      func(token string) { want(t, press(t, s, token, "deny"), 200, "") },
		"handed over": func(token string) { redirected(t, press(t, s, token, "continue")) },
		"approved":    func(token string) { want(t, press(t, s, token, "approve"), 200, "") },
		"redeemed":    func(token string) { want(t, post(s, "/magiclink/verify", "token", token), 200, "") },
	} {
		for _, to := range []string{web, phone} {
			token := link("/magiclink", to).token
			if a := want(t, open(token), 200, ""); back(a) != "" {
				t.Errorf("%s: a link that is good leads back to %s", what, back(a))
			}
			end(token)
			before := rows(t, s)
			a := want(t, open(token), 404, "")
			address, fragment, _ := strings.Cut(back(a), "#")
			words, err := url.ParseQuery(fragment)
			if err != nil || address != to || words.Get("error") != "access_denied" || words.Get("error_code") != "otp_expired" ||
				words.Get("error_description") == "" || len(words) != 3 {
				t.Errorf("%s: back to %q %v", what, back(a), err)
			}
			if back(press(t, s, token, "approve")) != back(a) {
				t.Errorf("%s: the button of a page that was open before leads nowhere", what)
			}
			if rows(t, s) != before {
				t.Errorf("%s: looking changes something", what)
			}
		}
	}
	reset := link("/password/reset", web).token
	want(t, post(s, "/password/reset/confirm", "token", reset, "password", "another-password"), 200, "")
	if a := want(t, open(reset), 404, ""); !strings.HasPrefix(back(a), web+"#error=access_denied") {
		t.Errorf("a reset: back to %q", back(a))
	}

	// Nowhere: no redirect_to, one that is not on the list any more, no such link.
	plain := next(t, s, "a@example.com", func() {
		s.DB.Exec(t, `update auth.flows set mailed = false`)
		post(s, "/magiclink", "email", "a@example.com")
	}).token
	stale := link("/magiclink", web).token
	s.DB.Exec(t, `update auth.flows set expires_at = now() - interval '1 second', redirect_to = case when redirect_to = $1 then 'https://evil.example/in' end`, web)
	for what, token := range map[string]string{"no redirect_to": plain, "not on the list": stale, "unknown": "nonsense", "none": ""} {
		if a := want(t, open(token), 404, ""); back(a) != "" || strings.Contains(a.Body, "evil") {
			t.Errorf("%s: back to %q", what, back(a))
		}
	}
}
