package login_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// other is a code that is not this one.
func other(code string, i int) string {
	last := (int(code[5]-'0') + 1 + i%9) % 10
	return fmt.Sprintf("%s%d", code[:5], last)
}

// TestCodesAreGoodForFiveTries guesses 200 times at once: five of the guesses are
// looked at, then the code is dead, and the link beside it is not.
func TestCodesAreGoodForFiveTries(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for i, email := range []string{"guessed@example.com", "four@example.com"} {
		want(t, post(s, "/magiclink", "email", email), 202, "")
		_, token, code := mailed(t, s, email, 1)
		tries := []int{200, 4}[i]
		outcomes, _ := atOnce(tries, func(i int) servertest.Answer {
			return post(s, "/magiclink/verify", "email", email, "code", other(code, i))
		})
		if outcomes[expired] != tries {
			t.Errorf("%v", outcomes)
		}
		if n := count(t, s, `select code_tries from auth.flows where email = $1`, email); n != min(tries, 5) {
			t.Errorf("%d tries were counted", n)
		}
		right := post(s, "/magiclink/verify", "email", email, "code", code)
		if tries == 4 {
			s.Person("", right) // control
			continue
		}
		want(t, right, 403, "otp_expired")
		s.Person("", post(s, "/magiclink/verify", "token", token))
	}
}

// TestTriesCountWhateverHappens: the right code of somebody who may not come in
// is a try as well, and the transaction that is undone does not undo it.
func TestTriesCountWhateverHappens(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	want(t, post(s, "/magiclink", "email", p.Email), 202, "")
	_, _, code := mailed(t, s, p.Email, 1)
	s.DB.Exec(t, `update auth.users set banned_until = now() + interval '1 hour' where id = $1`, p.ID)
	for range 5 {
		want(t, post(s, "/magiclink/verify", "email", p.Email, "code", code), 403, "user_banned")
	}
	s.DB.Exec(t, `update auth.users set banned_until = null where id = $1`, p.ID)
	want(t, post(s, "/magiclink/verify", "email", p.Email, "code", code), 403, "otp_expired")
}

// TestCodesOfOthers offers codes where they do not belong.
func TestCodesOfOthers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, q := s.SignUp(), s.SignUp()
	want(t, post(s, "/magiclink", "email", p.Email), 202, "")
	want(t, post(s, "/magiclink", "email", q.Email), 202, "")
	mine, theirs := letters(t, s, p.Email, 1)[0], letters(t, s, q.Email, 1)[0]
	if mine.code == theirs.code {
		t.Skip("one in a million")
	}
	want(t, post(s, "/magiclink/verify", "email", q.Email, "code", mine.code), 403, "otp_expired")
	want(t, post(s, "/password/reset/confirm", "email", p.Email, "code", mine.code, "password", "another-long-password"), 403, "otp_expired")
	want(t, post(s, "/verify-email", "email", p.Email, "code", mine.code), 403, "otp_expired")
	want(t, as(s, p, "POST", "/reauthenticate", "code", mine.code), 403, "otp_expired")

	// The code of somebody else, with one's own address in the token.
	want(t, as(s, q, "POST", "/reauthenticate"), 202, "")
	again := letters(t, s, q.Email, 2)[0]
	want(t, as(s, p, "POST", "/reauthenticate", "code", again.code), 403, "otp_expired")
	want(t, as(s, q, "POST", "/reauthenticate", "code", again.code), 200, "")

	// An older one, unless the page that asked for it sends it.
	flow := str(t, post(s, "/magiclink", "email", "older@example.com"), "flow_id")
	older := letters(t, s, "older@example.com", 1)[0]
	newer := str(t, post(s, "/magiclink", "email", "older@example.com"), "flow_id")
	newest := letters(t, s, "older@example.com", 2)[0]
	want(t, post(s, "/magiclink/verify", "email", "older@example.com", "code", older.code), 403, "otp_expired")
	want(t, post(s, "/magiclink/verify", "email", "older@example.com", "code", older.code, "flow_id", newer), 403, "otp_expired")
	want(t, post(s, "/magiclink/verify", "email", p.Email, "code", older.code, "flow_id", flow), 403, "otp_expired")
	want(t, post(s, "/magiclink/verify", "email", "older@example.com", "code", newest.code, "flow_id", flow), 403, "otp_expired")
	s.Person("", post(s, "/magiclink/verify", "email", "older@example.com", "code", older.code[:3]+" "+older.code[3:], "flow_id", flow))
	s.Person("", post(s, "/magiclink/verify", "email", "older@example.com", "code", newest.code))
	want(t, post(s, "/magiclink/verify", "email", p.Email, "code", ""), 403, "otp_expired")
	s.Person("", post(s, "/magiclink/verify", "email", strings.ToUpper(p.Email), "code", mine.code))
}

// TestMailLimit asks for mail to one address forty times at once: five messages of a kind
// leave at most, the answers are alike, and what was not mailed has no code.
func TestMailLimit(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const email = "flood@example.com"
	outcomes, won := atOnce(40, func(i int) servertest.Answer {
		switch i % 4 {
		case 0:
			return post(s, "/password/reset", "email", email)
		case 1:
			return post(s, "/verify-email/resend", "email", email)
		case 2:
			return post(s, "/signup", "email", email, "password", "a-long-password")
		default:
			return post(s, "/magiclink", "email", strings.ToUpper(email))
		}
	})
	if len(won) != 40 || outcomes["202"] != 30 || outcomes["201"] != 10 {
		t.Errorf("%v", outcomes)
	}
	for _, a := range won {
		if (a.Status == 201 || len(a.Body) > 4) && !strings.Contains(a.Body, `"flow_id":"`) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if n := count(t, s, `select count(*) from auth.flows where email = $1`, email); n != 40 {
		t.Errorf("%d flows", n)
	}
	// Of the first five, those that nobody was to receive have no code either.
	if n := count(t, s, `select count(*) from auth.flows where email = $1 and code_digest is not null`, email); n > 10 {
		t.Errorf("%d flows have a code", n)
	}
	meant := func() int {
		return count(t, s, `select count(*) from auth.mail_messages where recipient = $1 and kind = 'magic_link' and status <> 'expired'`, email)
	}
	before := meant()
	if before > 5 {
		t.Errorf("%d messages", before)
	}
	for range 6 {
		want(t, post(s, "/magiclink", "email", email), 202, "")
	}
	if before = meant(); before != 5 {
		t.Errorf("%d messages", before)
	}
	s.DB.Exec(t, `update auth.flows set created_at = now() - interval '61 minutes' where email = $1`, email)
	want(t, post(s, "/magiclink", "email", email), 202, "")
	if meant() != before+1 {
		t.Error("control: nothing was mailed an hour later")
	}
	outcomes, _ = atOnce(20, func(int) servertest.Answer { return post(s, "/magiclink", "email", "exactly@example.com") })
	if n := count(t, s, `select count(*) from auth.mail_messages where recipient = 'exactly@example.com' and status <> 'expired'`); n < 1 || n > 5 || outcomes["202"] != 20 {
		t.Errorf("%d messages: %v", n, outcomes)
	}
}

// TestTriesOfAStranger: wrong codes of somebody who knows no more than the address
// are not counted against the page that asked, nor against the link, and the
// other way round; each has five of its own.
func TestTriesOfAStranger(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const email = "owner@example.com"
	ask := func(path string, more ...any) (flow string, l letter) {
		l = next(t, s, email, func() { flow = str(t, post(s, path, append(more, "email", email)...), "flow_id") })
		return flow, l
	}
	guess := func(l letter, flow string) {
		t.Helper()
		for i := range 5 {
			want(t, post(s, "/magiclink/verify", "email", email, "code", other(l.code, i), "flow_id", flow), 403, "otp_expired")
		}
	}
	flow, l := ask("/magiclink")
	guess(l, "")
	want(t, post(s, "/magiclink/verify", "email", email, "code", l.code), 403, "otp_expired") // control: their tries are used up
	s.Person("", post(s, "/magiclink/verify", "email", email, "code", l.code, "flow_id", flow))

	flow, l = ask("/magiclink")
	guess(l, flow)
	want(t, post(s, "/magiclink/verify", "email", email, "code", l.code, "flow_id", flow), 403, "otp_expired")
	s.Person("", post(s, "/magiclink/verify", "email", email, "code", l.code))

	const fresh = "fresh@example.com" // the password behind the link of a sign-up that was made elsewhere
	signUpElsewhere(t, s, fresh, owners)
	l = letters(t, s, fresh, 1)[0]
	for i := range 5 {
		want(t, post(s, "/verify-email", "email", fresh, "code", other(l.code, i)), 403, "otp_expired")
	}
	want(t, press(t, s, l.token, "approve", "password", owners), 200, "")
	want(t, in(s, fresh, owners), 200, "")
}
