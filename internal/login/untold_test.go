package login_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestNoticeIsPutOff: a place of which the owner was not told, because of another
// within the hour, is as new the next time.
func TestNoticeIsPutOff(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	noticed := func(userAgent, since string) bool {
		t.Helper()
		s.DB.Exec(t, `update auth.users set sign_in_noticed_at = now() - $2::text::interval where id = $1`, p.ID, since)
		want(t, s.Do("POST", base+"/signin", "", j("email", p.Email, "password", servertest.Password), "User-Agent", userAgent), 200, "")
		return count(t, s, `select count(*) from auth.users where id = $1 and sign_in_noticed_at > now() - interval '1 minute'`, p.ID) == 1
	}
	const telephone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"
	for i, step := range []struct {
		userAgent, since string
		want             bool
	}{
		{telephone, "2 hours", true},     // the owner's
		{elsewhere, "30 minutes", false}, // a thief's, within the hour
		{elsewhere, "2 hours", true},
		{elsewhere, "2 hours", false}, // control: told by now
		{telephone, "2 hours", false},
	} {
		if got := noticed(step.userAgent, step.since); got != step.want {
			t.Errorf("%d: %t", i, got)
		}
	}
}
