package login_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// message is what the mailbox of development has.
type message struct {
	To, Subject, Text, HTML string
}

// mailed waits for a message to an address, newest first, and takes the link's
// token and the code from it.
func mailed(t *testing.T, s *servertest.Server, to string, number int) (m message, token, code string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var page struct{ Items []message }
		a := s.Do("GET", "/dev/mail/messages?to="+url.QueryEscape(to), "", "")
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil {
			t.Fatalf("%v in %d %s", err, a.Status, a.Body)
		}
		if len(page.Items) >= number {
			if number > 0 {
				m = page.Items[0]
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages to %s, want %d", len(page.Items), to, number)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		case <-time.After(20 * time.Millisecond):
		}
	}
	if found := regexp.MustCompile(`/verify\?token=([A-Z0-9]+)`).FindStringSubmatch(m.Text); found != nil {
		token = found[1]
	}
	if found := regexp.MustCompile(`(?m)\b(\d{6})\b`).FindStringSubmatch(m.Text); found != nil {
		code = found[1]
	}
	return m, token, code
}

// press posts the form of the page behind a link.
func press(t *testing.T, s *servertest.Server, token, action string, fields ...string) servertest.Answer {
	t.Helper()
	form := url.Values{"token": {token}, "action": {action}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return s.Do("POST", "/verify", "", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func str(t *testing.T, a servertest.Answer, name string) string {
	t.Helper()
	var m map[string]any
	a.JSON(t, &m)
	v, _ := m[name].(string)
	return v
}

func want(t *testing.T, a servertest.Answer, status int, code string) servertest.Answer {
	t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		t.Fatalf("%d %.400s; want %d %s", a.Status, a.Body, status, code)
	}
	return a
}

var required = servertest.With("auth.email_verification", "required")

func TestSignUpIsConfirmed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	a := want(t, s.Do("POST", base+"/signup", "", `{"email":"a@example.com","password":"a-long-password","data":{"name":"A"}}`), 201, "")
	flow := str(t, a, "flow_id")
	if flow == "" || !strings.Contains(a.Body, `"session":null`) {
		t.Fatal(a.Body)
	}
	signIn := `{"email":"a@example.com","password":"a-long-password"}`
	want(t, s.Do("POST", base+"/signin", "", signIn), 403, "email_not_confirmed")
	want(t, s.Do("POST", base+"/signin", "", `{"email":"a@example.com","password":"another-password"}`), 401, "invalid_credentials")
	_, token, _ := mailed(t, s, "a@example.com", 2)
	if a := s.Do("GET", "/verify?token="+token, "", ""); a.Status != 200 || !strings.Contains(a.Body, "a@example.com") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	want(t, s.Do("POST", base+"/signin", "", signIn), 403, "email_not_confirmed") // a GET is inert
	want(t, press(t, s, token, "approve"), 200, "")
	want(t, s.Do("POST", base+"/signin", "", signIn), 200, "")
	if a := press(t, s, token, "approve"); a.Status != 403 {
		t.Errorf("twice: %d", a.Status)
	}
}

func TestPageThatAskedIsSignedIn(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	flow := str(t, want(t, s.Do("POST", base+"/magiclink", "", `{"email":"b@example.com","data":{"name":"B"}}`,
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"), 202, ""), "flow_id")
	waiting := make(chan servertest.Answer, 1)
	go func() { waiting <- s.Do("POST", base+"/flow", "", fmt.Sprintf(`{"flow_id":%q}`, flow)) }()
	_, token, _ := mailed(t, s, "b@example.com", 1)
	if a := s.Do("GET", "/verify?token="+token, "", ""); !strings.Contains(a.Body, "Firefox on Linux") || !strings.Contains(a.Body, "127.0.0.1") {
		t.Error(a.Body)
	}
	want(t, press(t, s, token, "approve"), 200, "")
	p := s.Person("b@example.com", <-waiting)
	if a := s.Do("GET", base+"/user", p.Access, ""); a.Status != 200 || !strings.Contains(a.Body, `"email_verified":true`) {
		t.Error(a.Body)
	}
	want(t, s.Do("POST", base+"/flow", "", fmt.Sprintf(`{"flow_id":%q}`, flow)), 403, "otp_expired")
}

func TestMagicLinkByCode(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	want(t, s.Do("POST", base+"/magiclink", "", `{"email":"c@example.com"}`), 202, "")
	_, token, code := mailed(t, s, "c@example.com", 1)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	want(t, s.Do("POST", base+"/magiclink/verify", "", fmt.Sprintf(`{"email":"c@example.com","code":%q}`, wrong)), 403, "otp_expired")
	s.Person("", want(t, s.Do("POST", base+"/magiclink/verify", "", fmt.Sprintf(`{"email":"c@example.com","code":%q}`, code)), 200, ""))
	want(t, s.Do("POST", base+"/magiclink/verify", "", fmt.Sprintf(`{"token":%q}`, token)), 403, "otp_expired")
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("auth.redirect_urls", "https://app.example.com/in"))
	want(t, s.Do("POST", base+"/magiclink", "", `{"email":"d@example.com","redirect_to":"https://evil.example/in"}`), 400, "redirect_not_allowed")
	want(t, s.Do("POST", base+"/magiclink", "", `{"email":"d@example.com","redirect_to":"https://app.example.com/in"}`), 202, "")
	_, token, _ := mailed(t, s, "d@example.com", 1)
	a := want(t, press(t, s, token, "continue"), http.StatusSeeOther, "")
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.String(), "https://app.example.com/in#") {
		t.Fatal(to, err)
	}
	fragment, err := url.ParseQuery(to.Fragment)
	if err != nil || fragment.Get("type") != "magiclink" || fragment.Get("token") == token {
		t.Fatal(fragment, err)
	}
	want(t, s.Do("POST", base+"/magiclink/verify", "", fmt.Sprintf(`{"token":%q}`, token)), 403, "otp_expired")
	s.Person("", s.Do("POST", base+"/magiclink/verify", "", fmt.Sprintf(`{"token":%q}`, fragment.Get("token"))))
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	want(t, s.Do("POST", base+"/password/reset", "", fmt.Sprintf(`{"email":%q}`, p.Email)), 202, "")
	_, token, _ := mailed(t, s, p.Email, 1)
	weak := s.Do("POST", base+"/password/reset/confirm", "", fmt.Sprintf(`{"token":%q,"password":"short"}`, token))
	want(t, weak, 400, "weak_password")
	n := s.Person(p.Email, s.Do("POST", base+"/password/reset/confirm", "", fmt.Sprintf(`{"token":%q,"password":"a-brand-new-password"}`, token)))
	if a := s.Do("POST", base+"/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)); a.Status != 401 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	want(t, s.Do("GET", base+"/user", n.Access, ""), 200, "")
	want(t, s.Do("POST", base+"/password/reset/confirm", "", fmt.Sprintf(`{"token":%q,"password":"a-brand-new-password"}`, token)), 403, "otp_expired")
	want(t, s.Do("POST", base+"/signin", "", fmt.Sprintf(`{"email":%q,"password":"a-brand-new-password"}`, p.Email)), 200, "")
}
