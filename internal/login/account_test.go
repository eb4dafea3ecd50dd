package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// deed is something that wants proof of who is there; code is a proof where one
// may be sent.
type deed struct {
	method, path string
	body         func(code string) []any
}

var deeds = []deed{
	{"PUT", "/user/email", func(string) []any { return []any{"email", "elsewhere@example.com"} }},
	{"POST", "/2fa/enroll", func(string) []any { return nil }},
	{"POST", "/2fa/enroll/verify", func(code string) []any { return []any{"code", code} }},
	{"POST", "/2fa/recovery-codes", func(string) []any { return nil }},
	{"POST", "/2fa/disable", func(string) []any { return nil }},
	{"DELETE", "/user", func(string) []any { return nil }},
}

// TestFreshAuthentication makes a session old: it changes nothing about how one
// signs in, and wrong proofs are recorded.
func TestFreshAuthentication(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	plain := s.SignUp()
	full, _ := enroll(t, s, s.SignUp())
	refused := func(p servertest.Person) {
		t.Helper()
		for _, d := range deeds {
			want(t, as(s, p, d.method, d.path, d.body("000000")...), 403, "reauthentication_needed")
		}
	}
	grown(t, s, plain)
	grown(t, s, full)
	refused(plain)
	refused(full)
	want(t, as(s, plain, "PUT", "/user/password", "current_password", "not-the-password", "new_password", "a-brand-new-password"), 400, "invalid_credentials")
	if !strings.Contains(as(s, plain, "PUT", "/user/password", "current_password", "not-the-password", "new_password", "a-brand-new-password").Body, `"/current_password"`) {
		t.Error("the fault does not point to the password that is there")
	}

	failed := func() int {
		return count(t, s, `select count(*) from auth.audit_log where action = 'user.reauthenticated' and outcome = 'failure'`)
	}
	before := failed()
	want(t, as(s, plain, "POST", "/reauthenticate", "password", "not-the-password"), 400, "invalid_credentials")
	want(t, as(s, full, "POST", "/reauthenticate", "code", "000000"), 403, "mfa_verification_failed")
	want(t, as(s, plain, "POST", "/reauthenticate", "code", "000000"), 403, "otp_expired")
	want(t, as(s, plain, "DELETE", "/user", "password", "not-the-password"), 400, "invalid_credentials")
	want(t, as(s, full, "POST", "/2fa/disable", "password", "not-the-password"), 400, "invalid_credentials")
	if n := failed() - before; n != 5 {
		t.Errorf("%d wrong proofs recorded", n)
	}
	refused(plain)
}

// TestProvenOnceMore makes an old session a fresh one, in each of the ways.
func TestProvenOnceMore(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	plain := s.SignUp()
	full, app := enroll(t, s, s.SignUp())
	passes := func(p servertest.Person) {
		t.Helper()
		want(t, as(s, p, "POST", "/2fa/enroll"), 200, "")
	}
	refused := func(p servertest.Person) {
		t.Helper()
		want(t, as(s, p, "POST", "/2fa/enroll"), 403, "reauthentication_needed")
	}
	grown(t, s, plain)
	grown(t, s, full)
	refused(full)
	var fresh struct {
		AuthTime int64 `json:"auth_time"`
	}
	want(t, as(s, plain, "POST", "/reauthenticate", "password", servertest.Password), 200, "").JSON(t, &fresh)
	if age := time.Now().Unix() - fresh.AuthTime; age < -5 || age > 60 {
		t.Errorf("auth_time is %d s ago", age)
	}
	passes(plain)
	want(t, as(s, full, "POST", "/reauthenticate", "code", app.code(t)), 200, "")
	passes(full)
	grown(t, s, full)
	want(t, as(s, full, "POST", "/reauthenticate", "code", app.recovery[0]), 200, "")
	passes(full)
	grown(t, s, plain)
	want(t, s.Do("POST", base+"/reauthenticate", plain.Access, ""), 202, "")
	_, token, code := mailed(t, s, plain.Email, 1)
	if token != "" {
		t.Error("there is a link in a mail whose code goes into the page that asked")
	}
	refused(plain)
	want(t, as(s, plain, "POST", "/reauthenticate", "code", code), 200, "")
	passes(plain)
	want(t, as(s, plain, "POST", "/reauthenticate", "code", code), 403, "otp_expired")

	// What sends a proof along passes, too, and a session that is over does not.
	grown(t, s, plain)
	want(t, as(s, plain, "PUT", "/user/password", "current_password", servertest.Password, "new_password", "a-brand-new-password"), 200, "")
	passes(plain)
	for _, who := range []servertest.Person{plain, full} {
		s.DB.Exec(t, `update auth.sessions set authenticated_at = now() - interval '14 minutes' where id = $1`, who.Session)
		passes(who)
	}
	want(t, as(s, full, "POST", "/2fa/recovery-codes"), 200, "")
	grown(t, s, full)
	want(t, as(s, full, "DELETE", "/user", "code", app.code(t)), 204, "")
	want(t, as(s, plain, "DELETE", "/user"), 204, "")
}

// TestNobodyActsForOthersHere impersonates a user: the session changes nothing
// about how they sign in, whatever it sends along.
func TestNobodyActsForOthersHere(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	acting := s.Person(p.Email, s.Do("POST", "/api/v1/admin/users/"+p.ID+"/impersonate", s.ServiceKey, j("reason", "ticket 1")))
	for _, d := range deeds {
		want(t, as(s, acting, d.method, d.path, d.body("000000")...), 403, "impersonation_not_allowed")
	}
	for _, c := range []struct {
		method, path string
		pairs        []any
	}{
		{"PUT", "/user/password", []any{"current_password", servertest.Password, "new_password", "a-brand-new-password"}},
		{"PUT", "/user/email", []any{"email", "x@example.com", "password", servertest.Password}},
		{"DELETE", "/user", []any{"password", servertest.Password}},
		{"POST", "/reauthenticate", nil},
		{"POST", "/reauthenticate", []any{"password", servertest.Password}},
		{"POST", "/2fa/disable", []any{"password", servertest.Password}},
	} {
		want(t, as(s, acting, c.method, c.path, c.pairs...), 403, "impersonation_not_allowed")
	}
	guest := s.Person("", s.Do("POST", base+"/anonymous", "", ""))
	acting = s.Person("", s.Do("POST", "/api/v1/admin/users/"+guest.ID+"/impersonate", s.ServiceKey, j("reason", "ticket 1")))
	want(t, as(s, acting, "POST", "/anonymous/convert", "email", "x@example.com", "password", "a-long-password"), 403, "impersonation_not_allowed")
	want(t, as(s, acting, "DELETE", "/user"), 403, "impersonation_not_allowed")
	want(t, as(s, p, "DELETE", "/user"), 204, "") // control
}

// TestEmailChange goes through a change of address where both mailboxes agree.
func TestEmailChange(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	p := confirmed(t, s, "old@example.com")
	elsewhere := s.Person(p.Email, signIn(s, p, servertest.Password))
	owner := confirmed(t, s, "taken@example.com")
	want(t, post(s, "/magiclink", "email", "old@example.com"), 202, "")
	want(t, post(s, "/password/reset", "email", "old@example.com"), 202, "")
	earlier := letters(t, s, "old@example.com", 3)[:2]

	want(t, as(s, p, "PUT", "/user/email", "email", "Old@Example.com"), 400, "email_unchanged")
	free := want(t, as(s, p, "PUT", "/user/email", "email", "first@example.com"), 200, "")
	taken := want(t, as(s, p, "PUT", "/user/email", "email", owner.Email), 200, "")
	if str(t, taken, "new_email") != owner.Email || str(t, free, "new_email") != "first@example.com" || str(t, taken, "email") != p.Email {
		t.Errorf("%s %s", free.Body, taken.Body)
	}
	if m, token, code := mailed(t, s, owner.Email, 2); token != "" || code != "" {
		t.Errorf("whoever has the address gets a link: %s", m.Text)
	}
	first := letters(t, s, "first@example.com", 1)[0]
	want(t, post(s, "/verify-email", "token", first.token), 403, "otp_expired") // replaced

	s.DB.Exec(t, `update auth.flows set created_at = created_at - interval '2 hours' where email = 'old@example.com'`)
	letters(t, s, "old@example.com", 5)
	agree := next(t, s, "old@example.com", func() { want(t, as(s, p, "PUT", "/user/email", "email", "new@example.com"), 200, "") })
	other := letters(t, s, "new@example.com", 1)[0]
	if !strings.Contains(agree.Text, "new@example.com") {
		t.Errorf("the mail does not say which address is wanted: %s", agree.Text)
	}
	// The new mailbox alone opens nothing, and does not become the account's.
	half := want(t, post(s, "/verify-email", "email", "new@example.com", "code", other.code), 200, "")
	if strings.Contains(half.Body, "_token") || !strings.Contains(half.Body, `"session":null`) || strings.Contains(half.Body, "old@example.com") {
		t.Errorf("one half: %s", half.Body)
	}
	if a := as(s, p, "GET", "/user"); str(t, a, "email") != "old@example.com" {
		t.Errorf("after one half: %s", a.Body)
	}
	want(t, post(s, "/magiclink/verify", "token", agree.token), 403, "otp_expired")
	done := want(t, post(s, "/verify-email", "token", agree.token), 200, "")
	full := s.Person("new@example.com", done)
	if a := as(s, full, "GET", "/user"); str(t, a, "email") != "new@example.com" || strings.Contains(a.Body, `"new_email":"`) {
		t.Error(a.Body)
	}
	for _, ended := range []servertest.Person{p, elsewhere} {
		if r := endReason(t, s, ended); r != "email_changed" {
			t.Errorf("%q", r)
		}
	}
	for _, l := range earlier {
		want(t, post(s, "/magiclink/verify", "token", l.token), 403, "otp_expired")
		want(t, post(s, "/password/reset/confirm", "token", l.token, "password", "another-long-password"), 403, "otp_expired")
		want(t, press(t, s, l.token, "approve"), 403, "")
	}
	if notice, token, _ := mailed(t, s, "old@example.com", 7); token != "" || !strings.Contains(notice.Text, "new@example.com") && !strings.Contains(notice.Text, "old@example.com") {
		t.Errorf("%s: %s", notice.Subject, notice.Text)
	}
	want(t, in(s, "old@example.com", servertest.Password), 401, "invalid_credentials")
	want(t, in(s, "new@example.com", servertest.Password), 200, "")
}

// TestEmailChangeIsForgotten: what takes an account back also takes back a
// change of address that somebody else may have begun, and a denied one never
// happens.
func TestEmailChangeIsForgotten(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	p := confirmed(t, s, "back@example.com")
	agree := next(t, s, p.Email, func() { want(t, as(s, p, "PUT", "/user/email", "email", "thief@example.com"), 200, "") })
	thiefs := letters(t, s, "thief@example.com", 1)[0]
	want(t, press(t, s, thiefs.token, "approve"), 200, "")
	reset := next(t, s, p.Email, func() { want(t, post(s, "/password/reset", "email", p.Email), 202, "") })
	q := s.Person(p.Email, post(s, "/password/reset/confirm", "token", reset.token, "password", owners))
	want(t, press(t, s, agree.token, "approve"), 403, "")
	if a := as(s, q, "GET", "/user"); str(t, a, "email") != p.Email || strings.Contains(a.Body, "thief") {
		t.Error(a.Body)
	}

	current := next(t, s, p.Email, func() { want(t, as(s, q, "PUT", "/user/email", "email", "denied@example.com"), 200, "") })
	denied := letters(t, s, "denied@example.com", 1)[0]
	want(t, press(t, s, current.token, "deny"), 200, "")
	want(t, press(t, s, denied.token, "approve"), 403, "")
	if a := as(s, q, "GET", "/user"); str(t, a, "email") != p.Email {
		t.Error(a.Body)
	}
}

// TestEmailChangeWithoutProof happens at once.
func TestEmailChangeWithoutProof(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, taken := s.SignUp(), s.SignUp()
	elsewhere := s.Person(p.Email, signIn(s, p, servertest.Password))
	want(t, as(s, p, "PUT", "/user/email", "email", taken.Email), 409, "user_already_exists")
	a := want(t, as(s, p, "PUT", "/user/email", "email", "at-once@example.com", "password", servertest.Password), 200, "")
	if str(t, a, "email") != "at-once@example.com" || !strings.Contains(a.Body, `"email_verified":false`) {
		t.Error(a.Body)
	}
	if r := endReason(t, s, elsewhere); r != "email_changed" {
		t.Errorf("%q", r)
	}
	mailed(t, s, p.Email, 1)
	s.Person("", post(s, "/refresh", "refresh_token", p.Refresh))
	guest := s.Person("", s.Do("POST", base+"/anonymous", "", ""))
	want(t, as(s, guest, "PUT", "/user/email", "email", "x@example.com"), 409, "anonymous_user")
	want(t, as(s, guest, "PUT", "/user/password", "new_password", "a-long-password"), 409, "anonymous_user")
	want(t, as(s, guest, "POST", "/2fa/enroll"), 409, "anonymous_user")
	want(t, as(s, guest, "POST", "/reauthenticate"), 409, "anonymous_user")
}

// TestPasswordChangeEndsOthers and what was mailed before.
func TestPasswordChangeEndsOthers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	elsewhere := s.Person(p.Email, signIn(s, p, servertest.Password))
	want(t, post(s, "/magiclink", "email", p.Email), 202, "")
	want(t, post(s, "/password/reset", "email", p.Email), 202, "")
	earlier := letters(t, s, p.Email, 2)
	change := func(pairs ...any) servertest.Answer { return as(s, p, "PUT", "/user/password", pairs...) }
	want(t, change("new_password", "a-brand-new-password"), 400, "current_password_required")
	want(t, change("current_password", servertest.Password, "new_password", "short"), 400, "weak_password")
	want(t, change("current_password", servertest.Password, "new_password", p.Email), 400, "weak_password")
	want(t, change("current_password", servertest.Password, "new_password", "a-brand-new-password"), 200, "")
	if r := endReason(t, s, elsewhere); r != "password_changed" {
		t.Errorf("%q", r)
	}
	for _, l := range earlier {
		want(t, press(t, s, l.token, "approve"), 403, "")
		want(t, post(s, "/magiclink/verify", "token", l.token), 403, "otp_expired")
		want(t, post(s, "/password/reset/confirm", "token", l.token, "password", "another-long-password"), 403, "otp_expired")
	}
	want(t, signIn(s, p, servertest.Password), 401, "invalid_credentials")
	want(t, signIn(s, p, "a-brand-new-password"), 200, "")
	s.Person("", post(s, "/refresh", "refresh_token", p.Refresh))
	mailed(t, s, p.Email, 3) // the notice

	// Whoever has no password sets one, with fresh authentication.
	want(t, post(s, "/magiclink", "email", "bare@example.com"), 202, "")
	bare := s.Person("bare@example.com", post(s, "/magiclink/verify", "token", letters(t, s, "bare@example.com", 1)[0].token))
	grown(t, s, bare)
	want(t, as(s, bare, "PUT", "/user/password", "new_password", "a-first-password"), 403, "reauthentication_needed")
	s.DB.Exec(t, `update auth.sessions set authenticated_at = now() where id = $1`, bare.Session)
	want(t, as(s, bare, "PUT", "/user/password", "current_password", "nothing-there", "new_password", "a-first-password"), 400, "invalid_credentials")
	want(t, as(s, bare, "PUT", "/user/password", "new_password", "a-first-password"), 200, "")
	want(t, in(s, "bare@example.com", "a-first-password"), 200, "")
}

// TestAccountsEndByTheirOwner deletes accounts with all that is theirs.
func TestAccountsEndByTheirOwner(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, _ := enroll(t, s, s.SignUp())
	elsewhere := s.SignUp()
	want(t, post(s, "/magiclink", "email", p.Email), 202, "")
	link := letters(t, s, p.Email, 2)
	guest := s.Person("", s.Do("POST", base+"/anonymous", "", ""))
	grown(t, s, guest)
	for _, who := range []servertest.Person{p, guest} {
		want(t, as(s, who, "DELETE", "/user"), 204, "")
		if a := as(s, who, "GET", "/user"); a.Status != 401 {
			t.Errorf("its token: %d", a.Status)
		}
		if a := post(s, "/refresh", "refresh_token", who.Refresh); a.Status != 401 {
			t.Errorf("its refresh token: %d", a.Status)
		}
		for _, table := range []string{"users where id", "sessions where user_id", "passwords where user_id", "identities where user_id", "flows where user_id", "totp_factors where user_id", "recovery_codes where user_id"} {
			if n := count(t, s, `select count(*) from auth.`+table+` = $1`, who.ID); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
		if n := count(t, s, `select count(*) from auth.audit_log where action = 'user.deleted' and target_id = $1`, who.ID); n != 1 {
			t.Errorf("%d records", n)
		}
	}
	for _, l := range link {
		if l.token != "" {
			want(t, post(s, "/magiclink/verify", "token", l.token), 403, "otp_expired")
		}
	}
	want(t, signIn(s, p, servertest.Password), 401, "invalid_credentials")
	want(t, as(s, elsewhere, "GET", "/user"), 200, "")
}
