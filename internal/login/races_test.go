package login_test

import (
	"fmt"
	"testing"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

const (
	many    = 50
	expired = "403 otp_expired"
	app     = "http://localhost:3000/in"
)

// TestLinksAreConsumedOnce sends each one-time artefact fifty times at once: one
// wins.
func TestLinksAreConsumedOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	ask := func(path, email string, pairs ...any) (flow, token, code string) {
		pairs = append(pairs, "email", email)
		flow = str(t, want(t, post(s, path, pairs...), 202, ""), "flow_id")
		_, token, code = mailed(t, s, email, 1)
		return flow, token, code
	}
	once := func(what, path string, pairs ...any) servertest.Answer {
		return oneOf(t, what, many, expired, func(int) servertest.Answer { return post(s, path, pairs...) })
	}

	flow, token, _ := ask("/magiclink", "link@example.com")
	s.Person("", once("magic link", "/magiclink/verify", "token", token))
	want(t, post(s, "/flow", "flow_id", flow), 403, "otp_expired")

	_, _, code := ask("/magiclink", "code@example.com")
	s.DB.Exec(t, `update auth.flows set code_tries = -100 where email = 'code@example.com'`) // all are let through to be consumed
	s.Person("", once("code", "/magiclink/verify", "email", "code@example.com", "code", code))

	want(t, post(s, "/signup", "email", "new@example.com", "password", "a-long-password"), 201, "")
	_, token, _ = mailed(t, s, "new@example.com", 1)
	s.Person("", once("sign-up", "/verify-email", "token", token))

	reset := next(t, s, "link@example.com", func() { want(t, post(s, "/password/reset", "email", "link@example.com"), 202, "") })
	s.Person("", once("reset", "/password/reset/confirm", "token", reset.token, "password", "another-long-password"))

	flow, token, _ = ask("/magiclink", "page@example.com")
	oneOf(t, "button", many, "403", func(int) servertest.Answer { return press(t, s, token, "approve") })
	s.Person("", oneOf(t, "waiting page", many, expired, func(int) servertest.Answer { return post(s, "/flow", "flow_id", flow) }))

	_, token, _ = ask("/magiclink", "over@example.com", "redirect_to", app)
	fresh := redirected(t, oneOf(t, "hand-over button", many, "403", func(int) servertest.Answer { return press(t, s, token, "continue") }))
	s.Person("", once("hand-over", "/magiclink/verify", "token", fresh))

	want(t, s.Do("POST", "/api/v1/admin/users/invite", s.ServiceKey, j("email", "guest@example.com")), 201, "")
	_, token, _ = mailed(t, s, "guest@example.com", 1)
	s.Person("", once("invitation", "/password/reset/confirm", "token", token, "password", "another-long-password"))
}

// TestSecondFactorsAreConsumedOnce does the same with what completes a sign-in.
func TestSecondFactorsAreConsumedOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, app := enroll(t, s, s.SignUp())
	token := func() string {
		token := str(t, want(t, signIn(s, p, servertest.Password), 200, ""), "mfa_token")
		s.DB.Exec(t, `update auth.flows set code_tries = -100 where user_id = $1 and consumed_at is null`, p.ID)
		return token
	}
	unlimited := func() {
		s.DB.Exec(t, `update auth.second_factor_attempts set attempts = 1, blocked_until = now() where user_id = $1`, p.ID)
	}
	send := func(what, token, code string, n int) {
		outcomes, won := atOnce(n, func(int) servertest.Answer { return post(s, "/2fa/verify", "mfa_token", token, "code", code) })
		if len(won) != 1 || outcomes["503"] > 0 || outcomes["409 serialization_failure"] > 0 {
			t.Errorf("%s: %v", what, outcomes)
		}
	}
	send("a code", token(), app.code(t), many)
	unlimited()
	first, second := token(), token()
	recovery := app.recovery[0]
	outcomes, won := atOnce(4, func(i int) servertest.Answer {
		return post(s, "/2fa/verify", "mfa_token", []string{first, second}[i%2], "code", recovery)
	})
	if len(won) != 1 {
		t.Errorf("a recovery code with two tokens: %v", outcomes)
	}
	if n := count(t, s, `select count(*) from auth.recovery_codes where user_id = $1 and used_at is not null`, p.ID); n != 1 {
		t.Errorf("%d recovery codes used", n)
	}
}

// TestBothHalvesAtOnce confirms a change of address in both mailboxes at the
// same instant, with several kinds of proof: it happens once.
func TestBothHalvesAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	for i := range 4 {
		old, later := fmt.Sprintf("old%d@example.com", i), fmt.Sprintf("next%d@example.com", i)
		p := confirmed(t, s, old)
		want(t, as(s, p, "PUT", "/user/email", "email", later), 200, "")
		_, newToken, newCode := mailed(t, s, later, 1)
		_, oldToken, _ := mailed(t, s, old, 2)
		outcomes, won := atOnce(many, func(i int) servertest.Answer {
			switch i % 3 {
			case 0:
				return press(t, s, oldToken, "approve")
			case 1:
				return press(t, s, newToken, "approve")
			default:
				return post(s, "/verify-email", "email", later, "code", newCode)
			}
		})
		if len(won) != 2 || outcomes["409 serialization_failure"] > 0 {
			t.Errorf("%v", outcomes)
		}
		if n := count(t, s, `select count(*) from auth.users where email = $1 and email_verified_at is not null and new_email is null`, later); n != 1 {
			t.Errorf("%d accounts with the new address", n)
		}
		if n := count(t, s, `select count(*) from auth.audit_log where action = 'user.email_changed' and target_id = $1`, p.ID); n != 1 {
			t.Errorf("it happened %d times", n)
		}
		mailed(t, s, old, 3) // the notice
		if r := endReason(t, s, p); r != "email_changed" {
			t.Errorf("the session ended with %q", r)
		}
	}
}

// TestOneAddressConfirmedByTwo has two people sign up with one address, and both
// links be confirmed at once: there is one account, with one of the passwords,
// and the other link is worthless then.
func TestOneAddressConfirmedByTwo(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const rounds = 5
	for i := range 2 * rounds {
		want(t, post(s, "/signup", "email", fmt.Sprintf("both%d@example.com", i/2), "password", fmt.Sprintf("the-password-of-%d", i%2)), 201, "")
	}
	for round := range rounds {
		email := fmt.Sprintf("both%d@example.com", round)
		both := letters(t, s, email, 2)
		oneOf(t, "confirmations", 2, "403", func(i int) servertest.Answer { return press(t, s, both[i].token, "approve") })
		for _, l := range both {
			if a := press(t, s, l.token, "approve"); a.Status != 403 {
				t.Errorf("afterwards: %d", a.Status)
			}
		}
		in := 0
		for i := range 2 {
			if post(s, "/signin", "email", email, "password", fmt.Sprintf("the-password-of-%d", i)).Status == 200 {
				in++
			}
		}
		if in != 1 {
			t.Errorf("%d of the passwords sign in", in)
		}
	}
}

// TestConversionsAtOnce converts one guest twice, and two guests to one address.
func TestConversionsAtOnce(t *testing.T) {
	t.Parallel()
	guest := func(s *servertest.Server) servertest.Person {
		return s.Person("", s.Do("POST", base+"/anonymous", "", ""))
	}
	convert := func(s *servertest.Server, p servertest.Person, email string) servertest.Answer {
		return as(s, p, "POST", "/anonymous/convert", "email", email, "password", "a-long-password")
	}
	off := servertest.New(t)
	p := guest(off)
	outcomes, won := atOnce(8, func(i int) servertest.Answer { return convert(off, p, fmt.Sprintf("one%d@example.com", i)) })
	if len(won) != 1 || outcomes["409 user_not_anonymous"]+outcomes["401 token_expired"] != 7 {
		t.Errorf("one guest: %v", outcomes)
	}
	guests := []servertest.Person{guest(off), guest(off), guest(off), guest(off)}
	oneOf(t, "one address", 4, "409 user_already_exists", func(i int) servertest.Answer { return convert(off, guests[i], "taken@example.com") })

	on := servertest.New(t, required)
	guests = []servertest.Person{guest(on), guest(on)}
	var tokens []string
	for i, g := range guests {
		want(t, convert(on, g, "taken@example.com"), 200, "")
		_, token, _ := mailed(t, on, "taken@example.com", i+1)
		tokens = append(tokens, token)
	}
	oneOf(t, "one address, confirmed", 2, "403", func(i int) servertest.Answer { return press(t, on, tokens[i], "approve") })
	if n := count(t, on, `select count(*) from auth.users where is_anonymous`); n != 1 {
		t.Errorf("%d guests left", n)
	}
}

// TestProofsAndChangesAtOnce changes a password while links of the account are
// being confirmed: neither waits for the other for ever, no link that was mailed
// before opens a session that outlives the change, and where the proof takes
// away what was there before, the change does not come after it.
func TestProofsAndChangesAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	people := make([]servertest.Person, 8)
	for i := range people {
		people[i] = s.SignUp()
		for range 2 {
			want(t, post(s, "/magiclink", "email", people[i].Email), 202, "")
		}
	}
	for i, p := range people {
		known := i%2 == 0
		if known {
			s.DB.Exec(t, `update auth.users set email_verified_at = now() where id = $1`, p.ID)
		}
		links := letters(t, s, p.Email, 2)
		outcomes, _ := atOnce(3, func(i int) servertest.Answer {
			if i == 2 {
				return as(s, p, "PUT", "/user/password", "current_password", servertest.Password, "new_password", "a-brand-new-password")
			}
			return post(s, "/magiclink/verify", "token", links[i].token)
		})
		for _, bad := range []string{"500 internal", "409 serialization_failure"} {
			if outcomes[bad] > 0 {
				t.Errorf("%v", outcomes)
			}
		}
		changed := count(t, s, `select count(*) from auth.audit_log where action = 'user.password_changed' and target_id = $1`, p.ID) == 1
		live := count(t, s, `select count(*) from auth.sessions where user_id = $1 and ended_at is null`, p.ID)
		switch {
		case known && (!changed || live != 1):
			t.Errorf("changed: %v, and %d sessions: %v", changed, live, outcomes)
		case !known && outcomes[expired] < 2 && count(t, s, `select count(*) from auth.passwords where user_id = $1`, p.ID) != 0:
			t.Errorf("a password outlives the proof: %v", outcomes)
		}
	}
}

// TestProofWaitsForAChange holds a change of an account open while a link of it
// is being confirmed: the change cancels the link, rather than each waiting for
// the other.
func TestProofWaitsForAChange(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	flow := str(t, want(t, post(s, "/magiclink", "email", p.Email), 202, ""), "flow_id")
	l := letters(t, s, p.Email, 1)[0]
	for what, send := range map[string]func() servertest.Answer{
		"token":  func() servertest.Answer { return post(s, "/magiclink/verify", "token", l.token) },
		"code":   func() servertest.Answer { return post(s, "/magiclink/verify", "email", p.Email, "code", l.code) },
		"button": func() servertest.Answer { return press(t, s, l.token, "approve") },
		"page": func() servertest.Answer {
			s.DB.Exec(t, `update auth.flows set proven_at = now() where email = $1`, p.Email)
			return post(s, "/flow", "flow_id", flow)
		},
	} {
		s.DB.Exec(t, `update auth.flows set consumed_at = null, proven_at = null where email = $1`, p.Email)
		answer := make(chan servertest.Answer, 1)
		err := s.DB.InTx(t.Context(), func(q postgres.Querier) error {
			if _, err := q.Exec(t.Context(), `select from auth.users where id = $1 for no key update`, p.ID); err != nil {
				return err
			}
			go func() { answer <- send() }()
			for waiting := 0; waiting == 0; { // until it waits for us
				if err := q.QueryRow(t.Context(), `select count(*) from pg_stat_activity where pg_backend_pid() = any (pg_blocking_pids(pid))`).Scan(&waiting); err != nil {
					return err
				}
			}
			_, err := q.Exec(t.Context(), `update auth.flows set consumed_at = now() where user_id = $1`, p.ID)
			return err
		})
		if err != nil {
			t.Errorf("%s: the change: %v", what, err)
		}
		if a := <-answer; a.Status != 403 {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
}

// confirmed is somebody whose address is proven.
func confirmed(t *testing.T, s *servertest.Server, email string) servertest.Person {
	t.Helper()
	want(t, post(s, "/signup", "email", email, "password", servertest.Password), 201, "")
	_, token, _ := mailed(t, s, email, 1)
	return s.Person(email, post(s, "/verify-email", "token", token))
}
