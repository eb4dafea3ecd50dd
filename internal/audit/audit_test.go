package audit_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/principal"
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

// TestWhoActs does the same as a user and in the user's name: the record names
// whoever it was, and who acts in a name signs nobody else out.
func TestWhoActs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	acting := s.Person(p.Email, s.Do("POST", "/api/v1/admin/users/"+p.ID+"/impersonate", s.ServiceKey, `{"reason":"ticket 1"}`))
	do := func(access string, status int, method, path, body string) {
		t.Helper()
		if a := s.Do(method, "/api/v1/auth"+path, access, body); a.Status != status || status == 403 && a.Code() != "impersonation_not_allowed" {
			t.Errorf("%s %s %s: %d %s; want %d", method, path, body, a.Status, a.Body, status)
		}
	}
	records := func(action string) (who []string) {
		t.Helper()
		var list string
		s.DB.Scan(t, `select coalesce(string_agg(actor_kind || ' ' || actor_id || ' ' || coalesce(details->>'on_behalf_of', ''), ',' order by at), '')
			from auth.audit_log where action = $1`, []any{action}, &list)
		return strings.Split(list, ",")
	}
	var key string
	s.DB.Scan(t, `select actor_id::text from auth.audit_log where action = 'user.impersonated'`, nil, &key)
	operator, owner := "key "+key+" "+p.ID, "user "+p.ID+" "

	do(acting.Access, 200, "PATCH", "/user", `{"data":{"a":1}}`)
	do(p.Access, 200, "PATCH", "/user", `{"data":{"a":2}}`)
	if diff := cmp.Diff([]string{operator, owner}, records("user.updated")); diff != "" {
		t.Error(diff)
	}
	do(acting.Access, 403, "POST", "/signout", `{"scope":"global"}`)
	do(acting.Access, 403, "POST", "/signout", `{"scope":"others"}`)
	do(acting.Access, 403, "DELETE", "/sessions", "")
	do(acting.Access, 403, "DELETE", "/sessions?except_current=true", "")
	do(acting.Access, 403, "DELETE", "/sessions/"+p.Session, "")
	do(acting.Access, 204, "POST", "/signout", "")
	do(p.Access, 204, "POST", "/signout", `{"scope":"global"}`)
	if diff := cmp.Diff([]string{operator, owner}, records("session.ended")); diff != "" {
		t.Error(diff)
	}
}

// TestBy knows the command line that works on the database from its keys.
func TestBy(t *testing.T) {
	t.Parallel()
	someone, key := id.User{1}, id.UUID{2}
	for name, c := range map[string]struct {
		p    principal.Principal
		want audit.Actor
	}{
		"a user":          {principal.Principal{Role: principal.Authenticated, User: someone}, audit.Actor{Kind: "user", ID: id.UUID(someone)}},
		"a key for them":  {principal.Principal{Role: principal.Authenticated, User: someone, Actor: key.String()}, audit.Actor{Kind: "key", ID: key, OnBehalfOf: someone}},
		"an operator":     {principal.Principal{Role: principal.Authenticated, User: someone, Actor: "operator"}, audit.Actor{Kind: "system", OnBehalfOf: someone}},
		"nobody":          {*principal.Nobody(), audit.Actor{Kind: "anonymous"}},
		"the key itself":  {principal.Principal{Role: principal.Service, Key: id.Key(key)}, audit.Actor{Kind: "key", ID: key}},
		"at the database": {*principal.OfOperator(), audit.Actor{Kind: "system"}},
	} {
		if diff := cmp.Diff(c.want, audit.By(&c.p, netip.Addr{}, ""), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
