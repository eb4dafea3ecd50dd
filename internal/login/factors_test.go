package login_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestSecondFactorIsAlwaysAsked comes in by each way that proves a first factor:
// there is no session and no token of any use until the second.
func TestSecondFactorIsAlwaysAsked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const email = "two@example.com"
	p, app := enroll(t, s, confirmed(t, s, email))
	sessions := func() int {
		return count(t, s, `select count(*) from auth.sessions where user_id = $1 and ended_at is null`, p.ID)
	}
	link := func(path string, pairs ...any) letter {
		s.DB.Exec(t, `update auth.flows set created_at = created_at - interval '2 hours' where email = $1`, email)
		return next(t, s, email, func() { want(t, post(s, path, append(pairs, "email", email)...), 202, "") })
	}
	password := servertest.Password
	ways := map[string]func() servertest.Answer{
		"password":   func() servertest.Answer { return in(s, email, password) },
		"magic link": func() servertest.Answer { return post(s, "/magiclink/verify", "token", link("/magiclink").token) },
		"code": func() servertest.Answer {
			return post(s, "/magiclink/verify", "email", email, "code", link("/magiclink").code)
		},
		"waiting page": func() servertest.Answer {
			var flow string
			s.DB.Exec(t, `update auth.flows set created_at = created_at - interval '2 hours' where email = $1`, email)
			l := next(t, s, email, func() { flow = str(t, post(s, "/magiclink", "email", email), "flow_id") })
			want(t, press(t, s, l.token, "approve"), 200, "")
			return post(s, "/flow", "flow_id", flow)
		},
		"application": func() servertest.Answer {
			token := redirected(t, press(t, s, link("/magiclink", "redirect_to", app3000).token, "continue"))
			return post(s, "/magiclink/verify", "token", token)
		},
		"reset": func() servertest.Answer {
			password = "a-password-that-was-reset"
			return post(s, "/password/reset/confirm", "token", link("/password/reset").token, "password", password)
		},
		"confirmation": func() servertest.Answer {
			s.DB.Exec(t, `insert into auth.flows (id, kind, user_id, email, token_digest, expires_at)
				values (gen_random_uuid(), 'invite', $1, $2, sha256('invited'), now() + interval '1 minute')`, p.ID, email)
			return post(s, "/verify-email", "token", "invited")
		},
		"invitation": func() servertest.Answer {
			s.DB.Exec(t, `insert into auth.flows (id, kind, user_id, email, token_digest, expires_at)
				values (gen_random_uuid(), 'invite', $1, $2, sha256('invited twice'), now() + interval '1 minute')`, p.ID, email)
			password = "a-password-of-an-invitation"
			return post(s, "/password/reset/confirm", "token", "invited twice", "password", password)
		},
	}
	for way, enter := range ways {
		a := want(t, enter(), 200, "")
		live := sessions()
		var answer map[string]any
		a.JSON(t, &answer)
		token, _ := answer["mfa_token"].(string)
		if answer["requires_2fa"] != true || token == "" || answer["session"] != nil || answer["user"] != nil || fmt.Sprint(answer["methods"]) != "[totp recovery_code]" ||
			strings.Contains(a.Body, "_token\":\"") && strings.Count(a.Body, "_token\"") != 1 {
			t.Errorf("%s: %s", way, a.Body)
			continue
		}
		if way != "password" && way != "confirmation" {
			continue
		}
		refusedElsewhere(t, s, email, token)
		if n := sessions(); n != live {
			t.Errorf("%s: %d sessions, were %d", way, n, live)
		}
		full := s.Person(email, post(s, "/2fa/verify", "mfa_token", token, "code", app.code(t)))
		c := claimsOf(t, full)
		first := map[string]string{"password": "pwd", "confirmation": "email"}[way]
		if c["aal"] != "aal2" || fmt.Sprint(c["amr"]) != "["+first+" otp mfa]" {
			t.Errorf("%s: %v %v", way, c["aal"], c["amr"])
		}
		want(t, post(s, "/2fa/verify", "mfa_token", token, "code", app.code(t)), 403, "otp_expired")
	}
	want(t, in(s, email, password), 200, "")
}

const app3000 = "http://localhost:3000/in"

// refusedElsewhere offers the token of a second factor wherever tokens are taken.
func refusedElsewhere(t *testing.T, s *servertest.Server, email, token string) {
	t.Helper()
	for _, c := range []struct {
		path  string
		pairs []any
	}{
		{"/refresh", []any{"refresh_token", token}},
		{"/flow", []any{"flow_id", token}},
		{"/magiclink/verify", []any{"token", token}},
		{"/verify-email", []any{"token", token}},
		{"/password/reset/confirm", []any{"token", token, "password", "another-long-password"}},
		{"/magiclink/verify", []any{"email", email, "code", token}},
	} {
		if a := post(s, c.path, c.pairs...); a.Status != 401 && a.Status != 403 {
			t.Errorf("%s takes it: %d %s", c.path, a.Status, a.Body)
		}
	}
	for _, method := range []string{"GET", "DELETE"} {
		want(t, s.Do(method, base+"/user", token, ""), 401, "")
	}
	want(t, s.Do("GET", "/verify?token="+token, "", ""), 404, "")
	for _, action := range []string{"approve", "continue", "deny", "password"} {
		want(t, press(t, s, token, action), 403, "")
	}
}

// TestTokenOfASecondFactor is refused once it is over, for another user, and
// without a code; five wrong codes end it, however many come at once.
func TestTokenOfASecondFactor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, app := enroll(t, s, s.SignUp())
	q, others := enroll(t, s, s.SignUp())
	token := func(p servertest.Person) string {
		return str(t, want(t, signIn(s, p, servertest.Password), 200, ""), "mfa_token")
	}
	mine := token(p)
	want(t, post(s, "/2fa/verify", "mfa_token", mine, "code", others.code(t)), 403, "mfa_verification_failed")
	want(t, post(s, "/2fa/verify", "mfa_token", mine, "code", others.recovery[0]), 403, "mfa_verification_failed")
	want(t, post(s, "/2fa/verify", "mfa_token", mine, "code", ""), 403, "mfa_verification_failed")
	want(t, post(s, "/2fa/verify", "mfa_token", "", "code", app.code(t)), 403, "otp_expired")
	if a := s.Person(p.Email, post(s, "/2fa/verify", "mfa_token", mine, "code", app.recovery[0])); fmt.Sprint(claimsOf(t, a)["amr"]) != "[pwd recovery_code mfa]" {
		t.Error(claimsOf(t, a))
	}
	s.Person("", post(s, "/2fa/verify", "mfa_token", token(q), "code", others.code(t))) // control

	late := token(p)
	s.DB.Exec(t, `update auth.flows set expires_at = now() where user_id = $1`, p.ID)
	want(t, post(s, "/2fa/verify", "mfa_token", late, "code", app.code(t)), 403, "otp_expired")

	before := token(p)
	fresh := s.Person(p.Email, post(s, "/2fa/verify", "mfa_token", token(p), "code", app.code(t)))
	want(t, as(s, fresh, "PUT", "/user/password", "current_password", servertest.Password, "new_password", "a-brand-new-password"), 200, "")
	want(t, post(s, "/2fa/verify", "mfa_token", before, "code", app.code(t)), 403, "otp_expired")

	// Over several tokens: five in all, and the fifth waits.
	app.code(t)
	var tokens []string
	for range 4 {
		tokens = append(tokens, token(q))
	}
	right := others.code(t)
	outcomes, _ := atOnce(40, func(i int) servertest.Answer {
		return post(s, "/2fa/verify", "mfa_token", tokens[i%4], "code", other(right, i))
	})
	if outcomes["403 mfa_verification_failed"] != 5 || outcomes["429 over_request_rate_limit"]+outcomes[expired] != 35 {
		t.Errorf("%v", outcomes)
	}
	if a := post(s, "/2fa/verify", "mfa_token", token(q), "code", right); a.Status != 429 || a.Header.Get("Retry-After") == "" {
		t.Errorf("the right one right after: %d %s", a.Status, a.Body)
	}
	if n := count(t, s, `select count(*) from auth.audit_log where action = 'user.second_factor_rejected' and target_id = $1 and outcome = 'failure'`, q.ID); n < 5 {
		t.Errorf("%d rejections recorded", n)
	}
}

// TestFactorsChangeSessions enrols, adds and removes factors with several
// sessions.
func TestFactorsChangeSessions(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	elsewhere := s.Person(p.Email, signIn(s, p, servertest.Password))
	p, app := enroll(t, s, p)
	if r := endReason(t, s, elsewhere); r != "factor_changed" {
		t.Errorf("another session ended with %q", r)
	}
	if c := claimsOf(t, p); c["aal"] != "aal2" || !strings.Contains(fmt.Sprint(c["amr"]), "otp") || !strings.Contains(fmt.Sprint(c["amr"]), "pwd") {
		t.Errorf("%v", c)
	}
	if m, _, _ := mailed(t, s, p.Email, 1); !strings.Contains(m.Text, "factor") && !strings.Contains(m.Subject, "factor") && !strings.Contains(m.Subject, "authenticator") {
		t.Errorf("%s: %s", m.Subject, m.Text)
	}

	// A session of one factor, as one from before would be, changes nothing.
	weak := s.Person(p.Email, signInFully(t, s, p, app))
	s.DB.Exec(t, `update auth.sessions set aal = 'aal1', amr = '{pwd}' where id = $1`, weak.Session)
	weak = s.Person(p.Email, post(s, "/refresh", "refresh_token", weak.Refresh))
	for _, c := range deeds {
		want(t, as(s, weak, c.method, c.path, c.body(app.code(t))...), 403, "insufficient_aal")
	}
	want(t, as(s, weak, "GET", "/user"), 200, "")

	second := s.Person(p.Email, signInFully(t, s, p, app))
	var e struct{ ID, Secret string }
	want(t, as(s, p, "POST", "/2fa/enroll", "name", "Tablet"), 200, "").JSON(t, &e)
	tablet := authenticator{s: s, user: p.ID, secret: e.Secret}
	a := want(t, as(s, p, "POST", "/2fa/enroll/verify", "code", tablet.code(t), "id", e.ID), 200, "")
	if a.Body != `{"recovery_codes":[]}` && !strings.Contains(a.Body, `"recovery_codes":[]`) {
		t.Error(a.Body)
	}
	if r := endReason(t, s, second); r != "factor_changed" {
		t.Errorf("%q", r)
	}
	second = s.Person(p.Email, signInFully(t, s, p, app))
	want(t, as(s, p, "POST", "/2fa/disable", "code", tablet.code(t), "id", e.ID), 204, "")
	if r := endReason(t, s, second); r != "factor_changed" {
		t.Errorf("%q", r)
	}
	var status struct {
		Enabled bool
		Factors []any
		Left    int `json:"recovery_codes_left"`
	}
	want(t, as(s, p, "GET", "/2fa"), 200, "").JSON(t, &status)
	if !status.Enabled || len(status.Factors) != 1 || status.Left != 10 {
		t.Errorf("%+v", status)
	}
	stranger, _ := enroll(t, s, s.SignUp())
	want(t, as(s, stranger, "POST", "/2fa/disable", "id", firstFactor(t, s, p)), 404, "mfa_factor_not_found")
	want(t, as(s, p, "POST", "/2fa/disable", "password", servertest.Password), 204, "")
	want(t, as(s, p, "POST", "/2fa/disable", "password", servertest.Password), 404, "mfa_factor_not_found")
	s.Person("", signIn(s, p, servertest.Password)) // without a second factor
	if n := count(t, s, `select count(*) from auth.sealed_values v where not exists (select from auth.totp_factors f where f.sealed_id = v.id) and v.purpose like '%totp%'`); n != 0 {
		t.Errorf("%d seeds left over", n)
	}
}

func firstFactor(t *testing.T, s *servertest.Server, p servertest.Person) (factor string) {
	t.Helper()
	s.DB.Scan(t, `select id::text from auth.totp_factors where user_id = $1 limit 1`, []any{p.ID}, &factor)
	return factor
}

func signInFully(t *testing.T, s *servertest.Server, p servertest.Person, app authenticator) servertest.Answer {
	t.Helper()
	return post(s, "/2fa/verify", "mfa_token", str(t, signIn(s, p, servertest.Password), "mfa_token"), "code", app.code(t))
}

// TestResetLeavesTheSecondFactor: a new password by mail lifts nothing.
func TestResetLeavesTheSecondFactor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	p, app := enroll(t, s, confirmed(t, s, "reset@example.com"))
	link := next(t, s, p.Email, func() { want(t, post(s, "/password/reset", "email", p.Email), 202, "") })
	want(t, press(t, s, link.token, "password", "password", "a-brand-new-password", "again", "a-brand-new-password"), 200, "")
	token := str(t, want(t, in(s, p.Email, "a-brand-new-password"), 200, ""), "mfa_token")
	s.Person("", post(s, "/2fa/verify", "mfa_token", token, "code", app.code(t)))
	if r := endReason(t, s, p); r != "password_changed" {
		t.Errorf("%q", r)
	}
}

// TestNewRecoveryCodesAreTold replaces the recovery codes: the owner of the
// address gets to know, who may have the old ones in a safe.
func TestNewRecoveryCodesAreTold(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, _ := enroll(t, s, s.SignUp())
	told := func() int {
		return count(t, s, `select count(*) from auth.mail_messages where kind = 'recovery_codes_made' and recipient = $1`, p.Email)
	}
	if told() != 0 {
		t.Fatal("control: the first ones")
	}
	want(t, as(s, p, "POST", "/2fa/recovery-codes", "password", "a-wrong-password"), 400, "")
	want(t, as(s, p, "POST", "/2fa/recovery-codes"), 200, "")
	if told() != 1 {
		t.Errorf("%d notices", told())
	}
}
