package login_test

import (
	"fmt"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// meant is how many messages of a kind an address was to receive.
func meant(t *testing.T, s *servertest.Server, email, kind string) int {
	t.Helper()
	return count(t, s, `select count(*) from auth.flows where email = $1 and kind = $2 and mailed`, email, kind)
}

// TestMailOfStrangersIsCountedApart: whoever asks for somebody's mail again and
// again keeps none from them, and gets no more than the limits by walking from
// network to network.
func TestMailOfStrangersIsCountedApart(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	const email, home, cafe = "owner@example.com", "203.0.113.7", "192.0.2.44"
	want(t, from(s, laptop, home, "/signup", "email", email, "password", owners), 201, "")
	want(t, from(s, laptop, "2001:db8:9:9::1", "/signin", "email", email, "password", owners), 200, "")
	var answers []string
	ask := func(address string, mails bool) {
		t.Helper()
		before := meant(t, s, email, "magic_link")
		a := want(t, from(s, laptop, address, "/magiclink", "email", email), 202, "")
		answers = append(answers, fmt.Sprint(a.Status, len(a.Body), len(a.Header)))
		if got := meant(t, s, email, "magic_link") > before; got != mails {
			t.Errorf("%s: mailed %t", address, got)
		}
	}
	for i := range 5 {
		ask(fmt.Sprintf("2001:db8:1:2::%x", i+1), true)
	}
	ask("2001:db8:1:2:a:b:c:d", false) // the same 64 bits
	ask(cafe, true)                    // the owner, from somewhere new
	for range 5 {
		ask("2001:db8:1:3::1", true)
	}
	ask("2001:db8:1:3::1", false)
	for i := range 4 {
		ask(fmt.Sprintf("198.51.100.%d", i), true)
	}
	ask("198.51.100.9", false) // the sixteenth
	for range 5 {
		ask(home, true) // where the owner has come in, which has five of its own
	}
	ask(home, false)
	ask("2001:db8:9:9:a:b:c:d", true)
	ask(cafe, false)
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("the answers differ: %s, %s", a, answers[0])
		}
	}
	before := meant(t, s, email, "recovery") // control: of another kind
	want(t, from(s, laptop, cafe, "/password/reset", "email", email), 202, "")
	if meant(t, s, email, "recovery") != before+1 {
		t.Error("control: no mail of another kind")
	}
	const stranger = "nobody@example.com" // without an account there is nowhere that is known
	for i := range 16 {
		want(t, from(s, laptop, fmt.Sprintf("198.51.100.%d", i), "/magiclink", "email", stranger), 202, "")
	}
	if n := meant(t, s, stranger, "magic_link"); n != 15 {
		t.Errorf("%d messages to an address without an account", n)
	}
}

// TestRefusedNetworksAreSilent: "This was not me" keeps further mail of the kind
// away from whoever asked, for a day, and no other.
func TestRefusedNetworksAreSilent(t *testing.T) {
	t.Parallel()
	s := noticing(t)
	const email, theirs, other = "owner@example.com", "2001:db8:1:2::1", "198.51.100.9"
	mails := func(address, path, kind string) bool {
		t.Helper()
		before := meant(t, s, email, kind)
		want(t, from(s, laptop, address, path, "email", email), 202, "")
		return meant(t, s, email, kind) > before
	}
	want(t, from(s, laptop, "203.0.113.7", "/signup", "email", email, "password", owners), 201, "")
	l := next(t, s, email, func() { mails(theirs, "/magiclink", "magic_link") })
	if !mails(theirs, "/magiclink", "magic_link") {
		t.Error("control: silent before anything was refused")
	}
	want(t, press(t, s, l.token, "deny"), 200, "")
	for _, c := range []struct {
		what, address, path, kind string
		mails                     bool
	}{
		{"the same network", "2001:db8:1:2:a:b:c:d", "/magiclink", "magic_link", false},
		{"another", other, "/magiclink", "magic_link", true},
		{"another kind", theirs, "/password/reset", "recovery", true},
	} {
		if got := mails(c.address, c.path, c.kind); got != c.mails {
			t.Errorf("%s: mailed %t", c.what, got)
		}
	}
	s.DB.Exec(t, `update auth.flows set denied_at = denied_at - interval '24 hours 1 minute' where denied_at is not null`)
	if !mails(theirs, "/magiclink", "magic_link") {
		t.Error("silent for more than a day")
	}

	// A proxy that nobody has listed is everybody.
	direct := servertest.New(t)
	const everybody = "everybody@example.com"
	l = next(t, direct, everybody, func() { want(t, from(direct, laptop, other, "/magiclink", "email", everybody), 202, "") })
	want(t, press(t, direct, l.token, "deny"), 200, "")
	want(t, from(direct, laptop, other, "/magiclink", "email", everybody), 202, "")
	if n := meant(t, direct, everybody, "magic_link"); n != 2 {
		t.Errorf("behind a proxy that is not listed: %d messages", n)
	}
}
