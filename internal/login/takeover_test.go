package login_test

import (
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const (
	mallorys = "a-password-of-mallory"
	owners   = "a-password-of-the-owner"
)

func in(s *servertest.Server, email, password string) servertest.Answer {
	return post(s, "/signin", "email", email, "password", password)
}

// TestSignUpOfAStrangerFirst signs up with the address of somebody who comes
// later, in each of the ways in which they may come: what the stranger chose
// opens nothing.
func TestSignUpOfAStrangerFirst(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	stranger := func(email string) (flow string) {
		a := want(t, post(s, "/signup", "email", email, "password", mallorys, "data", map[string]any{"by": "mallory"}), 201, "")
		want(t, in(s, email, mallorys), 403, "email_not_confirmed")
		return str(t, a, "flow_id")
	}
	nothing := func(email, flow string) {
		t.Helper()
		if a := in(s, email, mallorys); a.Status == 200 {
			t.Errorf("the password of the stranger: %s", a.Body)
		}
		if a := post(s, "/flow", "flow_id", flow); a.Status == 200 {
			t.Errorf("the page of the stranger is in: %s", a.Body)
		}
		if n := count(t, s, `select count(*) from auth.users where email = $1 and email_verified_at is not null`, email); n != 1 {
			t.Errorf("%d accounts", n)
		}
	}

	flow := stranger("signs-up@example.com")
	theirs := letters(t, s, "signs-up@example.com", 2) // the second time when they tried to sign in
	own := next(t, s, "signs-up@example.com", func() {
		want(t, post(s, "/signup", "email", "signs-up@example.com", "password", owners), 201, "")
	})
	want(t, press(t, s, own.token, "approve"), 200, "")
	want(t, in(s, "signs-up@example.com", owners), 200, "")
	for _, l := range theirs {
		want(t, press(t, s, l.token, "approve"), 403, "")
		want(t, post(s, "/verify-email", "token", l.token), 403, "otp_expired")
	}
	s.DB.Exec(t, `update auth.flows set expires_at = now() where email = 'signs-up@example.com' and consumed_at is null`)
	nothing("signs-up@example.com", flow)

	flow = stranger("link@example.com")
	theirs = letters(t, s, "link@example.com", 2)
	own = next(t, s, "link@example.com", func() { want(t, post(s, "/magiclink", "email", "link@example.com"), 202, "") })
	p := s.Person("", post(s, "/magiclink/verify", "token", own.token))
	want(t, press(t, s, theirs[0].token, "approve"), 403, "")
	s.DB.Exec(t, `update auth.flows set expires_at = now() where email = 'link@example.com' and consumed_at is null`)
	nothing("link@example.com", flow)
	if a := as(s, p, "GET", "/user"); a.Status != 200 || str(t, a, "email") != "link@example.com" {
		t.Error(a.Body)
	}
	var user struct {
		UserMetadata map[string]any `json:"user_metadata"`
	}
	as(s, p, "GET", "/user").JSON(t, &user)
	if len(user.UserMetadata) != 0 {
		t.Errorf("what the stranger wrote is the owner's: %v", user.UserMetadata)
	}

	// Whoever denies a sign-up has nothing to fear from it.
	flow = stranger("denies@example.com")
	found := letters(t, s, "denies@example.com", 2)
	for _, l := range found {
		want(t, press(t, s, l.token, "deny"), 200, "")
	}
	want(t, post(s, "/flow", "flow_id", flow), 403, "flow_denied")
	want(t, in(s, "denies@example.com", mallorys), 401, "invalid_credentials")
	want(t, post(s, "/verify-email", "token", found[0].token), 403, "otp_expired")
}

// TestAccountOfAStrangerFirst makes an account where addresses are not proven,
// with all that can be put on one. Whoever proves the mailbox has it for
// themselves.
func TestAccountOfAStrangerFirst(t *testing.T) {
	t.Parallel()
	off := servertest.New(t)
	link := func(s *servertest.Server, email string, path string, pairs ...any) string {
		return next(t, s, email, func() {
			if a := post(s, path, append(pairs, "email", email)...); a.Status/100 != 2 {
				t.Fatalf("%s: %d %s", path, a.Status, a.Body)
			}
		}).token
	}
	for way, prove := range map[string]func(email string) servertest.Answer{
		"magic link": func(email string) servertest.Answer {
			return post(off, "/magiclink/verify", "token", link(off, email, "/magiclink"))
		},
		"reset": func(email string) servertest.Answer {
			return post(off, "/password/reset/confirm", "token", link(off, email, "/password/reset"), "password", owners)
		},
		"button": func(email string) servertest.Answer {
			var flow string
			l := next(t, off, email, func() { flow = str(t, post(off, "/magiclink", "email", email), "flow_id") })
			want(t, press(t, off, l.token, "approve"), 200, "")
			return post(off, "/flow", "flow_id", flow)
		},
	} {
		s := off
		p := s.SignUp()
		q := s.Person(p.Email, signIn(s, p, servertest.Password))
		p, app := enroll(t, s, p) // a notice is mailed
		token := str(t, want(t, signIn(s, p, servertest.Password), 200, ""), "mfa_token")
		s.DB.Exec(t, `update auth.users set new_email = 'mallory@example.com' where id = $1`, p.ID)

		// A second factor stays: no mailbox lifts one.
		proven := want(t, prove(p.Email), 200, "")
		second := str(t, proven, "mfa_token")
		if second == "" || strings.Contains(proven.Body, "access_token") {
			t.Fatalf("%s: %s", way, proven.Body)
		}
		owner := s.Person(p.Email, post(s, "/2fa/verify", "mfa_token", second, "code", app.code(t)))
		if owner.ID != p.ID {
			t.Errorf("%s: another account", way)
		}
		want(t, signIn(s, p, servertest.Password), 401, "invalid_credentials")
		want(t, post(s, "/2fa/verify", "mfa_token", token, "code", app.code(t)), 403, "otp_expired")
		for _, ended := range []servertest.Person{p, q} {
			if a := post(s, "/refresh", "refresh_token", ended.Refresh); a.Status != 401 {
				t.Errorf("%s: a session of the stranger's goes on: %d", way, a.Status)
			}
		}
		if n := count(t, s, `select count(*) from auth.totp_factors f join auth.users u on u.id = f.user_id where u.id = $1`, p.ID); n != 1 {
			t.Errorf("%s: %d factors", way, n)
		}
		if n := count(t, s, `select count(*) from auth.users where id = $1 and new_email is null and email_verified_at is not null`, p.ID); n != 1 {
			t.Errorf("%s: the change of address that the stranger has begun is still there", way)
		}
		if n := count(t, s, `select count(*) from auth.audit_log where action = 'user.credentials_wiped' and target_id = $1`, p.ID); n != 1 {
			t.Errorf("%s: %d records", way, n)
		}
		// Control: a second proof takes nothing away.
		want(t, as(s, owner, "GET", "/user"), 200, "")
		want(t, post(s, "/magiclink/verify", "token", link(s, p.Email, "/magiclink")), 200, "")
		if a := post(s, "/refresh", "refresh_token", owner.Refresh); a.Status != 200 {
			t.Errorf("%s: control: %d %s", way, a.Status, a.Body)
		}
	}
}

// TestPasswordThatIsKnownStays: whoever has an account from before addresses
// were proven signs in with its password and confirms what is mailed then.
func TestPasswordThatIsKnownStays(t *testing.T) {
	t.Parallel()
	off := servertest.New(t)
	p, q := off.SignUp(), off.SignUp()
	off.Stop()
	on := servertest.On(t, off.DB, required)
	want(t, signIn(on, p, servertest.Password), 403, "email_not_confirmed")
	_, token, _ := mailed(t, on, p.Email, 1)
	want(t, press(t, on, token, "approve"), 200, "")
	want(t, signIn(on, p, servertest.Password), 200, "")

	// Somebody else signs up with the address of such an account, and confirms.
	want(t, post(on, "/signup", "email", q.Email, "password", owners), 201, "")
	_, token, _ = mailed(t, on, q.Email, 1)
	want(t, press(t, on, token, "approve"), 200, "")
	want(t, signIn(on, q, servertest.Password), 401, "invalid_credentials")
	want(t, signIn(on, q, owners), 200, "")
	if r := endReason(t, on, q); r != "email_changed" {
		t.Errorf("%q", r)
	}
}

// TestSignUpForAnAccountThatThereIs changes nothing about it, and its owner gets
// a notice without a link or a code.
func TestSignUpForAnAccountThatThereIs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	p := confirmed(t, s, "owner@example.com")
	a := want(t, post(s, "/signup", "email", p.Email, "password", mallorys, "data", map[string]any{"x": 1}), 201, "")
	m, token, code := mailed(t, s, p.Email, 2)
	if token != "" || code != "" {
		t.Errorf("the notice has a link or a code: %s", m.Text)
	}
	// As for an address that nobody has: whoever fails cannot tell.
	want(t, in(s, p.Email, mallorys), 403, "email_not_confirmed")
	want(t, in(s, p.Email, servertest.Password), 200, "")
	var answer struct {
		User   struct{ ID string }
		FlowID string `json:"flow_id"`
	}
	a.JSON(t, &answer)
	if answer.User.ID == p.ID || answer.FlowID == "" {
		t.Error(a.Body)
	}
	want(t, as(s, p, "GET", "/user"), 200, "")
	if n := count(t, s, `select count(*) from auth.flows where email = $1 and code_digest is not null and consumed_at is null`, p.Email); n != 0 {
		t.Errorf("%d flows with a code", n)
	}
}
