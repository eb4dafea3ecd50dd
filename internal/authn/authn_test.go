package authn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestCredentials sends every combination that can be had of a key and a
// credential. What does not hold is refused and never taken for nobody.
func TestCredentials(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, other := s.SignUp(), s.SignUp()
	broken := p.Access[:len(p.Access)-2] + "xx"
	for name, c := range map[string]struct {
		fields []string
		public int // status of a public route
		person int // status of a route for people
		code   string
	}{
		"nothing":                    {nil, 200, 401, "credential_required"},
		"access token":               {[]string{"Authorization", "Bearer " + p.Access}, 200, 200, ""},
		"scheme in lower case":       {[]string{"Authorization", "bearer " + p.Access}, 200, 200, ""},
		"with client key":            {[]string{"Authorization", "Bearer " + p.Access, "apikey", s.ClientKey}, 200, 200, ""},
		"with client key as alias":   {[]string{"Authorization", "Bearer " + p.Access, "X-API-Key", s.ClientKey}, 200, 200, ""},
		"client key":                 {[]string{"apikey", s.ClientKey}, 200, 401, "credential_required"},
		"client key as bearer":       {[]string{"Authorization", "Bearer " + s.ClientKey, "apikey", s.ClientKey}, 200, 401, "credential_required"},
		"service key":                {[]string{"Authorization", "Bearer " + s.ServiceKey}, 200, 403, "not_allowed"},
		"service key as apikey":      {[]string{"apikey", s.ServiceKey}, 200, 403, "not_allowed"},
		"service and client key":     {[]string{"Authorization", "Bearer " + s.ServiceKey, "apikey", s.ClientKey}, 200, 403, "not_allowed"},
		"broken token":               {[]string{"Authorization", "Bearer " + broken}, 401, 401, "invalid_token"},
		"token with broken key":      {[]string{"Authorization", "Bearer " + p.Access, "apikey", s.ClientKey[:len(s.ClientKey)-1] + "!"}, 401, 401, "invalid_key"},
		"unknown key":                {[]string{"apikey", "your-anon-key"}, 401, 401, ""},
		"key of no kind":             {[]string{"apikey", "fb_root_" + s.ClientKey[10:]}, 401, 401, "invalid_key"},
		"client key said to service": {[]string{"apikey", strings.Replace(s.ClientKey, "client", "service", 1)}, 401, 401, "invalid_key"},
		"basic":                      {[]string{"Authorization", "Basic dXNlcjpwYXNz"}, 401, 401, "invalid_token"},
		"no token":                   {[]string{"Authorization", "Bearer "}, 401, 401, "invalid_token"},
		"two tokens":                 {[]string{"Authorization", "Bearer " + p.Access, "Authorization", "Bearer " + other.Access}, 401, 401, "ambiguous_credentials"},
		"token and service key":      {[]string{"Authorization", "Bearer " + p.Access, "apikey", s.ServiceKey}, 401, 401, "ambiguous_credentials"},
		"two keys":                   {[]string{"apikey", s.ClientKey, "X-API-Key", s.ServiceKey}, 401, 401, "ambiguous_credentials"},
		"forged identity":            {[]string{"X-User-Id", p.ID, "x_user_id", p.ID, "X-User-Role", "service_role"}, 200, 401, "credential_required"},
	} {
		if a := s.Do("GET", "/livez", "", "", c.fields...); a.Status != c.public {
			t.Errorf("%s: public route: %d %s", name, a.Status, a.Body)
		}
		a := s.Do("GET", "/api/v1/auth/user", "", "", c.fields...)
		if a.Status != c.person || c.code != "" && a.Code() != c.code {
			t.Errorf("%s: route for people: %d %s", name, a.Status, a.Body)
		}
		if challenge := a.Header.Get("WWW-Authenticate"); (a.Status == 401) != strings.HasPrefix(challenge, "Bearer") {
			t.Errorf("%s: WWW-Authenticate %q", name, challenge)
		}
	}
}

// TestBadCredentialsAreRefusedEverywhere sends one to every mounted route, the
// public ones too.
func TestBadCredentialsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, r := range s.Routes {
		path := strings.NewReplacer("{id}", "1", "{table}", "todos", "{$}", "").Replace(r.Path)
		if a := s.Do(r.Method, path, "eyJhbGciOiJub25lIn0.e30.", ""); a.Status != 401 {
			t.Errorf("%s %s: %d", r.Method, path, a.Status)
		}
	}
	if a := s.Do("GET", "/nowhere", "eyJhbGciOiJub25lIn0.e30.", ""); a.Status != 401 {
		t.Errorf("an unknown path: %d", a.Status)
	}
	if a := s.Do("GET", "/nowhere", "", ""); a.Status != 404 {
		t.Errorf("control: %d", a.Status)
	}
}

// TestRevokedKey revokes a key on one server; the other refuses it within a
// second, although it remembers having verified it.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	a := servertest.New(t)
	b := servertest.On(t, a.DB)
	status := func() int { return b.Do("GET", "/api/v1/admin/users", a.ServiceKey, "").Status }
	if status() != 200 {
		t.Fatal("the key is not valid to begin with")
	}
	a.DB.Exec(t, `update auth.api_keys set revoked_at = now() where prefix = $1`, a.ServiceKey[:len("fb_service_")+6])
	for began := time.Now(); status() != 401; {
		if time.Since(began) > time.Second {
			t.Fatal("still accepted after a second")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := b.Do("GET", "/api/v1/admin/users", b.ServiceKey, "").Status; got != 200 {
		t.Errorf("control: another key: %d", got)
	}
}
