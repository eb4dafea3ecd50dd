package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

type factors struct {
	Factors           []struct{ ID, Name string }
	RecoveryCodesLeft int     `json:"recovery_codes_left"`
	FailedAttempts    int     `json:"failed_attempts"`
	BlockedUntil      *string `json:"blocked_until"`
	Locked            bool
}

// factors expects an answer with the second factors of a user.
func (d desk) factors(method, path, body string) (f factors) {
	d.t.Helper()
	a := d.do(method, path, body)
	if a.Status != 200 {
		d.t.Fatalf("%s %s %s: %d %s", method, path, body, a.Status, a.Body)
	}
	a.JSON(d.t, &f)
	return f
}

// withFactors gives somebody who is signed in second factors of these names.
func (d desk) withFactors(names ...string) servertest.Person {
	d.t.Helper()
	p := d.SignUp()
	for i, name := range names {
		line := fmt.Sprintf(`{"email":"moving%d-%s","factors":[{"type":"totp","secret":"JBSWY3DPEHPK3PXP","name":%q}]}`, i, p.Email, name)
		if a := d.Do("POST", base+"/users/import", d.ServiceKey, line, "Content-Type", "application/x-ndjson"); !strings.Contains(a.Body, `"created":1`) {
			d.t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	d.DB.Exec(d.t, `update auth.totp_factors set user_id = $1 where user_id in (select id from auth.users where email like 'moving%' || $2)`, p.ID, p.Email)
	d.DB.Exec(d.t, `insert into auth.recovery_codes (user_id, digest) values ($1, 'a'), ($1, 'b')`, p.ID)
	return p
}

// TestLostFactors takes one second factor from a user, and then what is left.
func TestLostFactors(t *testing.T) {
	t.Parallel()
	d := open(t)
	p, other := d.withFactors("phone", "tablet"), d.withFactors("phone")
	path := "/users/" + p.ID + "/factors"
	f := d.factors("GET", path, "")
	if len(f.Factors) != 2 || f.Factors[0].Name != "phone" || f.RecoveryCodesLeft != 2 || f.Locked || f.FailedAttempts != 0 || f.BlockedUntil != nil {
		t.Errorf("%+v", f)
	}
	d.refused(400, "reason_required", "DELETE", path, "")
	d.refused(400, "reason_required", "DELETE", path, `{"reason":" "}`)
	d.refused(400, "invalid_factor", "DELETE", path+"?factor=", `{"reason":"x"}`)
	d.refused(404, "mfa_factor_not_found", "DELETE", path+"?factor="+d.factors("GET", "/users/"+other.ID+"/factors", "").Factors[0].ID, `{"reason":"x"}`)
	if d.refresh(p) != "" || len(d.factors("GET", path, "").Factors) != 2 {
		t.Fatal("what was refused was done")
	}
	left := d.factors("DELETE", path+"?factor="+f.Factors[0].ID, `{"reason":"ticket 4711"}`)
	if len(left.Factors) != 1 || left.Factors[0].Name != "tablet" || left.RecoveryCodesLeft != 2 {
		t.Errorf("%+v", left)
	}
	if a, b := d.refresh(p), d.refresh(other); a != "factor_changed" || b != "" {
		t.Errorf("%q; control: %q", a, b)
	}
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 401 {
		t.Errorf("the token is good for this instance: %d", a.Status)
	}
	if a := d.signIn(p.Email, servertest.Password); !strings.Contains(a.Body, `"requires_2fa":true`) {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	if left := d.factors("DELETE", path, `{"reason":"ticket 4712"}`); len(left.Factors) != 0 || left.RecoveryCodesLeft != 0 {
		t.Errorf("%+v", left)
	}
	d.refused(404, "mfa_factor_not_found", "DELETE", path, `{"reason":"x"}`)
	if a := d.signIn(p.Email, servertest.Password); a.Status != 200 || strings.Contains(a.Body, "requires_2fa") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if d.records("user.factor_removed", p.ID, "ticket 4711") != 1 || d.records("user.factor_removed", p.ID, `"factor": "all"`) != 1 ||
		d.records("user.factor_removed", p.ID, "") != 2 {
		t.Error("the records")
	}
	told := d.subjects(p.Email, 3) // what an operator has ended makes no place known
	if cmp.Diff(told, []string{"A new sign-in to your account", "A second factor was removed", "A second factor was removed"}) != "" {
		t.Errorf("%q", told)
	}
	if f := d.factors("GET", "/users/"+other.ID+"/factors", ""); len(f.Factors) != 1 || f.RecoveryCodesLeft != 2 {
		t.Errorf("control: %+v", f)
	}
}

// TestUnlock lets a user try again whose wrong codes were too many.
func TestUnlock(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.withFactors("phone")
	path := "/users/" + p.ID + "/factors"
	try := func() servertest.Answer {
		t.Helper()
		var asked struct {
			MFAToken string `json:"mfa_token"`
		}
		d.signIn(p.Email, servertest.Password).JSON(t, &asked)
		return d.Do("POST", "/api/v1/auth/2fa/verify", "", fmt.Sprintf(`{"mfa_token":%q,"code":"00 00 00 0"}`, asked.MFAToken))
	}
	for range 5 {
		if a := try(); a.Code() != "mfa_verification_failed" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	if a := try(); a.Code() != "over_request_rate_limit" {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	if f := d.factors("GET", path, ""); f.FailedAttempts != 5 || f.BlockedUntil == nil || f.Locked {
		t.Errorf("%+v", f)
	}
	d.DB.Exec(t, `update auth.second_factor_attempts set attempts = 100 where user_id = $1`, p.ID)
	if f := d.factors("GET", path, ""); !f.Locked {
		t.Errorf("%+v", f)
	}
	if f := d.factors("POST", path+"/unlock", ""); f.FailedAttempts != 0 || f.BlockedUntil != nil || f.Locked || len(f.Factors) != 1 {
		t.Errorf("%+v", f)
	}
	if a := try(); a.Code() != "mfa_verification_failed" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if d.records("user.factors_unlocked", p.ID, `"failed_attempts": "100"`) != 1 {
		t.Error("no record")
	}
	if d.refresh(p) != "" {
		t.Error("the session is over")
	}
	for method, route := range map[string]string{"GET": "", "POST": "/unlock"} {
		d.refused(404, "user_not_found", method, "/users/11111111-2222-4333-8444-555555555555/factors"+route, "")
	}
	d.refused(404, "user_not_found", "DELETE", "/users/11111111-2222-4333-8444-555555555555/factors", `{"reason":"x"}`)
}
