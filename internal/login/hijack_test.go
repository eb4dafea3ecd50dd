package login_test

import (
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

const elsewhere = "Mozilla/5.0 (Windows NT 10.0) Firefox/130.0" // the user agent of a stranger

// signUpElsewhere signs up from another device, and returns what the page there
// waits on.
func signUpElsewhere(t *testing.T, s *servertest.Server, email, password string) string {
	t.Helper()
	return str(t, want(t, s.Do("POST", base+"/signup", "", j("email", email, "password", password), "User-Agent", elsewhere), 201, ""), "flow_id")
}

// TestConfirmationFromElsewhere wants the password that was chosen before it
// takes it to the account.
func TestConfirmationFromElsewhere(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	flow := signUpElsewhere(t, s, "victim@example.com", mallorys)
	_, token, _ := mailed(t, s, "victim@example.com", 1)
	if page := s.Do("GET", "/verify?token="+token, "", ""); !strings.Contains(page.Body, `autocomplete="current-password"`) {
		t.Error(page.Body)
	}
	want(t, press(t, s, token, "approve"), 422, "")
	want(t, press(t, s, token, "approve", "password", owners), 422, "")
	if n := count(t, s, `select count(*) from auth.users`); n != 0 {
		t.Errorf("%d users", n)
	}
	// By the token itself the account is made, and what the stranger chose is not.
	p := s.Person("", post(s, "/verify-email", "token", token))
	want(t, in(s, "victim@example.com", mallorys), 401, "invalid_credentials")
	want(t, post(s, "/flow", "flow_id", flow), 403, "otp_expired")
	want(t, as(s, p, "PUT", "/user/password", "new_password", owners), 200, "")
	want(t, in(s, "victim@example.com", owners), 200, "")

	// Control: whoever knows the password confirms from anywhere, and the page that asked comes in.
	flow = signUpElsewhere(t, s, "two-devices@example.com", owners)
	_, token, _ = mailed(t, s, "two-devices@example.com", 1)
	want(t, press(t, s, token, "approve", "password", owners), 200, "")
	s.Person("", post(s, "/flow", "flow_id", flow))
	want(t, in(s, "two-devices@example.com", owners), 200, "")
}

// TestResendOfAStranger repeats the sign-up of whoever asks, and of nobody else.
func TestResendOfAStranger(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const email = "victim@example.com"
	own := str(t, want(t, post(s, "/signup", "email", email, "password", owners), 201, ""), "flow_id")
	strangers := signUpElsewhere(t, s, email, mallorys)
	letters(t, s, email, 2)
	again := next(t, s, email, func() { want(t, post(s, "/verify-email/resend", "email", email, "flow_id", own), 202, "") })
	want(t, press(t, s, again.token, "approve"), 200, "")
	want(t, in(s, email, owners), 200, "")
	if a := in(s, email, mallorys); a.Status == 200 {
		t.Error("the password of the stranger")
	}
	if a := post(s, "/flow", "flow_id", strangers); a.Status == 200 && strings.Contains(a.Body, "access_token") {
		t.Errorf("the page of the stranger is in: %s", a.Body)
	}

	// A stranger who asks once more gets nothing to wait on.
	want(t, post(s, "/signup", "email", "other@example.com", "password", owners), 201, "")
	var flow string
	mail := next(t, s, "other@example.com", func() {
		flow = str(t, want(t, s.Do("POST", base+"/verify-email/resend", "", j("email", "other@example.com"), "User-Agent", elsewhere), 202, ""), "flow_id")
	})
	want(t, press(t, s, mail.token, "approve"), 200, "")
	want(t, post(s, "/flow", "flow_id", flow), 403, "otp_expired")
}

// TestCodeOfAStranger is worth nothing on the page of somebody else.
func TestCodeOfAStranger(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	const email = "victim@example.com"
	own := str(t, want(t, post(s, "/signup", "email", email, "password", owners), 201, ""), "flow_id")
	mine := letters(t, s, email, 1)[0]
	theirs := next(t, s, email, func() { signUpElsewhere(t, s, email, mallorys) })
	if theirs.code != mine.code {
		want(t, post(s, "/verify-email", "email", email, "code", theirs.code, "flow_id", own), 403, "otp_expired")
	}
	s.Person("", post(s, "/verify-email", "email", email, "code", mine.code, "flow_id", own))
	want(t, in(s, email, owners), 200, "")
	if a := in(s, email, mallorys); a.Status == 200 {
		t.Error("the password of the stranger")
	}
}

// TestConversionToTheAddressOfSomebodyElse is not confirmed by them.
func TestConversionToTheAddressOfSomebodyElse(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	guest := s.Person("", post(s, "/anonymous"))
	a := s.Do("POST", base+"/anonymous/convert", guest.Access, j("email", "victim@example.com", "password", mallorys), "User-Agent", elsewhere)
	want(t, a, 200, "")
	_, token, _ := mailed(t, s, "victim@example.com", 1)
	want(t, press(t, s, token, "approve"), 422, "")
	want(t, post(s, "/verify-email", "token", token), 403, "otp_expired")
	if n := count(t, s, `select count(*) from auth.users where email is not null`); n != 0 {
		t.Errorf("%d users with an address", n)
	}
	want(t, press(t, s, token, "approve", "password", mallorys), 200, "") // control
}

// TestSignUpTellsNothingAfterwards signs up with an address and in with what was
// chosen: whether somebody has it makes no difference.
func TestSignUpTellsNothingAfterwards(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	p := confirmed(t, s, "known@example.com")
	for _, email := range []string{p.Email, "unknown@example.com"} {
		want(t, post(s, "/signup", "email", email, "password", mallorys), 201, "")
		want(t, in(s, email, mallorys), 403, "email_not_confirmed")
		want(t, in(s, email, "another-password"), 401, "invalid_credentials")
	}
	want(t, in(s, p.Email, servertest.Password), 200, "")
}

// TestSignInWhileAFactorIsConfirmed leaves no session of one factor behind.
func TestSignInWhileAFactorIsConfirmed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	var e struct{ Secret string }
	want(t, as(s, p, "POST", "/2fa/enroll"), 200, "").JSON(t, &e)
	app := authenticator{s: s, user: p.ID, secret: e.Secret}
	code := app.code(t)
	outcomes, _ := atOnce(40, func(i int) servertest.Answer {
		if i == 20 {
			return as(s, p, "POST", "/2fa/enroll/verify", "code", code)
		}
		return signIn(s, p, servertest.Password)
	})
	if outcomes["200"] == 0 {
		t.Errorf("%v", outcomes)
	}
	if n := count(t, s, `select count(*) from auth.sessions where user_id = $1 and aal = 'aal1' and ended_at is null`, p.ID); n != 0 {
		t.Errorf("%d sessions of one factor", n)
	}
}

// TestSignInWhileThePasswordIsChanged: neither waits for the other for ever.
func TestSignInWhileThePasswordIsChanged(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	passwords := []string{servertest.Password, owners}
	for i := range 6 {
		outcomes, _ := atOnce(12, func(n int) servertest.Answer {
			if n == 0 {
				return as(s, p, "PUT", "/user/password", "current_password", passwords[i%2], "new_password", passwords[(i+1)%2])
			}
			return post(s, "/signin", "email", p.Email, "password", passwords[i%2])
		})
		if outcomes["409"]+outcomes["500"]+outcomes["503"] != 0 {
			t.Errorf("%v", outcomes)
		}
	}
}

// TestNumbersThatAreLongToWrite are refused before PostgreSQL writes them.
func TestNumbersThatAreLongToWrite(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, required)
	for _, number := range []string{"1e309", "-1e309", "1e131071", "1e-131071"} {
		a := s.Do("POST", base+"/signup", "", `{"email":"a@example.com","password":"a-long-password","data":{"a":[`+number+`]}}`)
		want(t, a, 400, "invalid_number")
	}
	want(t, s.Do("POST", base+"/signup", "", `{"email":"a@example.com","password":"a-long-password","data":{"a":[1e308,0.0,0e9,-1.5e-300]}}`), 201, "")
}
