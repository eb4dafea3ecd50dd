package admin_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

func payload(t *testing.T, token string) []byte {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBanBitesAtOnce bans on one server; the other refuses tokens, refreshing
// and signing in, and says why.
func TestBanBitesAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	b := servertest.On(t, d.DB)
	for name, ban := range map[string]func(id string){
		"route":   func(id string) { d.want(200, "POST", "/users/"+id+"/ban", `{"reason":"spam"}`) },
		"no body": func(id string) { d.want(200, "POST", "/users/"+id+"/ban", "") },
		"patch":   func(id string) { d.want(200, "PATCH", "/users/"+id, `{"banned_until":"2999-01-01T00:00:00Z"}`) },
		"database": func(id string) {
			d.DB.Exec(t, `update auth.users set banned_until = now() + interval '1 h' where id = $1`, id)
		},
	} {
		p, other := d.SignUp(), d.SignUp()
		b.Do("GET", "/api/v1/auth/user", p.Access, "")
		ban(p.ID)
		eventually(t, name, func() bool { return b.Do("GET", "/api/v1/auth/user", p.Access, "").Status == 401 })
		if a := b.Do("GET", "/api/v1/auth/user", p.Access, ""); !strings.Contains(a.Body, `"reason":"banned"`) {
			t.Errorf("%s: %s", name, a.Body)
		}
		if a := b.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)); a.Status != 401 || !strings.Contains(a.Body, `"banned"`) {
			t.Errorf("%s: refresh: %d %s", name, a.Status, a.Body)
		}
		if a := d.signIn(p.Email, servertest.Password); a.Status != 403 || a.Code() != "user_banned" {
			t.Errorf("%s: sign-in: %d %s", name, a.Status, a.Body)
		}
		if a := d.signIn(p.Email, "not-the-password"); a.Status != 401 || a.Code() != "invalid_credentials" {
			t.Errorf("%s: a stranger learns of the ban: %d %s", name, a.Status, a.Body)
		}
		d.refused(403, "user_banned", "POST", "/users/"+p.ID+"/impersonate", `{"reason":"x"}`)
		if a := d.signIn(other.Email, servertest.Password); a.Status != 200 {
			t.Errorf("%s: control: %d %s", name, a.Status, a.Body)
		}
		if u := d.want(200, "GET", "/users/"+p.ID, ""); u.BannedUntil == nil {
			t.Errorf("%s: %+v", name, u)
		}
		if u := d.want(200, "DELETE", "/users/"+p.ID+"/ban", ""); u.BannedUntil != nil {
			t.Errorf("%s: %+v", name, u)
		}
		if a := d.signIn(p.Email, servertest.Password); a.Status != 200 {
			t.Errorf("%s: lifted: %d %s", name, a.Status, a.Body)
		}
		if d.records("user.unbanned", p.ID, "") != 1 || name == "route" && d.records("user.banned", p.ID, "spam") != 1 ||
			name == "patch" && d.records("user.banned", p.ID, "2999") != 1 {
			t.Errorf("%s: no record", name)
		}
	}
}

func TestBanEnds(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.SignUp()
	for _, body := range []string{`{"until":"2020-01-01T00:00:00Z"}`, `{"until":"x"}`, `{"until":"10000-01-01T00:00:00Z"}`, `{"reason":"` + strings.Repeat("x", 501) + `"}`} {
		if a := d.do("POST", "/users/"+p.ID+"/ban", body); a.Status != 400 {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	d.want(200, "POST", "/users/"+p.ID+"/ban", `{"until":"`+until+`"}`)
	if a := d.signIn(p.Email, servertest.Password); a.Status != 403 {
		t.Fatalf("control: %d", a.Status)
	}
	d.DB.Exec(t, `update auth.users set banned_until = now() where id = $1`, p.ID)
	if a := d.signIn(p.Email, servertest.Password); a.Status != 200 {
		t.Errorf("it is over: %d %s", a.Status, a.Body)
	}
	if u := d.want(200, "GET", "/users/"+p.ID, ""); u.BannedUntil != nil {
		t.Errorf("%+v", u)
	}
	d.want(200, "POST", "/users/"+p.ID+"/ban", `{"until":"`+until+`"}`)
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"banned_until":null}`); u.BannedUntil != nil {
		t.Errorf("%+v", u)
	}
}

// TestNoSessionOutlivesABan signs in from many places while the user is banned.
func TestNoSessionOutlivesABan(t *testing.T) {
	t.Parallel()
	d := open(t)
	for range 3 {
		p := d.SignUp()
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				if i == 12 {
					d.do("POST", "/users/"+p.ID+"/ban", `{}`)
					return
				}
				d.signIn(p.Email, servertest.Password)
			})
		}
		all.Wait()
		var alive int
		d.DB.Scan(t, `select count(*) from auth.sessions where user_id = $1 and ended_at is null`, []any{p.ID}, &alive)
		if alive > 0 {
			t.Fatalf("%d sessions of somebody who is banned", alive)
		}
	}
}

// TestImpersonation acts as a user: the tokens say who acts, also once they are
// refreshed, and end when they should.
func TestImpersonation(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.SignUp()
	for body, code := range map[string]string{
		`{}`: "reason_required", `{"reason":" "}`: "reason_required", `{"reason":"x","expires_in":0}`: "invalid_expiry",
		`{"reason":"x","expires_in":3601}`: "invalid_expiry", `{"reason":"x","aal":"aal2"}`: "unknown_key",
	} {
		d.refused(400, code, "POST", "/users/"+p.ID+"/impersonate", body)
	}
	a := d.do("POST", "/users/"+p.ID+"/impersonate", `{"reason":"ticket 4711","expires_in":600}`)
	if a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	acting := d.Person(p.Email, a)
	var keyID string
	d.DB.Scan(t, `select actor_id::text from auth.audit_log where action = 'user.impersonated' and target_id = $1
		and details->>'reason' = 'ticket 4711' and details->>'session_id' = $2`, []any{p.ID, acting.Session}, &keyID)
	refreshed := d.Person(p.Email, d.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, acting.Refresh)))
	for _, who := range []servertest.Person{acting, refreshed} {
		c := claims(t, d, who)
		actor, _ := c["act"].(map[string]any)
		if actor["sub"] != keyID || keyID == "" || fmt.Sprint(c["amr"]) != "[impersonation]" || c["aal"] != "aal1" || c["sub"] != p.ID {
			t.Errorf("%v", c)
		}
		if a := d.Do("GET", "/api/v1/auth/user", who.Access, ""); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if c := claims(t, d, p); c["act"] != nil {
		t.Errorf("control: %v", c)
	}
	if a := d.Do("GET", "/api/v1/auth/sessions", p.Access, ""); strings.Count(a.Body, `"act":{"sub":"`+keyID+`"}`) != 1 {
		t.Errorf("its owner does not see it: %s", a.Body)
	}
	if a := d.do("GET", "/sessions?user_id="+p.ID, ""); strings.Count(a.Body, `"act":`) != 1 || strings.Count(a.Body, `"user_id"`) != 2 {
		t.Errorf("%s", a.Body)
	}
	var life int
	d.DB.Scan(t, `select extract(epoch from expires_at - created_at)::int from auth.sessions where id = $1`, []any{acting.Session}, &life)
	if life < 595 || life > 605 {
		t.Errorf("it lives %d s", life)
	}
	d.DB.Exec(t, `update auth.sessions set expires_at = now() where id = $1`, acting.Session)
	if a := d.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, refreshed.Refresh)); a.Status != 401 {
		t.Errorf("after its time: %d %s", a.Status, a.Body)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	d := open(t)
	p, other := d.SignUp(), d.SignUp()
	for range 3 {
		d.signIn(p.Email, servertest.Password)
	}
	type page struct {
		Items []struct {
			ID     string
			UserID string `json:"user_id"`
			Email  string
		}
		NextCursor *string `json:"next_cursor"`
	}
	read := func(query string) (ids []string) {
		t.Helper()
		for cursor := ""; ; {
			var got page
			d.do("GET", "/sessions?limit=2"+query+cursor, "").JSON(t, &got)
			for _, s := range got.Items {
				if want := p; s.UserID != want.ID && s.UserID != other.ID || s.Email == "" {
					t.Errorf("%+v", s)
				}
				ids = append(ids, s.ID)
			}
			if got.NextCursor == nil {
				return ids
			}
			cursor = "&cursor=" + *got.NextCursor
		}
	}
	if all, own := read(""), read("&user_id="+p.ID); len(all) != 5 || len(own) != 4 || own[3] != p.Session {
		t.Errorf("%d and %d sessions", len(all), len(own))
	}
	var first page
	d.do("GET", "/sessions?limit=1&user_id="+p.ID, "").JSON(t, &first)
	d.refused(400, "invalid_cursor", "GET", "/sessions?limit=1&cursor="+*first.NextCursor, "")
	d.refused(400, "invalid_cursor", "GET", "/sessions?limit=1&user_id="+other.ID+"&cursor="+*first.NextCursor, "")
	for _, query := range []string{"cursor=x", "user_id=x", "user_id=", "limit=0", "limit=101", "user_id=" + p.ID + "&user_id=" + other.ID, "user=" + p.ID} {
		if a := d.do("GET", "/sessions?"+query, ""); a.Status != 400 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	if a := d.do("DELETE", "/sessions/"+p.Session, ""); a.Status != 204 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 401 || !strings.Contains(a.Body, `"admin"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if d.records("session.ended", p.Session, p.ID) != 1 {
		t.Error("no record")
	}
	d.refused(404, "session_not_found", "DELETE", "/sessions/"+p.Session, "")
	d.refused(404, "session_not_found", "DELETE", "/sessions/x", "")
	if got := read("&user_id=" + p.ID); len(got) != 3 {
		t.Errorf("%d sessions", len(got))
	}
}
