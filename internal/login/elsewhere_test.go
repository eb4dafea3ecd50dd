package login_test

import (
	"fmt"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const (
	laptop  = "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36"
	updated = "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0 Safari/537.36"
	phone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
)

// noticing is a server behind a proxy, so that people come from where a test says.
func noticing(t *testing.T, options ...servertest.Option) *servertest.Server {
	t.Helper()
	return servertest.New(t, append(options, servertest.With("server.trusted_proxies", "127.0.0.1/32"))...)
}

// from sends a JSON object from a device and an address.
func from(s *servertest.Server, agent, address, path string, pairs ...any) servertest.Answer {
	return s.Do("POST", base+path, "", j(pairs...), "User-Agent", agent, "X-Forwarded-For", address)
}

// notices is how many people have been told of a sign-in.
func notices(t *testing.T, s *servertest.Server) int {
	t.Helper()
	return count(t, s, `select count(*) from auth.mail_messages where kind = 'sign_in_elsewhere'`)
}

// anHourLater is when the owner of an account may be told again.
func anHourLater(t *testing.T, s *servertest.Server) {
	t.Helper()
	s.DB.Exec(t, `update auth.users set sign_in_noticed_at = sign_in_noticed_at - interval '61 minutes' where sign_in_noticed_at is not null`)
}

// TestSignInFromElsewhere signs in from place to place.
func TestSignInFromElsewhere(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	const email = "alice@example.com"
	want(t, from(s, laptop, "203.0.113.7", "/signup", "email", email, "password", servertest.Password), 201, "")
	for _, c := range []struct {
		what, agent, address string
		later, told          bool
	}{
		{"the place of the sign-up", laptop, "203.0.113.7", false, false},
		{"a newer version", updated, "203.0.113.7", false, false},
		{"another device", phone, "203.0.113.7", false, true},
		{"another address, within the hour", laptop, "203.0.113.8", false, false},
		{"the same again, of which nobody has told", laptop, "203.0.113.8", true, true},
		{"and once more", laptop, "203.0.113.8", true, false},
		{"another address", laptop, "203.0.113.9", false, true},
		{"a network of IPv6", laptop, "2001:db8:1:2::1", true, true},
		{"another address in it", laptop, "2001:db8:1:2:a:b:c:d", true, false},
		{"another network", laptop, "2001:db8:1:3::1", true, true},
		{"a program that names itself to nobody", "", "203.0.113.7", true, true},
		{"another such", "something of our own", "203.0.113.7", true, false},
	} {
		if c.later {
			anHourLater(t, s)
		}
		before := notices(t, s)
		want(t, from(s, c.agent, c.address, "/signin", "email", email, "password", servertest.Password), 200, "")
		if told := notices(t, s) > before; told != c.told {
			t.Errorf("%s: told %v, want %v", c.what, told, c.told)
		}
	}
	if n := notices(t, s); n != 6 {
		t.Errorf("%d notices", n)
	}
}

// TestNoticeSaysWhere reads a notice.
func TestNoticeSaysWhere(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	want(t, from(s, laptop, "203.0.113.7", "/signup", "email", "alice@example.com", "password", servertest.Password), 201, "")
	want(t, from(s, phone, "198.51.100.9", "/signin", "email", "alice@example.com", "password", "not-the-password"), 401, "invalid_credentials")
	if n := notices(t, s); n != 0 {
		t.Fatal("a wrong password is a sign-in")
	}
	want(t, from(s, phone, "198.51.100.9", "/signin", "email", "alice@example.com", "password", servertest.Password), 200, "")
	m := letters(t, s, "alice@example.com", 1)[0]
	if m.Subject != "A new sign-in to your account" || !contains(m.Text, "198.51.100.9", "Safari on iPhone", "alice@example.com") {
		t.Errorf("%s\n%s", m.Subject, m.Text)
	}
}

// TestEveryWayInIsNoticed comes in from elsewhere by a mailed link, by a reset and
// by a second factor.
func TestEveryWayInIsNoticed(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	const email = "alice@example.com"
	want(t, from(s, laptop, "203.0.113.7", "/signup", "email", email, "password", servertest.Password), 201, "")
	link := next(t, s, email, func() { post(s, "/magiclink", "email", email) })
	want(t, from(s, phone, "203.0.113.7", "/magiclink/verify", "token", link.token), 200, "")
	if n := notices(t, s); n != 1 {
		t.Fatalf("a mailed link: %d notices", n)
	}
	anHourLater(t, s)
	reset := next(t, s, email, func() { post(s, "/password/reset", "email", email) })
	want(t, from(s, phone, "203.0.113.8", "/password/reset/confirm", "token", reset.token, "password", "another-password"), 200, "")
	if n := notices(t, s); n != 1 {
		t.Fatalf("a reset, of which the owner is told: %d notices", n)
	}
	_, app := enroll(t, s, s.Person(email, from(s, phone, "203.0.113.8", "/signin", "email", email, "password", "another-password")))
	var answer struct {
		MFAToken string `json:"mfa_token"`
	}
	want(t, from(s, phone, "203.0.113.9", "/signin", "email", email, "password", "another-password"), 200, "").JSON(t, &answer)
	if n := notices(t, s); n != 1 {
		t.Fatalf("nobody has come in yet: %d notices", n)
	}
	want(t, from(s, phone, "203.0.113.9", "/2fa/verify", "mfa_token", answer.MFAToken, "code", app.code(t)), 200, "")
	if n := notices(t, s); n != 2 {
		t.Fatalf("a second factor: %d notices", n)
	}
}

// TestWhatMakesAPlaceKnown signs in where somebody has been put out, and where an
// operator was.
func TestWhatMakesAPlaceKnown(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	const email = "alice@example.com"
	p := s.Person(email, from(s, laptop, "203.0.113.7", "/signup", "email", email, "password", servertest.Password))
	signIn := func(address, password string) {
		t.Helper()
		want(t, from(s, laptop, address, "/signin", "email", email, "password", password), 200, "")
	}
	signIn("198.51.100.9", servertest.Password) // a thief
	anHourLater(t, s)
	want(t, as(s, p, "PUT", "/user/password", "current_password", servertest.Password, "new_password", "another-password"), 200, "")
	before := notices(t, s)
	signIn("203.0.113.7", "another-password")
	if n := notices(t, s); n != before {
		t.Error("the place where the password was changed is told of")
	}
	signIn("198.51.100.9", "another-password")
	if n := notices(t, s); n != before+1 {
		t.Error("a place whose session the change of the password has ended is known still")
	}
	anHourLater(t, s)
	want(t, s.Do("POST", "/api/v1/admin/users/"+p.ID+"/impersonate", s.ServiceKey, j("reason", "ticket 1"), "User-Agent", laptop, "X-Forwarded-For", "192.0.2.1"), 201, "")
	if n := notices(t, s); n != before+1 {
		t.Error("an operator who acts as the user has signed in")
	}
	signIn("192.0.2.1", "another-password")
	if n := notices(t, s); n != before+2 {
		t.Error("where an operator was is known")
	}
}

// TestNoticesAreOnePerHour signs in from many places at once.
func TestNoticesAreOnePerHour(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	const email = "alice@example.com"
	want(t, from(s, laptop, "203.0.113.7", "/signup", "email", email, "password", servertest.Password), 201, "")
	outcomes, won := atOnce(20, func(i int) servertest.Answer {
		return from(s, laptop, fmt.Sprintf("198.51.100.%d", i), "/signin", "email", email, "password", servertest.Password)
	})
	if n := notices(t, s); len(won) != 20 || n != 1 {
		t.Errorf("%v, %d notices", outcomes, n)
	}
}

// TestNoNotice comes in without one: the first time, also to an account that was
// brought along, without a name, and where notices are switched off.
func TestNoNotice(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	want(t, from(s, laptop, "203.0.113.7", "/anonymous"), 201, "")
	line := j("email", "bob@example.com", "email_verified", true, "last_sign_in_at", "2024-05-01T10:00:00Z",
		"password_digest", "$2a$04$SAsVxJqR9PpRJZwGGxI/P.kCDIBuXDIYVAN45bcu3YNoQsvGhI07e")
	want(t, s.Do("POST", "/api/v1/admin/users/import", s.ServiceKey, line, "Content-Type", "application/x-ndjson"), 200, "")
	first := next(t, s, "bob@example.com", func() { post(s, "/magiclink", "email", "bob@example.com") })
	want(t, from(s, laptop, "203.0.113.7", "/magiclink/verify", "token", first.token), 200, "")
	if n := notices(t, s); n != 0 {
		t.Errorf("%d notices about first sign-ins", n)
	}
	second := next(t, s, "bob@example.com", func() { post(s, "/magiclink", "email", "bob@example.com") })
	want(t, from(s, phone, "203.0.113.7", "/magiclink/verify", "token", second.token), 200, "")
	if n := notices(t, s); n != 1 {
		t.Errorf("control: %d notices about a second one", n)
	}

	off := noticing(t, servertest.With("auth.notify_new_sign_in", "false"))
	want(t, from(off, laptop, "203.0.113.7", "/signup", "email", "alice@example.com", "password", servertest.Password), 201, "")
	want(t, from(off, phone, "203.0.113.8", "/signin", "email", "alice@example.com", "password", servertest.Password), 200, "")
	if n := notices(t, off); n != 0 {
		t.Errorf("switched off: %d notices", n)
	}
}
