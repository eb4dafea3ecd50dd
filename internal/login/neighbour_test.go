package login_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestProxyIsNobody: through a proxy that is not listed everybody has one
// address, and a user agent is easily guessed.
func TestProxyIsNobody(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]servertest.Option{
		"not listed":      {required},
		"listed and mute": {required, servertest.With("server.trusted_proxies", "127.0.0.0/8")},
	} {
		s := servertest.New(t, options...)
		behind := func(client, path, body, kind string) servertest.Answer {
			fields := []string{"Content-Type", kind}
			if name == "not listed" {
				fields = append(fields, "X-Forwarded-For", client)
			}
			return s.Do("POST", path, "", body, fields...)
		}
		want(t, behind("203.0.113.9", base+"/signup", j("email", "victim@example.com", "password", mallorys), "application/json"), 201, "")
		_, token, _ := mailed(t, s, "victim@example.com", 1)
		want(t, behind("198.51.100.7", "/verify", "action=approve&token="+token, "application/x-www-form-urlencoded"), 422, "")
		want(t, behind("198.51.100.7", base+"/verify-email", j("token", token), "application/json"), 200, "")
		want(t, in(s, "victim@example.com", mallorys), 401, "invalid_credentials")
	}

	// Control: a proxy that is listed says who is there.
	s := servertest.New(t, required, servertest.With("server.trusted_proxies", "127.0.0.0/8"))
	for client, status := range map[string]int{"203.0.113.9": 200, "198.51.100.7": 422} {
		email := fmt.Sprintf("control%d@example.com", status)
		want(t, s.Do("POST", base+"/signup", "", j("email", email, "password", owners), "X-Forwarded-For", "203.0.113.9"), 201, "")
		_, token, _ := mailed(t, s, email, 1)
		want(t, s.Do("POST", "/verify", "", "action=approve&token="+token, "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", client), status, "")
	}
}

// TestGatewayIsNobody: outside development an address of this machine or of a
// private network is that of what forwards for everybody.
func TestGatewayIsNobody(t *testing.T) {
	t.Parallel()
	box := mailtest.New(t, mailtest.Options{})
	staging := []servertest.Option{
		required, servertest.With("environment", "staging"), servertest.With("auth.bcrypt_cost", "10"),
		servertest.With("mail.smtp.host", box.Host), servertest.With("mail.smtp.port", strconv.Itoa(box.Port)),
		servertest.With("mail.smtp.security", "none"), servertest.With("mail.from", "api@example.com"),
	}
	direct := servertest.New(t, staging...)
	behind := servertest.New(t, append(staging, servertest.With("server.trusted_proxies", "127.0.0.0/8"))...)
	for name, c := range map[string]struct {
		server *servertest.Server
		client string // for whom a proxy asks
		status int
	}{
		"loopback": {direct, "", 422}, "a private network": {behind, "172.17.0.1", 422},
		"control": {behind, "203.0.113.9", 200},
	} {
		var fields []string
		if c.client != "" {
			fields = []string{"X-Forwarded-For", c.client}
		}
		email := strings.ReplaceAll(name, " ", "-") + "@example.com"
		want(t, c.server.Do("POST", base+"/signup", "", j("email", email, "password", mallorys), fields...), 201, "")
		link := linkPattern.FindStringSubmatch(strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(box.Next(t).Text))
		if link == nil {
			t.Fatalf("%s: no link", name)
		}
		a := c.server.Do("POST", "/verify", "", "action=approve&token="+link[1], append(fields, "Content-Type", form)...)
		want(t, a, c.status, "")
		if c.status == 422 {
			want(t, c.server.Do("POST", base+"/verify-email", "", j("token", link[1]), fields...), 200, "")
			want(t, in(c.server, email, mallorys), 401, "invalid_credentials")
		}
	}
}

// TestNeighbourCannotWait: somebody who shares device and address with the one
// who signed up is not signed in beside them.
func TestNeighbourCannotWait(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const email = "victim@example.com"
	want(t, post(s, "/signup", "email", email, "password", owners), 201, "")
	letters(t, s, email, 1)
	var flow string
	again := next(t, s, email, func() { flow = str(t, want(t, post(s, "/verify-email/resend", "email", email), 202, ""), "flow_id") })
	want(t, press(t, s, again.token, "approve"), 200, "")
	want(t, post(s, "/flow", "flow_id", flow), 403, "otp_expired")
	want(t, in(s, email, owners), 200, "") // it is the password of whoever signed up all the same

	// Control: the page that signed up waits for what it asks for once more.
	const other = "other@example.com"
	own := str(t, want(t, post(s, "/signup", "email", other, "password", owners), 201, ""), "flow_id")
	letters(t, s, other, 1)
	again = next(t, s, other, func() {
		flow = str(t, want(t, post(s, "/verify-email/resend", "email", other, "flow_id", own), 202, ""), "flow_id")
	})
	want(t, press(t, s, again.token, "approve"), 200, "")
	s.Person("", post(s, "/flow", "flow_id", flow))
}

// TestFlowBesideAToken proves nothing: only that of the page whose code it is.
func TestFlowBesideAToken(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	signUpElsewhere(t, s, "victim@example.com", mallorys)
	_, token, _ := mailed(t, s, "victim@example.com", 1)
	want(t, post(s, "/verify-email", "token", token, "flow_id", "anything"), 200, "")
	want(t, in(s, "victim@example.com", mallorys), 401, "invalid_credentials")
}

// TestChangeIsDeniedWhileItIsMade: neither waits for the other for ever.
func TestChangeIsDeniedWhileItIsMade(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required, servertest.With("auth.mail_limit", "1000"))
	p := confirmed(t, s, "owner@example.com")
	for i := range 15 {
		email := fmt.Sprintf("new%d@example.com", i)
		l := next(t, s, email, func() { want(t, as(s, p, "PUT", "/user/email", "email", email), 200, "") })
		outcomes, _ := atOnce(6, func(n int) servertest.Answer {
			if n == 0 {
				return press(t, s, l.token, "deny")
			}
			return as(s, p, "PUT", "/user/email", "email", fmt.Sprintf("other%d-%d@example.com", i, n))
		})
		for outcome := range outcomes {
			if outcome != "200" && !strings.HasPrefix(outcome, "403") {
				t.Errorf("%v", outcomes)
			}
		}
	}
}

// TestKeyTakesItsSessionsAlong: whoever had a key that is revoked acts as nobody
// any more.
func TestKeyTakesItsSessionsAlong(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	ctx := context.Background()
	key, err := s.Keys.Create(ctx, apikey.Service, apikey.New{Name: "leaked"}, audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	disguised := func(key string) servertest.Person {
		return s.Person(p.Email, want(t, s.Do("POST", "/api/v1/admin/users/"+p.ID+"/impersonate", key, `{"reason":"a test"}`), 201, ""))
	}
	theirs, other := disguised(key.Text), disguised(s.ServiceKey)
	if err := s.Keys.Revoke(ctx, apikey.Service, key.ID, audit.Actor{}); err != nil {
		t.Fatal(err)
	}
	want(t, post(s, "/refresh", "refresh_token", theirs.Refresh), 401, "session_ended")
	want(t, as(s, other, "GET", "/session"), 200, "") // control: of another key
	want(t, as(s, p, "GET", "/session"), 200, "")     // control: their own
}

// TestConversionTellsNothing: to a guest an address that somebody has is like any
// other; its owner gets a notice without a link or a code.
func TestConversionTellsNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	p := confirmed(t, s, "known1@example.com")
	guest := s.Person("", post(s, "/anonymous"))
	var answers []string
	for _, email := range []string{p.Email, "unknown1@example.com"} {
		a := want(t, as(s, guest, "POST", "/anonymous/convert", "email", email, "password", mallorys), 200, "")
		want(t, in(s, email, mallorys), 403, "email_not_confirmed")
		var answer map[string]any
		a.JSON(t, &answer)
		delete(answer, "session") // tokens
		delete(answer, "flow_id")
		answers = append(answers, fmt.Sprint(answer))
	}
	if answers[0] != answers[1] {
		t.Errorf("%s\n%s", answers[0], answers[1])
	}
	if m, token, code := mailed(t, s, p.Email, 2); token != "" || code != "" {
		t.Error(m.Text)
	}
	want(t, in(s, p.Email, servertest.Password), 200, "")
	_, token, _ := mailed(t, s, "unknown1@example.com", 1) // control: the other address can be confirmed
	want(t, press(t, s, token, "approve"), 200, "")
}
