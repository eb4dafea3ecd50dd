package apikey_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestMixups offers each credential where another is wanted, and several at once.
func TestMixups(t *testing.T) {
	t.Parallel()
	s := house(t)
	p, other := s.SignUp(), s.SignUp()
	key, others := makeKey(t, s, p, `{"name":"k"}`).Key, makeKey(t, s, other, `{"name":"k"}`).Key
	auth, bearer := "Authorization", func(text string) string { return "Bearer " + text }
	const todos, admin = "/api/v1/tables/todos", "/api/v1/admin/users"
	for name, c := range map[string]struct {
		path   string
		fields []string
		status int
		code   string
	}{
		"control":                          {todos, []string{auth, bearer(key)}, 200, ""},
		"control: twice the same":          {todos, []string{auth, bearer(key), auth, bearer(key), "apikey", key, "X-API-Key", key}, 200, ""},
		"client key as bearer":             {"/api/v1/auth/user", []string{auth, bearer(s.ClientKey)}, 401, "credential_required"},
		"API key for operators":            {admin, []string{auth, bearer(key)}, 403, "api_key_not_allowed"},
		"client key for operators":         {admin, []string{"apikey", s.ClientKey}, 401, "credential_required"},
		"refresh token as bearer":          {todos, []string{auth, bearer(p.Refresh)}, 401, "invalid_token"},
		"refresh token as apikey":          {todos, []string{"apikey", p.Refresh}, 401, "invalid_key"},
		"access token as apikey":           {todos, []string{"apikey", p.Access}, 401, "invalid_key"},
		"API key said to be service":       {admin, []string{auth, bearer(strings.Replace(key, "api", "service", 1))}, 401, "invalid_key"},
		"API key said to be client":        {todos, []string{"apikey", strings.Replace(key, "api", "client", 1)}, 401, "invalid_key"},
		"client key said to be API":        {todos, []string{"apikey", strings.Replace(s.ClientKey, "client", "api", 1)}, 401, "invalid_key"},
		"upper case":                       {todos, []string{auth, bearer(strings.ToUpper(key))}, 401, "invalid_token"},
		"a part":                           {todos, []string{auth, bearer(key[:len(key)-1])}, 401, "invalid_key"},
		"basic":                            {todos, []string{auth, "Basic " + key}, 401, "invalid_token"},
		"in the query":                     {todos + "?apikey=eq." + key, nil, 400, ""},
		"API key and access token":         {todos, []string{auth, bearer(p.Access), "apikey", key}, 401, "ambiguous_credentials"},
		"API key and somebody's token":     {todos, []string{auth, bearer(other.Access), "apikey", key}, 401, "ambiguous_credentials"},
		"API key and service key":          {todos, []string{auth, bearer(key), "apikey", s.ServiceKey}, 401, "ambiguous_credentials"},
		"service key and API key":          {admin, []string{auth, bearer(s.ServiceKey), "apikey", key}, 401, "ambiguous_credentials"},
		"two API keys":                     {todos, []string{auth, bearer(key), "apikey", others}, 401, "ambiguous_credentials"},
		"two API keys, two fields":         {todos, []string{"apikey", key, "X-API-Key", others}, 401, "ambiguous_credentials"},
		"two API keys, one field":          {todos, []string{"apikey", key, "apikey", others}, 401, "ambiguous_credentials"},
		"two bearers":                      {todos, []string{auth, bearer(key), auth, bearer(others)}, 401, "ambiguous_credentials"},
		"client key as bearer and API key": {todos, []string{auth, bearer(s.ClientKey), "apikey", key}, 401, "ambiguous_credentials"},
		"with a broken client key":         {todos, []string{auth, bearer(key), "apikey", s.ClientKey[:30]}, 401, "invalid_key"},
		"two in one field":                 {todos, []string{"apikey", key + ", " + others}, 401, "invalid_key"},
	} {
		expect(t, name, s.Do("GET", c.path, "", "", c.fields...), c.status, c.code)
	}
	for name, c := range map[string]struct{ path, body, code string }{
		"as refresh token":  {"/refresh", `{"refresh_token":%q}`, "refresh_token_invalid"},
		"as mailed link":    {"/magiclink/verify", `{"token":%q}`, "otp_expired"},
		"as reset":          {"/password/reset/confirm", `{"token":%q,"password":"another-password"}`, "otp_expired"},
		"as MFA token":      {"/2fa/verify", `{"mfa_token":%q,"code":"123456"}`, ""},
		"as password":       {"/signin", `{"email":"` + p.Email + `","password":%q}`, "invalid_credentials"},
		"as a page's waits": {"/flow", `{"flow_id":%q}`, ""},
	} {
		for _, text := range []string{key, s.ServiceKey, s.ClientKey} {
			a := s.Do("POST", "/api/v1/auth"+c.path, "", fmt.Sprintf(c.body, text))
			if a.Status < 400 || a.Status >= 500 || c.code != "" && a.Code() != c.code {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	}
}

// TestOrigins sends keys of applications and of services from pages.
func TestOrigins(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	made := func(path, body string) string {
		var k struct{ Key string }
		a := s.Do("POST", "/api/v1/admin/"+path, "", body, "Authorization", "Bearer "+s.ServiceKey)
		if a.JSON(t, &k); a.Status != 201 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return k.Key
	}
	bound := made("client-keys", `{"name":"k","allowed_origins":["https://app.example.com","http://localhost:3000"]}`)
	console, err := s.Keys.Create(ctx, apikey.Service, apikey.New{Name: "console", AllowedOrigins: []string{s.URL, "https://console.example.com"}}, audit.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	own := makeKey(t, s, p, `{"name":"k"}`).Key
	origin := func(texts ...string) (fields []string) {
		for _, text := range texts {
			fields = append(fields, "Origin", text)
		}
		return fields
	}
	for name, c := range map[string]struct {
		key    string
		fields []string
		code   string
	}{
		"no browser":                    {bound, nil, ""},
		"its page":                      {bound, origin("https://app.example.com"), ""},
		"its other page":                {bound, origin("http://localhost:3000"), ""},
		"another page":                  {bound, origin("https://evil.example"), "origin_not_allowed"},
		"a longer host":                 {bound, origin("https://app.example.com.evil.example"), "origin_not_allowed"},
		"a longer name":                 {bound, origin("https://evilapp.example.com"), "origin_not_allowed"},
		"a user":                        {bound, origin("https://app.example.com@evil.example"), "origin_not_allowed"},
		"another scheme":                {bound, origin("http://app.example.com"), "origin_not_allowed"},
		"another port":                  {bound, origin("http://localhost:3001"), "origin_not_allowed"},
		"a slash":                       {bound, origin("https://app.example.com/"), "origin_not_allowed"},
		"null":                          {bound, origin("null"), "origin_not_allowed"},
		"empty":                         {bound, origin(""), "origin_not_allowed"},
		"two pages":                     {bound, origin("https://app.example.com", "https://evil.example"), "origin_not_allowed"},
		"its page twice":                {bound, origin("https://app.example.com", "https://app.example.com"), "origin_not_allowed"},
		"a list":                        {bound, origin("https://app.example.com, https://evil.example"), "origin_not_allowed"},
		"a browser that does not say":   {bound, []string{"Sec-Fetch-Site", "cross-site"}, "origin_not_allowed"},
		"a page of this server":         {bound, []string{"Sec-Fetch-Site", "same-origin"}, "origin_not_allowed"},
		"unbound key, any page":         {s.ClientKey, origin("https://evil.example"), ""},
		"API key, any page":             {own, origin("https://evil.example"), ""},
		"service key, no browser":       {s.ServiceKey, nil, ""},
		"service key, Node":             {s.ServiceKey, []string{"Sec-Fetch-Mode", "cors"}, ""},
		"service key, a page":           {s.ServiceKey, origin("https://app.example.com"), "service_key_in_browser"},
		"service key, this page":        {s.ServiceKey, origin(s.URL), "service_key_in_browser"},
		"service key, null":             {s.ServiceKey, origin("null"), "service_key_in_browser"},
		"service key, empty":            {s.ServiceKey, origin(""), "service_key_in_browser"},
		"service key, same origin":      {s.ServiceKey, []string{"Sec-Fetch-Site", "same-origin"}, "service_key_in_browser"},
		"service key, address bar":      {s.ServiceKey, []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Dest", "document"}, "service_key_in_browser"},
		"service key, a worker":         {s.ServiceKey, []string{"Sec-Fetch-Dest", "empty"}, "service_key_in_browser"},
		"console key, no browser":       {console.Text, nil, ""},
		"console key, its page":         {console.Text, origin("https://console.example.com"), ""},
		"console key, this server":      {console.Text, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, ""},
		"console key, this server post": {console.Text, origin(s.URL), ""},
		"console key, another page":     {console.Text, origin("https://evil.example"), "service_key_in_browser"},
		"console key, same site":        {console.Text, []string{"Sec-Fetch-Site", "same-site"}, "service_key_in_browser"},
	} {
		status := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[c.code == ""]
		for range 2 { // the first time it is looked up, the second time remembered
			expect(t, name, s.Do("GET", "/api/v1/tables/todos", "", "", append(c.fields, "apikey", c.key)...), status, c.code)
		}
		if c.key == bound || c.key == s.ClientKey {
			expect(t, name+", signed in", s.Do("GET", "/api/v1/tables/todos", p.Access, "", append(c.fields, "apikey", c.key)...), status, c.code)
		}
	}
}

// TestOperatorsRoutes makes, lists, rotates and ends keys over HTTP.
func TestOperatorsRoutes(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	for _, kind := range []string{"client", "service"} {
		base := "/api/v1/admin/" + kind + "-keys"
		var first, second struct {
			ID, Key, Name string
			Replaces      struct{ ID string }
		}
		a := s.Do("POST", base, s.ServiceKey, `{"name":"website"}`)
		expect(t, kind, a, 201, "")
		if a.JSON(t, &first); !strings.HasPrefix(first.Key, "fb_"+kind+"_") {
			t.Errorf("%s", a.Body)
		}
		expect(t, kind, s.Do("GET", "/api/v1/auth/settings", "", "", "apikey", first.Key), 200, "")
		a = s.Do("POST", base+"/"+first.ID+"/rotate", s.ServiceKey, "")
		expect(t, kind+": rotated", a, 201, "")
		if a.JSON(t, &second); second.Name != "website" || second.Replaces.ID != first.ID {
			t.Errorf("%s", a.Body)
		}
		for _, key := range []string{first.Key, second.Key} {
			expect(t, kind+": within the overlap", s.Do("GET", "/api/v1/auth/settings", "", "", "apikey", key), 200, "")
		}
		expect(t, kind+": rotated again", s.Do("POST", base+"/"+first.ID+"/rotate", s.ServiceKey, ""), 409, "key_over")
		if err := s.Keys.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		a = s.Do("GET", base, s.ServiceKey, "")
		if list := a.Body; strings.Count(list, first.ID) != 1 || strings.Count(list, `"replaced_by":"`+second.ID) != 1 || strings.Contains(list, `"key":`) ||
			strings.Count(list, `"last_used_at":"`) < 2 {
			t.Errorf("%s", list)
		}
		expect(t, kind+": ended", s.Do("DELETE", base+"/"+second.ID, s.ServiceKey, ""), 204, "")
		refusedSoon(t, kind+": ended", func() servertest.Answer {
			return s.Do("GET", "/api/v1/auth/settings", "", "", "apikey", second.Key)
		})
		expect(t, kind+": ended twice", s.Do("DELETE", base+"/"+second.ID, s.ServiceKey, ""), 404, "key_not_found")
		for name, a := range map[string]servertest.Answer{
			"a person": s.Do("POST", base, p.Access, `{"name":"k"}`), "an unknown member": s.Do("POST", base, s.ServiceKey, `{"name":"k","role":"postgres"}`),
			"a slip in the query": s.Do("GET", base+"?limits=1", s.ServiceKey, ""), "a limit": s.Do("GET", base+"?limit=101", s.ServiceKey, ""),
		} {
			if a.Status != 400 && a.Status != 403 {
				t.Errorf("%s: %s: %d %s", kind, name, a.Status, a.Body)
			}
		}
	}
	var records string
	s.DB.Scan(t, `select string_agg(action || ' ' || actor_kind, ', ' order by sequence) from auth.audit_log where action like 'key.%' and details->>'kind' = 'client' and actor_kind <> 'system'`, nil, &records)
	if records != "key.created key, key.rotated key, key.revoked key" {
		t.Errorf("%s", records)
	}
}

// TestLimitsAreThoseOfTheUser counts requests with two keys and a session of one
// user together, and those of somebody else apart.
func TestLimitsAreThoseOfTheUser(t *testing.T) {
	t.Parallel()
	s := house(t, servertest.With("ratelimit.enabled", "true"), servertest.With("ratelimit.global_rate_limit", "true"),
		servertest.With("ratelimit.limits.authenticated", "8"), servertest.With("ratelimit.window", "1h"))
	p, other := s.SignUp(), s.SignUp()
	keys := []string{makeKey(t, s, p, `{"name":"a"}`).Key, makeKey(t, s, p, `{"name":"b"}`).Key, p.Access}
	others := makeKey(t, s, other, `{"name":"c"}`).Key
	passed := 0
	for i := range 12 {
		a := s.Do("GET", "/api/v1/tables/todos", keys[i%3], "")
		if a.Status == 200 {
			passed++
		} else if a.Code() != "over_request_rate_limit" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if passed != 6 { // two made the keys
		t.Errorf("%d of 12 requests passed", passed)
	}
	expect(t, "control: somebody else", s.Do("GET", "/api/v1/tables/todos", others, ""), 200, "")
}
