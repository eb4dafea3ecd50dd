package apikey_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestAPIKeyActsAsItsUser makes a key, and does with it what the user may do, and
// nothing that somebody else may.
func TestAPIKeyActsAsItsUser(t *testing.T) {
	t.Parallel()
	s := house(t)
	p, other := s.SignUp(), s.SignUp()
	a := s.Do("POST", "/api/v1/auth/api-keys", p.Access, `{"name":"Production API","expires_in":31536000}`)
	var made apiKey
	a.JSON(t, &made)
	if a.Status != 201 || !strings.HasPrefix(made.Key, "fb_api_") || !strings.HasPrefix(made.Key, made.Prefix) || made.Name != "Production API" ||
		time.Until(*made.ExpiresAt) < 364*24*time.Hour || strings.Join(made.Scopes, " ") != "tables:read tables:write rpc:execute" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for name, fields := range map[string][]string{
		"as bearer": {"Authorization", "Bearer " + made.Key}, "as apikey": {"apikey", made.Key}, "as X-API-Key": {"X-API-Key", made.Key},
		"with a client key": {"Authorization", "Bearer " + made.Key, "apikey", s.ClientKey}, "as both": {"Authorization", "Bearer " + made.Key, "apikey", made.Key},
	} {
		expect(t, name, s.Do("POST", "/api/v1/tables/todos", "", `{"title":"mine"}`, fields...), 201, "")
	}
	expect(t, "somebody else's row", s.Do("POST", "/api/v1/tables/todos", made.Key, fmt.Sprintf(`{"title":"x","owner":%q}`, other.ID)), 403, "")
	if a := s.Do("GET", "/api/v1/tables/todos?select=owner,key", made.Key, ""); strings.Count(a.Body, p.ID) != 5 || strings.Count(a.Body, made.ID) != 5 {
		t.Errorf("its rows: %s", a.Body)
	}
	if a := s.Do("GET", "/api/v1/tables/todos", other.Access, ""); a.Body != "[]" {
		t.Errorf("control: somebody else sees %s", a.Body)
	}
	if a := s.Do("GET", "/api/v1/auth/user", made.Key, ""); a.Status != 200 || !strings.Contains(a.Body, p.Email) {
		t.Errorf("whose it is: %d %s", a.Status, a.Body)
	}
	expect(t, "control: a people's table by session", s.Do("POST", "/api/v1/tables/people_only", p.Access, `{}`), 201, "")
	if a := s.Do("GET", "/api/v1/tables/people_only", made.Key, ""); a.Body != "[]" {
		t.Errorf("a policy that wants no key: %s", a.Body)
	}
	var list struct{ Items []map[string]any }
	s.Do("GET", "/api/v1/auth/api-keys", p.Access, "").JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0]["id"] != made.ID || list.Items[0]["key"] != nil || list.Items[0]["digest"] != nil {
		t.Errorf("%v", list)
	}
	s.Do("GET", "/api/v1/auth/api-keys", other.Access, "").JSON(t, &list)
	if len(list.Items) != 0 {
		t.Errorf("somebody else's list: %v", list)
	}
	if strings.Contains(s.LogText(), made.Key) {
		t.Error("the key is in the log")
	}
}

// TestWhoAsks looks at what policies see of a key, and that nothing of it is left
// for whoever comes next on the same connection.
func TestWhoAsks(t *testing.T) {
	t.Parallel()
	s := house(t, servertest.With("database.max_connections", "4"))
	p := s.SignUp()
	s.DB.Exec(t, `update auth.users set app_metadata = '{"plan":"pro"}' where id = $1`, p.ID)
	made := makeKey(t, s, s.Person(p.Email, s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password))), `{"name":"k"}`)
	type caller struct {
		User, Role, Email, Session, Key string
		Claims                          map[string]any
	}
	who := func(bearer string) (c caller) {
		s.Do("GET", "/api/v1/rpc/who", bearer, "").JSON(t, &c)
		return c
	}
	c := who(made.Key)
	if c.User != p.ID || c.Role != "authenticated" || c.Email != p.Email || c.Session != "" || c.Key != made.ID {
		t.Errorf("%+v", c)
	}
	text, _ := json.Marshal(c.Claims)
	for name, want := range map[string]any{
		"sub": p.ID, "user_id": p.ID, "role": "authenticated", "email": p.Email, "token_type": "api_key", "api_key_id": made.ID,
		"scope": "tables:read tables:write rpc:execute", "aal": "aal1", "is_anonymous": false,
	} {
		if c.Claims[name] != want {
			t.Errorf("claim %s of %s", name, text)
		}
	}
	if c.Claims["session_id"] != nil || c.Claims["app_metadata"].(map[string]any)["plan"] != "pro" || len(c.Claims["amr"].([]any)) != 0 {
		t.Errorf("claims %s", text)
	}
	other := s.SignUp()
	for range 20 { // more often than there are connections
		expect(t, "leaving a setting behind", s.Do("POST", "/api/v1/rpc/leave_behind", other.Access, `{}`), 200, "")
		who(made.Key)
		for name, bearer := range map[string]string{"a session": other.Access, "nobody": "", "a service": s.ServiceKey} {
			if c := who(bearer); c.Key != "" {
				t.Fatalf("%s has the key %s", name, c.Key)
			}
		}
	}
	var fresh *string
	s.DB.Scan(t, `select auth.api_key_id()::text`, nil, &fresh)
	if fresh != nil {
		t.Errorf("without a request: %s", *fresh)
	}
}

// TestClaimsFollowTheUser changes what is said of a user: keys say so at once.
func TestClaimsFollowTheUser(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	key := makeKey(t, s, p, `{"name":"k"}`).Key
	plan := func() servertest.Answer { return s.Do("GET", "/api/v1/rpc/who", key, "") }
	if a := plan(); strings.Contains(a.Body, "trainee") {
		t.Fatalf("control: %s", a.Body)
	}
	expect(t, "a new role", s.Do("PATCH", "/api/v1/admin/users/"+p.ID, s.ServiceKey, `{"app_metadata":{"post":"trainee"}}`), 200, "")
	for began := time.Now(); !strings.Contains(plan().Body, "trainee"); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > time.Second {
			t.Fatal("after a second the key says what was true before")
		}
	}
}

func TestAPIKeyInput(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	for body, code := range map[string]string{
		`{}`: "invalid_name", `{"name":""}`: "invalid_name", `{"name":"a","expires_in":0}`: "invalid_expiry", `{"name":"a","expires_in":-5}`: "invalid_expiry",
		`{"name":"a","expires_in":315360001}`: "invalid_expiry", `{"name":"a","scopes":[]}`: "invalid_scope", `{"name":"a","scopes":["*"]}`: "invalid_scope",
		`{"name":"a","scopes":["tables:Read"]}`: "invalid_scope", `{"name":"a","scopes":["admin"]}`: "invalid_scope", `{"name":"a","scopes":["realtime","realtime"]}`: "invalid_scope",
		`{"name":"a","user_id":"00000000-0000-7000-8000-000000000000"}`: "unknown_key", `{"name":"a","kind":"service"}`: "unknown_key", `{"name":"a","Scopes":["realtime"]}`: "unknown_key",
	} {
		expect(t, body, s.Do("POST", "/api/v1/auth/api-keys", p.Access, body), 400, code)
	}
	expect(t, "control", s.Do("POST", "/api/v1/auth/api-keys", p.Access,
		`{"name":"a","expires_in":315360000,"scopes":["tables:read","tables:write","rpc:execute","realtime","functions:invoke"]}`), 201, "")
}

// TestHowManyKeys makes many keys at once: a user has a hundred at most.
func TestHowManyKeys(t *testing.T) {
	t.Parallel()
	s := house(t)
	p, other := s.SignUp(), s.SignUp()
	s.DB.Exec(t, `insert into auth.api_keys (id, kind, user_id, name, prefix, scopes, digest)
		select gen_random_uuid(), 'api', $1, 'k', 'fb_api_', '{realtime}', sha256(n::text::bytea) from generate_series(1, 95) n`, p.ID)
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 15 {
		wg.Go(func() {
			a := s.Do("POST", "/api/v1/auth/api-keys", p.Access, `{"name":"k"}`)
			if a.Status == 201 {
				made.Add(1)
			} else if a.Code() != "too_many_keys" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	if made.Load() != 5 {
		t.Errorf("%d made beside 95", made.Load())
	}
	expect(t, "control: somebody else", s.Do("POST", "/api/v1/auth/api-keys", other.Access, `{"name":"k"}`), 201, "")
	s.DB.Exec(t, `update auth.api_keys set revoked_at = now() where user_id = $1 and id = (select min(id::text)::uuid from auth.api_keys where user_id = $1)`, p.ID)
	expect(t, "control: after revoking one", s.Do("POST", "/api/v1/auth/api-keys", p.Access, `{"name":"k"}`), 201, "")
}

// TestWhoMayMakeKeys wants the person themselves, lately, with both factors.
func TestWhoMayMakeKeys(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	try := func(bearer string) servertest.Answer {
		return s.Do("POST", "/api/v1/auth/api-keys", bearer, `{"name":"k"}`)
	}
	expect(t, "control", try(p.Access), 201, "")
	key := scoped(t, s, p, `["tables:read","tables:write","rpc:execute","realtime","functions:invoke"]`)
	expect(t, "a key", try(key), 403, "api_key_not_allowed")
	expect(t, "nobody", try(""), 401, "credential_required")
	expect(t, "a service key", try(s.ServiceKey), 403, "not_allowed")
	acting := s.Person(p.Email, s.Do("POST", "/api/v1/admin/users/"+p.ID+"/impersonate", s.ServiceKey, `{"reason":"a test"}`))
	expect(t, "an operator in their name", try(acting.Access), 403, "impersonation_not_allowed")
	guest := s.Person("", s.Do("POST", "/api/v1/auth/anonymous", "", ""))
	expect(t, "a guest", try(guest.Access), 409, "anonymous_user")
	s.DB.Exec(t, `update auth.sessions set authenticated_at = now() - interval '1 day' where id = $1`, p.Session)
	expect(t, "long after the sign-in", try(p.Access), 403, "reauthentication_needed")
	expect(t, "proving it again", s.Do("POST", "/api/v1/auth/reauthenticate", p.Access, fmt.Sprintf(`{"password":%q}`, servertest.Password)), 200, "")
	expect(t, "and then", try(p.Access), 201, "")
	s.DB.Exec(t, `with seed as (insert into auth.sealed_values (id, purpose, subject, key_version, envelope) values (gen_random_uuid(), 'totp', $1, 1, '') returning id)
		insert into auth.totp_factors (id, user_id, name, sealed_id, verified_at) select gen_random_uuid(), $1::text::uuid, 'phone', id, now() from seed`, p.ID)
	expect(t, "without the second factor", try(p.Access), 403, "insufficient_aal")
	var told int
	s.DB.Scan(t, `select count(*) from auth.mail_messages where kind = 'api_key_created' and recipient = $1`, []any{p.Email}, &told)
	if told != 3 {
		t.Errorf("the owner was told %d times", told)
	}
}

// TestSomebodyElsesKey tries to revoke the key of somebody else.
func TestSomebodyElsesKey(t *testing.T) {
	t.Parallel()
	s := house(t)
	p, other := s.SignUp(), s.SignUp()
	made := makeKey(t, s, p, `{"name":"k"}`)
	path := "/api/v1/auth/api-keys/" + made.ID
	expect(t, "somebody else", s.Do("DELETE", path, other.Access, ""), 404, "key_not_found")
	expect(t, "the key itself", s.Do("DELETE", path, made.Key, ""), 403, "api_key_not_allowed")
	expect(t, "as a client key", s.Do("DELETE", "/api/v1/admin/client-keys/"+made.ID, s.ServiceKey, ""), 404, "key_not_found")
	expect(t, "as a service key", s.Do("POST", "/api/v1/admin/service-keys/"+made.ID+"/rotate", s.ServiceKey, ""), 404, "key_not_found")
	expect(t, "no id", s.Do("DELETE", "/api/v1/auth/api-keys/x", p.Access, ""), 404, "key_not_found")
	expect(t, "control: it still holds", s.Do("GET", "/api/v1/tables/todos", made.Key, ""), 200, "")
	expect(t, "control: the owner", s.Do("DELETE", path, p.Access, ""), 204, "")
	refusedSoon(t, "revoked", func() servertest.Answer { return s.Do("GET", "/api/v1/tables/todos", made.Key, "") })
	expect(t, "again", s.Do("DELETE", path, p.Access, ""), 404, "key_not_found")
	var actors string
	s.DB.Scan(t, `select string_agg(action || ' ' || actor_kind || ' ' || actor_id, ', ' order by sequence) from auth.audit_log where target_id = $1`, []any{made.ID}, &actors)
	var scopes string
	s.DB.Scan(t, `select details->>'scopes' from auth.audit_log where target_id = $1 and action = 'user.api_key_created'`, []any{made.ID}, &scopes)
	if scopes != "tables:read tables:write rpc:execute" {
		t.Errorf("recorded scopes: %q", scopes)
	}
	if want := "user.api_key_created user " + p.ID + ", user.api_key_revoked user " + p.ID; actors != want {
		t.Errorf("%s", actors)
	}
}

// TestKeysFillNoMailbox makes and revokes keys by turns: each is a message to an
// address that need not be proven to be theirs.
func TestKeysFillNoMailbox(t *testing.T) {
	t.Parallel()
	s := house(t, servertest.With("ratelimit.enabled", "true"), servertest.With("ratelimit.routes.mail_recipient", "3/1h"))
	p, other := s.SignUp(), s.SignUp()
	made := 0
	for range 5 {
		a := s.Do("POST", "/api/v1/auth/api-keys", p.Access, `{"name":"k"}`)
		if a.Status != 201 {
			expect(t, "over the limit", a, 429, "over_request_rate_limit")
			continue
		}
		var k apiKey
		a.JSON(t, &k)
		expect(t, "revoked", s.Do("DELETE", "/api/v1/auth/api-keys/"+k.ID, p.Access, ""), 204, "")
		made++
	}
	var told int
	s.DB.Scan(t, `select count(*) from auth.mail_messages where kind = 'api_key_created' and recipient = $1`, []any{p.Email}, &told)
	if made != 3 || told != 3 {
		t.Errorf("%d keys made, and %d messages", made, told)
	}
	expect(t, "control: somebody else", s.Do("POST", "/api/v1/auth/api-keys", other.Access, `{"name":"k"}`), 201, "")
}
