package audit_test

import (
	"fmt"
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestNoDeedWithoutItsRecord takes away the table of records: what is recorded
// does not happen any more.
func TestNoDeedWithoutItsRecord(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	var records int
	s.DB.Scan(t, `select count(*) from auth.audit_log where action = 'user.signed_up' and actor_id = $1 and ip = '127.0.0.1' and request_id <> ''`,
		[]any{p.ID}, &records)
	if records != 1 {
		t.Fatalf("control: %d records of a sign-up", records)
	}
	s.DB.Exec(t, `alter table auth.audit_log rename to gone`)
	for name, a := range map[string]servertest.Answer{
		"sign-up":  s.Do("POST", "/api/v1/auth/signup", "", `{"email":"new@example.com","password":"a-long-password"}`),
		"sign-in":  s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password)),
		"sign-out": s.Do("POST", "/api/v1/auth/signout", p.Access, ""),
		"update":   s.Do("PATCH", "/api/v1/auth/user", p.Access, `{"data":{"a":1}}`),
	} {
		if a.Status < 400 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	var users, sessions, ended, changed int
	s.DB.Scan(t, `select (select count(*) from auth.users), (select count(*) from auth.sessions),
		(select count(*) from auth.sessions where ended_at is not null), (select count(*) from auth.users where user_metadata <> '{}')`,
		nil, &users, &sessions, &ended, &changed)
	if users != 1 || sessions != 1 || ended != 0 || changed != 0 {
		t.Errorf("done without a record: %d users, %d sessions, %d ended, %d changed", users, sessions, ended, changed)
	}
}
