package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestUnprovenAccount has an operator take the address of an account as proven that
// somebody unknown has signed up with: by hand and by an import alike. Nobody comes
// in whom the operator has not spoken of.
func TestUnprovenAccount(t *testing.T) {
	t.Parallel()
	d := open(t)
	const another, digest = "a-password-of-the-owner", "$2a$04$SAsVxJqR9PpRJZwGGxI/P.kCDIBuXDIYVAN45bcu3YNoQsvGhI07e"
	for i, c := range []struct {
		name, members, unproven string
		patchOnly               bool
		refused                 bool
		stays                   bool // the password that there was, and its session
	}{
		{name: "not a word", members: `"user_metadata":{"a":1}`, refused: true, stays: true},
		{name: "keep", unproven: "keep", stays: true},
		{name: "reset", unproven: "reset"},
		{name: "with a digest", members: `"password_digest":"` + digest + `"`},
		{name: "with a password", members: `"password":"` + another + `"`, patchOnly: true},
		{name: "with a password that ends nothing", members: `"password":"` + another + `","keep_sessions":true`, patchOnly: true, refused: true, stays: true},
		{name: "the same, reset", members: `"password":"` + another + `","keep_sessions":true`, unproven: "reset", patchOnly: true},
		{name: "with another address", members: `"email":"moved@example.com"`, patchOnly: true, refused: true, stays: true},
	} {
		for _, way := range []string{"by hand", "import", "dry run"} {
			if c.patchOnly && way != "by hand" {
				continue
			}
			p := d.SignUp()
			members := `"email_verified":true`
			if c.members != "" {
				members += "," + c.members
			}
			var a servertest.Answer
			if way == "by hand" {
				if c.unproven != "" {
					members += `,"unproven":"` + c.unproven + `"`
				}
				a = d.do("PATCH", "/users/"+p.ID, "{"+members+"}")
			} else {
				query := "?on_conflict=update"
				if c.unproven != "" {
					query += "&unproven=" + c.unproven
				}
				if way == "dry run" {
					query += "&dry_run=true"
				}
				body := fmt.Sprintf(`{"email":"before%d@example.com"}`+"\n"+`{"id":%q,"email":%q,%s}`+"\n"+`{"email":"after%d@example.com"}`, i, p.ID, p.Email, members, i)
				a = d.Do("POST", base+"/users/import"+query, d.ServiceKey, body, "Content-Type", "application/x-ndjson")
				if a.Status != 200 || !strings.Contains(a.Body, fmt.Sprintf(`"failed":%d,`, map[bool]int{true: 1}[c.refused])) {
					t.Errorf("%s, %s: %d %s", c.name, way, a.Status, a.Body)
				}
			}
			if got := strings.Contains(a.Body, "unproven_credentials"); got != c.refused || c.refused && way == "by hand" && a.Status != 409 {
				t.Errorf("%s, %s: %d %s", c.name, way, a.Status, a.Body)
			}
			stays := c.stays || way == "dry run"
			if got := d.signIn(p.Email, servertest.Password).Status == 200; got != stays {
				t.Errorf("%s, %s: the password that there was opens the account: %t", c.name, way, got)
			}
			if got := d.refresh(p) == ""; got != stays {
				t.Errorf("%s, %s: the session goes on: %t", c.name, way, got)
			}
			if wiped := d.records("user.credentials_wiped", p.ID, "") == 1; wiped != (c.unproven == "reset" && way != "dry run") {
				t.Errorf("%s, %s: recorded: %t", c.name, way, wiped)
			}
		}
	}
	p := d.SignUp()
	d.refused(400, "invalid_unproven", "PATCH", "/users/"+p.ID, `{"email_verified":true,"unproven":"whatever"}`)

	// Controls: an address that is proven, one that nobody has a password for, and
	// changes that take nothing as proven.
	d.want(200, "PATCH", "/users/"+p.ID, `{"user_metadata":{"a":1},"email_verified":false}`)
	d.want(200, "PATCH", "/users/"+p.ID, `{"email_verified":true,"unproven":"keep"}`)
	d.want(200, "PATCH", "/users/"+p.ID, `{"email_verified":true}`)
	d.want(200, "PATCH", "/users/"+p.ID, `{"email":"theirs@example.com","email_verified":true}`)
	made := d.want(201, "POST", "/users", `{"email":"made@example.com"}`)
	d.want(200, "PATCH", "/users/"+made.ID, `{"email_verified":true}`)
	d.DB.Exec(t, `update auth.sessions set ended_at = now(), end_reason = 'admin'`)
	q := d.SignUp()
	d.DB.Exec(t, `delete from auth.passwords where user_id = $1`, q.ID)
	d.refused(409, "unproven_credentials", "PATCH", "/users/"+q.ID, `{"email_verified":true}`) // a session is enough
}
