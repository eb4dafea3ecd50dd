package login_test

import (
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

const (
	home   = "203.0.113.7"
	street = "198.51.100.9" // where strangers are
	victim = "alice@example.com"
)

// guarded is a server whose accounts take three wrong passwords in a row, with
// one that is used from home.
func guarded(t *testing.T, options ...servertest.Option) *servertest.Server {
	t.Helper()
	s := noticing(t, append([]servertest.Option{servertest.With("auth.password_max_failures", "3")}, options...)...)
	want(t, from(s, laptop, home, "/signup", "email", victim, "password", servertest.Password), 201, "")
	return s
}

// guess signs in from the street.
func guess(s *servertest.Server, word string) servertest.Answer {
	return from(s, phone, street, "/signin", "email", victim, "password", word)
}

// exhaust sends as many wrong passwords as there may be.
func exhaust(t *testing.T, s *servertest.Server) {
	t.Helper()
	for range 3 {
		want(t, guess(s, "wrong"), 401, "invalid_credentials")
	}
}

// TestGuessesAreBounded guesses until even the right password is refused, in the
// words of a wrong one; and ends that in each way there is.
func TestGuessesAreBounded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *servertest.Server) (word string){
		"time": func(s *servertest.Server) string {
			s.DB.Exec(t, `update auth.password_attempts set last_at = last_at - interval '24 hours'`)
			return servertest.Password
		},
		"a reset by mail": func(s *servertest.Server) string {
			l := next(t, s, victim, func() { post(s, "/password/reset", "email", victim) })
			want(t, post(s, "/password/reset/confirm", "token", l.token, "password", "another-password"), 200, "")
			return "another-password"
		},
		"an administrator": func(s *servertest.Server) string {
			want(t, s.Do("POST", "/api/v1/admin/users/"+idOf(t, s)+"/factors/unlock", s.ServiceKey, ""), 200, "")
			return servertest.Password
		},
		"a password by an administrator": func(s *servertest.Server) string {
			want(t, s.Do("PATCH", "/api/v1/admin/users/"+idOf(t, s), s.ServiceKey, j("password", "another-password")), 200, "")
			return "another-password"
		},
	} {
		s := guarded(t)
		for range 2 {
			want(t, guess(s, "wrong"), 401, "invalid_credentials")
		}
		want(t, guess(s, servertest.Password), 200, "") // which is in time, and makes this a place that is known
		s.DB.Exec(t, `update auth.sessions set device = null where device like '%iPhone%'`)
		exhaust(t, s)
		var before, after time.Time
		s.DB.Scan(t, `select max(last_at) from auth.password_attempts`, nil, &before)
		right, wrong := guess(s, servertest.Password), guess(s, "wrong")
		if mask(right) != mask(wrong) {
			t.Errorf("%s:\n%s\n%s", name, mask(right), mask(wrong))
		}
		want(t, right, 401, "invalid_credentials")
		if s.DB.Scan(t, `select max(last_at) from auth.password_attempts`, nil, &after); !after.Equal(before) {
			t.Errorf("%s: what is refused prolongs the wait", name)
		}
		want(t, from(s, laptop, home, "/signin", "email", victim, "password", servertest.Password), 200, "")
		want(t, guess(s, servertest.Password), 401, "invalid_credentials") // still, whoever is at home
		want(t, guess(s, end(s)), 200, "")
		if n := count(t, s, `select count(*) from auth.password_attempts where place = ''`); n != 0 {
			t.Errorf("%s: the right password leaves %d counts", name, n)
		}
	}
}

// idOf is the account of the victim.
func idOf(t *testing.T, s *servertest.Server) (id string) {
	t.Helper()
	s.DB.Scan(t, `select id::text from auth.users where email = $1`, []any{victim}, &id)
	return id
}

// TestGuessesFromAKnownPlace are bounded, too, by a count of their own, which a
// proxy that is not listed does not lead to.
func TestGuessesFromAKnownPlace(t *testing.T) {
	t.Parallel()
	s := guarded(t)
	atHome := func(word string) servertest.Answer {
		return from(s, laptop, home, "/signin", "email", victim, "password", word)
	}
	for range 3 {
		want(t, atHome("wrong"), 401, "invalid_credentials")
	}
	want(t, atHome(servertest.Password), 401, "invalid_credentials")
	want(t, guess(s, servertest.Password), 200, "")

	open := servertest.New(t, servertest.With("auth.password_max_failures", "3"))
	p := open.SignUp()
	through := func(word string, fields ...string) servertest.Answer {
		return open.Do("POST", base+"/signin", "", j("email", p.Email, "password", word), fields...)
	}
	for range 3 {
		want(t, through("wrong", "X-Forwarded-For", home), 401, "invalid_credentials")
	}
	want(t, through(servertest.Password, "X-Forwarded-For", home), 401, "invalid_credentials")
	want(t, through(servertest.Password), 200, "")
}

// TestGuessesAtOnce sends two hundred guesses at once: three are compared.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	s := guarded(t, servertest.With("auth.hash_queue", "1000"))
	outcomes, _ := atOnce(200, func(int) servertest.Answer { return guess(s, "wrong") })
	refused := count(t, s, `select count(*) from auth.audit_log where action = 'user.sign_in_rejected' and details ->> 'reason' = 'too_many_failures'`)
	compared := count(t, s, `select count(*) from auth.audit_log where action = 'user.sign_in_rejected'`) - refused
	if outcomes["401 invalid_credentials"] != 200 || compared != 3 || refused != 197 {
		t.Errorf("%v: %d compared, %d refused", outcomes, compared, refused)
	}
}

// TestWhatIsNotCompared does not count: the hashing workers were busy.
func TestWhatIsNotCompared(t *testing.T) {
	t.Parallel()
	s := guarded(t, servertest.With("auth.password_max_failures", "100"), servertest.With("auth.hash_queue", "0"), servertest.With("auth.hash_workers", "1"))
	outcomes, _ := atOnce(60, func(int) servertest.Answer { return guess(s, "wrong") })
	n := count(t, s, `select attempts from auth.password_attempts`)
	if n != outcomes["401 invalid_credentials"] || n == 60 || n+outcomes["503 over_hashing_capacity"] != 60 {
		t.Errorf("%v, %d counted", outcomes, n)
	}
}

// TestPasswordOfASignUpForgetsNothing guesses at an account, in turns with the
// password of a sign-up of one's own with its address.
func TestPasswordOfASignUpForgetsNothing(t *testing.T) {
	t.Parallel()
	s := noticing(t, required, servertest.With("auth.password_max_failures", "3"))
	want(t, s.Do("POST", "/api/v1/admin/users", s.ServiceKey, j("email", victim, "email_verified", true, "password", servertest.Password)), 201, "")
	const mine = "the-password-of-a-stranger"
	want(t, from(s, phone, street, "/signup", "email", victim, "password", mine), 201, "")
	for range 3 {
		want(t, guess(s, mine), 403, "email_not_confirmed")
		want(t, guess(s, "wrong"), 401, "invalid_credentials")
	}
	want(t, guess(s, servertest.Password), 401, "invalid_credentials")
	want(t, guess(s, mine), 401, "invalid_credentials")
	s.DB.Exec(t, `delete from auth.password_attempts`)
	for range 5 { // alone it is no guess
		want(t, guess(s, mine), 403, "email_not_confirmed")
	}
	want(t, guess(s, servertest.Password), 200, "")
}

// TestGuessesInASession counts those of whoever has taken over a session.
func TestGuessesInASession(t *testing.T) {
	t.Parallel()
	s := guarded(t)
	p := s.Person(victim, from(s, laptop, home, "/signin", "email", victim, "password", servertest.Password))
	prove := func(word string) servertest.Answer {
		return s.Do("POST", base+"/reauthenticate", p.Access, j("password", word), "User-Agent", phone, "X-Forwarded-For", street)
	}
	want(t, prove("wrong"), 400, "invalid_credentials")
	want(t, prove(servertest.Password), 200, "")
	for range 2 {
		want(t, prove("wrong"), 400, "invalid_credentials")
	}
	want(t, guess(s, "wrong"), 401, "invalid_credentials")
	want(t, prove(servertest.Password), 400, "invalid_credentials")
	want(t, guess(s, servertest.Password), 401, "invalid_credentials")
}

// TestCountsAreRemoved when they are over.
func TestCountsAreRemoved(t *testing.T) {
	t.Parallel()
	s := guarded(t)
	want(t, guess(s, "wrong"), 401, "invalid_credentials")
	s.DB.Exec(t, `insert into auth.password_attempts select sha256(n::text::bytea), '', 1, now() - interval '25 hours' from generate_series(1, 3) n`)
	passwords := &password.Service{}
	for _, more := range []bool{true, false} {
		if got, err := passwords.Clean(t.Context(), s.DB.Single(), 2); err != nil || got != more {
			t.Fatal(got, err)
		}
	}
	if n := count(t, s, `select count(*) from auth.password_attempts`); n != 1 {
		t.Errorf("%d are left", n)
	}
}
