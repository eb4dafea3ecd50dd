package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const base = "/api/v1/admin"

// desk is a server with the service key in hand.
type desk struct {
	*servertest.Server
	t *testing.T
}

func open(t *testing.T) desk {
	t.Helper()
	return desk{servertest.New(t), t}
}

func (d desk) do(method, path, body string) servertest.Answer {
	d.t.Helper()
	return d.Do(method, base+path, d.ServiceKey, body)
}

// document is a user as the tests look at it.
type document struct {
	ID            string
	Email         string
	EmailVerified bool           `json:"email_verified"`
	IsAnonymous   bool           `json:"is_anonymous"`
	UserMetadata  map[string]any `json:"user_metadata"`
	AppMetadata   map[string]any `json:"app_metadata"`
	BannedUntil   *string        `json:"banned_until"`
	Identities    []struct{ Provider, Subject string }
}

// want expects an answer with a user.
func (d desk) want(status int, method, path, body string) document {
	d.t.Helper()
	a := d.do(method, path, body)
	if a.Status != status {
		d.t.Fatalf("%s %s %s: %d %s", method, path, body, a.Status, a.Body)
	}
	var u document
	a.JSON(d.t, &u)
	return u
}

// refused expects a problem.
func (d desk) refused(status int, code, method, path, body string) servertest.Answer {
	d.t.Helper()
	a := d.do(method, path, body)
	if a.Status != status || a.Code() != code {
		d.t.Errorf("%s %s %s: %d %s; want %d %s", method, path, body, a.Status, a.Body, status, code)
	}
	return a
}

func (d desk) signIn(email, password string) servertest.Answer {
	d.t.Helper()
	return d.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
}

// records counts audit records by the service key.
func (d desk) records(action, target, detail string) int {
	d.t.Helper()
	var n int
	d.DB.Scan(d.t, `select count(*) from auth.audit_log where action = $1 and target_id = $2 and details::text like '%' || $3 || '%'
		and actor_kind = 'key' and actor_id is not null and ip is not null and request_id <> ''`, []any{action, target, detail}, &n)
	return n
}

// TestOnlyServiceKeys offers every credential there is to every route.
func TestOnlyServiceKeys(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.SignUp()
	d.DB.Exec(t, `update auth.users set app_metadata = '{"role":"admin","roles":["admin"]}' where id = $1`, p.ID)
	p = d.Person(p.Email, d.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)))
	routes := 0
	for _, r := range d.Routes {
		if !strings.HasPrefix(r.Path, base+"/users") && !strings.HasPrefix(r.Path, base+"/sessions") {
			continue
		}
		routes++
		path := strings.ReplaceAll(r.Path, "{id}", p.ID)
		for name, c := range map[string]struct {
			credential string
			status     int
		}{"nobody": {"", 401}, "client key": {d.ClientKey, 401}, "a user": {p.Access, 403}} {
			if a := d.Do(r.Method, path, c.credential, ""); a.Status != c.status {
				t.Errorf("%s %s by %s: %d %s", r.Method, path, name, a.Status, a.Body)
			}
		}
	}
	if routes < 10 {
		t.Errorf("%d routes", routes)
	}
	if u := d.want(200, "GET", "/users/"+p.ID, ""); u.Email != p.Email {
		t.Errorf("control: %+v", u)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	d := open(t)
	const id = "11111111-2222-4333-8444-555555555555"
	u := d.want(201, "POST", "/users", `{"id":"`+id+`","email":"New@Example.com","password":"a-long-password","email_verified":true,
		"user_metadata":{"name":"N"},"app_metadata":{"role":"editor"}}`)
	if u.ID != id || u.Email != "new@example.com" || !u.EmailVerified || u.IsAnonymous || u.UserMetadata["name"] != "N" || u.AppMetadata["role"] != "editor" ||
		len(u.Identities) != 1 || u.Identities[0].Provider != "email" {
		t.Errorf("%+v", u)
	}
	if a := d.signIn("new@example.com", "a-long-password"); a.Status != 200 {
		t.Errorf("sign-in: %d %s", a.Status, a.Body)
	}
	if d.records("user.created", id, "") != 1 {
		t.Error("no record")
	}
	if u := d.want(201, "POST", "/users", `{}`); !u.IsAnonymous || u.Email != "" || len(u.Identities) != 0 {
		t.Errorf("without an address: %+v", u)
	}
	// A digest that bcrypt made of "password-elsewhere".
	digest := "$2a$04$wnFsIMS9P3jOK48XWbRrIusEKm2JlIdaqCBCqjeZkrG7nFF/HUMKm"
	d.want(201, "POST", "/users", `{"email":"moved@example.com","password_digest":"`+digest+`"}`)
	var kept string
	d.DB.Scan(t, `select p.digest from auth.passwords p join auth.users u on u.id = p.user_id where u.email = 'moved@example.com'`, nil, &kept)
	if kept != digest {
		t.Errorf("the digest became %q", kept)
	}
	for body, code := range map[string]string{
		`{"email":"new@example.com"}`:                     "user_already_exists",
		`{"email":"NEW@EXAMPLE.COM"}`:                     "user_already_exists",
		`{"id":"` + id + `","email":"other@example.com"}`: "user_already_exists",
		`{"email":"none"}`:                                "invalid_email",
		`{"email":"a@example.com","password":"short"}`:    "weak_password",
		`{"email":"a@example.com","password":"a-long-password","password_digest":"` + digest + `"}`: "invalid_type",
		`{"email":"a@example.com","password_digest":"hunter2"}`:                                     "invalid_password_digest",
		`{"password":"a-long-password"}`:                                                            "email_address_required",
		`{"email_verified":true}`:                                                                   "email_address_required",
		`{"id":"00000000-0000-0000-0000-000000000000"}`:                                             "invalid_id",
		`{"id":"x"}`:                                                   "invalid_type",
		`{"role":"service_role"}`:                                      "unknown_key",
		`{"created_at":"2020-01-01T00:00:00Z"}`:                        "unknown_key",
		`{"is_anonymous":false}`:                                       "unknown_key",
		`{"Email":"a@example.com"}`:                                    "unknown_key",
		`{"email":"a@example.com","email":"b@c.de"}`:                   "duplicate_key",
		`{"user_metadata":[]}`:                                         "invalid_type",
		`{"app_metadata":{"x":"` + strings.Repeat("x", 16<<10) + `"}}`: "metadata_too_large",
	} {
		status := 400
		if code == "user_already_exists" {
			status = 409
		}
		if a := d.refused(status, code, "POST", "/users", body); strings.Contains(a.Body, "hunter2") {
			t.Errorf("it repeats what was sent: %s", a.Body)
		}
	}
	var users int
	d.DB.Scan(t, `select count(*) from auth.users`, nil, &users)
	if users != 3 {
		t.Errorf("%d users", users)
	}
}

// TestUpdateTakesNothingElse is mass assignment: what PATCH does not name
// cannot be written through it.
func TestUpdateTakesNothingElse(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.SignUp()
	before := d.do("GET", "/users/"+p.ID, "").Body
	for _, body := range []string{
		`{"id":"11111111-2222-4333-8444-555555555555"}`, `{"role":"service_role"}`, `{"created_at":"2020-01-01T00:00:00Z"}`, `{"is_anonymous":true}`,
		`{"identities":[]}`, `{"claims_version":0}`, `{"App_Metadata":{"a":1}}`, `{"last_sign_in_at":null}`, `{"user_metadata":{"a":1},"digest":"x"}`,
	} {
		d.refused(400, "unknown_key", "PATCH", "/users/"+p.ID, body)
	}
	if after := d.do("GET", "/users/"+p.ID, "").Body; after != before {
		t.Error(cmp.Diff(before, after))
	}
	d.refused(404, "user_not_found", "PATCH", "/users/11111111-2222-4333-8444-555555555555", `{"app_metadata":{"a":1}}`)
	d.refused(404, "user_not_found", "PATCH", "/users/x", `{}`)
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"user_metadata":{"a":1,"b":{"c":2}}}`); u.UserMetadata["a"] != 1.0 {
		t.Errorf("control: %+v", u)
	}
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"user_metadata":{"a":null,"d":"e"}}`); cmp.Diff(u.UserMetadata, map[string]any{"b": map[string]any{"c": 2.0}, "d": "e"}) != "" {
		t.Errorf("merge: %v", u.UserMetadata)
	}
}

func TestUpdateEmail(t *testing.T) {
	t.Parallel()
	d := open(t)
	p, other := d.SignUp(), d.SignUp()
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"email_verified":true,"unproven":"keep"}`); !u.EmailVerified {
		t.Errorf("%+v", u)
	}
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"email":"`+strings.ToUpper(p.Email)+`"}`); !u.EmailVerified {
		t.Errorf("the same address is not verified any more: %+v", u)
	}
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"email":"new@example.com"}`); u.EmailVerified || u.Email != "new@example.com" {
		t.Errorf("another address: %+v", u)
	}
	if u := d.want(200, "PATCH", "/users/"+p.ID, `{"email":"newer@example.com","email_verified":true,"unproven":"keep"}`); !u.EmailVerified {
		t.Errorf("another address that is verified: %+v", u)
	}
	d.refused(409, "user_already_exists", "PATCH", "/users/"+p.ID, `{"email":"`+other.Email+`"}`)
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 401 || !strings.Contains(a.Body, `"email_changed"`) {
		t.Errorf("a token with the old address: %d %s", a.Status, a.Body)
	}
	anonymous := d.want(201, "POST", "/users", `{}`)
	if u := d.want(200, "PATCH", "/users/"+anonymous.ID, `{"email":"known@example.com"}`); u.IsAnonymous || len(u.Identities) != 1 {
		t.Errorf("an anonymous user with an address: %+v", u)
	}
}

func claims(t *testing.T, d desk, p servertest.Person) map[string]any {
	t.Helper()
	d.DB.Exec(t, `create table if not exists public.notes (id int); alter table public.notes enable row level security`)
	var c map[string]any
	if err := json.Unmarshal(payload(t, p.Access), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestChangedRoleBitesAtOnce changes app_metadata on one server: the other
// refuses tokens that say what was, and refreshing says what is.
func TestChangedRoleBitesAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	b := servertest.On(t, d.DB)
	for name, change := range map[string]func(id string){
		"by the API": func(id string) { d.want(200, "PATCH", "/users/"+id, `{"app_metadata":{"role":"editor"}}`) },
		"by SQL": func(id string) {
			d.DB.Exec(t, `update auth.users set app_metadata = '{"role":"editor"}' where id = $1`, id)
		},
		"unannounced": func(id string) {
			d.DB.Exec(t, `alter table auth.users disable trigger users_claims_changed`)
			d.DB.Exec(t, `update auth.users set app_metadata = '{"role":"editor"}' where id = $1`, id)
			d.DB.Exec(t, `alter table auth.users enable trigger users_claims_changed`)
			d.DB.Exec(t, `insert into auth.revocations (kind, subject, version) values ('user', $1, 1)`, id)
		},
	} {
		p, other := d.SignUp(), d.SignUp()
		status := func(access string) int { return b.Do("GET", "/api/v1/auth/user", access, "").Status }
		if status(p.Access) != 200 || status(other.Access) != 200 {
			t.Fatalf("%s: before", name)
		}
		change(p.ID)
		eventually(t, name+": the old token is refused", func() bool { return status(p.Access) == 401 })
		if a := b.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Code() != "token_expired" || strings.Contains(a.Body, "reason") {
			t.Errorf("%s: clients refresh only an expired token: %s", name, a.Body)
		}
		next := b.Person(p.Email, b.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)))
		if next.Session != p.Session || status(next.Access) != 200 {
			t.Errorf("%s: the session did not go on", name)
		}
		if role := claims(t, d, next)["app_metadata"].(map[string]any)["role"]; role != "editor" {
			t.Errorf("%s: the new token says %v", name, role)
		}
		if status(other.Access) != 200 {
			t.Errorf("%s: control: somebody else is refused", name)
		}
		d.want(200, "PATCH", "/users/"+p.ID, `{"user_metadata":{"color":"red"},"app_metadata":{"role":"editor"}}`)
		if status(next.Access) != 200 || d.Do("GET", "/api/v1/auth/user", next.Access, "").Status != 200 {
			t.Errorf("%s: a change of nothing that tokens say", name)
		}
	}
}

// TestOvertakenTokenWithoutNotice offers an old token to a server that has not
// heard of the change, and knows that it may not have.
func TestOvertakenTokenWithoutNotice(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.SignUp()
	d.DB.Exec(t, `alter table auth.users disable trigger users_claims_changed`)
	d.DB.Exec(t, `update auth.users set app_metadata = '{"role":"editor"}' where id = $1`, p.ID)
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 200 {
		t.Fatalf("control: it needs a notice while the set is fresh: %d", a.Status)
	}
	d.DB.Exec(t, `alter table auth.revocations rename to gone`) // polls fail, so that the set is old
	later(t, "it asks the database", func() bool { return d.Do("GET", "/api/v1/auth/user", p.Access, "").Status == 401 })
}

func TestPasswordEndsSessions(t *testing.T) {
	t.Parallel()
	d := open(t)
	p := d.SignUp()
	d.want(200, "PATCH", "/users/"+p.ID, `{"password":"another-long-password","keep_sessions":true}`)
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 200 {
		t.Errorf("kept: %d %s", a.Status, a.Body)
	}
	if a := d.signIn(p.Email, servertest.Password); a.Status != 401 {
		t.Errorf("the old password: %d", a.Status)
	}
	d.want(200, "PATCH", "/users/"+p.ID, `{"password":"a-third-long-password"}`)
	if a := d.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 401 || !strings.Contains(a.Body, `"password_changed"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := d.signIn(p.Email, "a-third-long-password"); a.Status != 200 {
		t.Errorf("the new password: %d %s", a.Status, a.Body)
	}
	if n := d.records("user.password_set", p.ID, ""); n != 2 {
		t.Errorf("%d records", n)
	}
	if d.records("user.updated", p.ID, "third-long") != 0 || d.records("user.updated", p.ID, `"changed": "password"`) != 2 {
		t.Error("the record does not name what was changed, or says too much")
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, time.Second, what, holds)
}

func later(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, holds)
}

func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for ctx.Err() == nil {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not in time: %s", what)
}
