package login_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/user"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const base = "/api/v1/auth"

// TestUserDocument decodes what PostgreSQL composes strictly into the type that
// the API description is made of: neither can gain or lose a member alone.
func TestUserDocument(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	a := s.Do("POST", base+"/signup", "", `{"email":"Ada@Example.COM","password":"a-long-password","options":{"data":{"name":"Ada"}}}`)
	if a.Status != 201 || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.Status, a.Header, a.Body)
	}
	p := s.Person("", a)
	text := s.Do("GET", base+"/user", p.Access, "").Body
	var u user.User
	if err := json.Unmarshal([]byte(text), &u, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	back, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	var sent, described map[string]any
	if json.Unmarshal([]byte(text), &sent) != nil || json.Unmarshal(back, &described) != nil || len(sent) != len(described) {
		t.Errorf("the document has %d members and its type %d", len(sent), len(described))
	}
	if *u.Email != "ada@example.com" || string(u.UserMetadata["name"]) != `"Ada"` || u.Role != "authenticated" || len(u.Identities) != 1 ||
		u.Identities[0].Provider != "email" || u.LastSignInAt == nil {
		t.Errorf("%s", text)
	}
}

func TestSignInTellsNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	signIn := func(email, password string) servertest.Answer {
		return s.Do("POST", base+"/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
	}
	strip := func(a servertest.Answer) string {
		return fmt.Sprint(a.Status, strings.ReplaceAll(a.Body, a.Header.Get("X-Request-Id"), ""))
	}
	wrong := signIn(p.Email, "not-the-password")
	if wrong.Status != 401 || wrong.Code() != "invalid_credentials" {
		t.Fatalf("%d %s", wrong.Status, wrong.Body)
	}
	for name, a := range map[string]servertest.Answer{
		"unknown":   signIn("nobody@example.com", servertest.Password),
		"malformed": signIn("nobody", servertest.Password),
		"too long":  signIn(p.Email, strings.Repeat("x", 73)),
		"empty":     signIn("", ""),
	} {
		if strip(a) != strip(wrong) {
			t.Errorf("%s differs from a wrong password: %s and %s", name, a.Body, wrong.Body)
		}
	}
	if a := signIn(strings.ToUpper(p.Email), servertest.Password); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	var records int
	s.DB.Scan(t, `select count(*) from auth.audit_log where action = 'user.sign_in_rejected' and outcome = 'failure'`, nil, &records)
	if records != 5 {
		t.Errorf("%d rejections recorded, want 5", records)
	}
}

// TestPasswordIsNotCut signs up with the longest password and signs in with it,
// and not with its first 71 bytes or one byte more.
func TestPasswordIsNotCut(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	longest := strings.Repeat("ä", 36)
	body := func(password string) string {
		return fmt.Sprintf(`{"email":"longest@example.com","password":%q}`, password)
	}
	if a := s.Do("POST", base+"/signup", "", body(longest+"x")); a.Status != 400 || a.Code() != "weak_password" || !strings.Contains(a.Body, "/password") {
		t.Errorf("73 bytes: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", base+"/signup", "", body(longest)); a.Status != 201 {
		t.Errorf("72 bytes: %d %s", a.Status, a.Body)
	}
	for _, password := range []string{longest + "x", strings.Repeat("ä", 35) + "x"} {
		if a := s.Do("POST", base+"/signin", "", body(password)); a.Status != 401 {
			t.Errorf("another password of %d bytes: %d", len(password), a.Status)
		}
	}
	if a := s.Do("POST", base+"/signin", "", body(longest)); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// TestMassAssignment tries every way in which a body could say more than it may.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	credentials := `"email":"mallory@example.com","password":"a-long-password"`
	for name, c := range map[string]struct{ body, pointer string }{
		"unknown key":      {`{` + credentials + `,"role":"service_role"}`, "/role"},
		"app_metadata":     {`{` + credentials + `,"app_metadata":{"admin":true}}`, "/app_metadata"},
		"case variant":     {`{` + credentials + `,"Email":"x@example.com"}`, "/Email"},
		"duplicate":        {`{` + credentials + `,"email":"x@example.com"}`, "/email"},
		"nested unknown":   {`{` + credentials + `,"options":{"app_metadata":{}}}`, "/options/app_metadata"},
		"data not object":  {`{` + credentials + `,"data":[1]}`, "/data"},
		"two places":       {`{` + credentials + `,"data":{},"options":{"data":{}}}`, "/data"},
		"password number":  {`{"email":"mallory@example.com","password":12345678}`, "/password"},
		"metadata too big": {`{` + credentials + `,"data":{"x":"` + strings.Repeat("x", 17<<10) + `"}}`, "/data"},
	} {
		a := s.Do("POST", base+"/signup", "", c.body)
		var p struct{ Errors []struct{ Pointer string } }
		a.JSON(t, &p)
		if a.Status != 400 || len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		if strings.Contains(a.Body, "a-long-password") || strings.Contains(a.Body, "service_role") {
			t.Errorf("%s: the answer repeats what was sent: %s", name, a.Body)
		}
	}
	var n int
	s.DB.Scan(t, `select count(*) from auth.users`, nil, &n)
	if n != 0 {
		t.Errorf("%d accounts were made", n)
	}
	p := s.Person("", s.Do("POST", base+"/signup", "", `{`+credentials+`,"data":{"role":"service_role","app_metadata":{"admin":true}}}`))
	var u user.User
	s.Do("GET", base+"/user", p.Access, "").JSON(t, &u)
	if u.Role != "authenticated" || len(u.AppMetadata) != 0 || string(u.UserMetadata["role"]) != `"service_role"` {
		t.Errorf("control: metadata is metadata: %+v", u)
	}
}

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, email := range []string{
		"", "x", "@example.com", "x@", "x@localhost", "x y@example.com", `"x@attacker.com"@example.com`, "x@example.com,y@example.com",
		"X <x@example.com>", "x@exa_mple.com", ".x@example.com", "x..y@example.com", "x@-example.com", "x@example..com",
		"x@example.com\\r\\nBcc: y@example.com", strings.Repeat("x", 65) + "@example.com", "x@" + strings.Repeat("x", 64) + ".com",
	} {
		a := s.Do("POST", base+"/signup", "", `{"email":"`+strings.ReplaceAll(email, `"`, `\"`)+`","password":"a-long-password"}`)
		if a.Status != 400 || a.Code() != "invalid_email" {
			t.Errorf("%q: %d %s", email, a.Status, a.Body)
		}
	}
	if a := s.Do("POST", base+"/signup", "", `{"email":"x\u0000@example.com","password":"a-long-password"}`); a.Status != 400 || a.Code() != "invalid_value" {
		t.Errorf("NUL: %d %s", a.Status, a.Body)
	}
	for _, email := range []string{"x+tag@example.com", "o'neil@mail.example.com", "x@bücher.example"} {
		if a := s.Do("POST", base+"/signup", "", fmt.Sprintf(`{"email":%q,"password":"a-long-password"}`, email)); a.Status != 201 {
			t.Errorf("control: %q: %d %s", email, a.Status, a.Body)
		}
	}
}

// TestOneAddressOneAccount signs the same address up fifty times at once.
func TestOneAddressOneAccount(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i := range 50 {
		email := []string{"one@example.com", "ONE@example.com"}[i%2]
		wg.Go(func() {
			a := s.Do("POST", base+"/signup", "", fmt.Sprintf(`{"email":%q,"password":"a-long-password"}`, email))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.Status]++
		})
	}
	wg.Wait()
	if statuses[201] != 1 || statuses[201]+statuses[409]+statuses[503] != 50 {
		t.Errorf("statuses %v", statuses)
	}
	var half int
	s.DB.Scan(t, `select count(*) from auth.users u where not exists (select from auth.passwords p where p.user_id = u.id)
		or not exists (select from auth.identities i where i.user_id = u.id) or not exists (select from auth.sessions s where s.user_id = u.id)`, nil, &half)
	if half != 0 {
		t.Errorf("%d half accounts", half)
	}
}

func TestUpdateMergesMetadata(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	for _, step := range []struct{ body, want string }{
		{`{"data":{"name":"Ada","theme":{"dark":true}}}`, `{"name":"Ada","theme":{"dark":true}}`},
		{`{"data":{"name":"Eve"}}`, `{"name":"Eve","theme":{"dark":true}}`},
		{`{"data":{"theme":null}}`, `{"name":"Eve"}`},
		{`{"data":{"deep":{"kept":null}}}`, `{"deep":{"kept":null},"name":"Eve"}`},
	} {
		a := s.Do("PATCH", base+"/user", p.Access, step.body)
		var u user.User
		a.JSON(t, &u)
		got, _ := json.Marshal(u.UserMetadata, json.Deterministic(true))
		if a.Status != 200 || string(got) != step.want {
			t.Errorf("%s: %d %s, want %s", step.body, a.Status, got, step.want)
		}
	}
	if a := s.Do("PATCH", base+"/user", p.Access, `{"data":{"a":"`+strings.Repeat("x", 16300)+`"}}`); a.Status != 200 {
		t.Errorf("control: just small enough: %d %s", a.Status, a.Body)
	}
	if a := s.Do("PATCH", base+"/user", p.Access, `{"data":{"b":"`+strings.Repeat("x", 200)+`"}}`); a.Status != 400 || a.Code() != "metadata_too_large" {
		t.Errorf("too large together: %d %s", a.Status, a.Body)
	}
	if a := s.Do("PATCH", base+"/user", p.Access, `{"data":{"nul":"\u0000"}}`); a.Status != 400 || a.Code() != "invalid_value" || !strings.Contains(a.Body, `"/data/nul"`) {
		t.Errorf("NUL: %d %s", a.Status, a.Body)
	}
}

func TestSignOutScopes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	alive := func(p servertest.Person) bool {
		return s.Do("POST", base+"/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)).Status == 200
	}
	for scope, want := range map[string][3]bool{
		`{}`: {false, true, true}, `{"scope":"local"}`: {false, true, true},
		`{"scope":"others"}`: {true, false, true}, `{"scope":"global"}`: {false, false, true},
	} {
		mine, stranger := s.SignUp(), s.SignUp()
		second := s.Person(mine.Email, s.Do("POST", base+"/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, mine.Email, servertest.Password)))
		if a := s.Do("POST", base+"/signout", mine.Access, scope); a.Status != 204 {
			t.Errorf("%s: %d %s", scope, a.Status, a.Body)
		}
		if got := [3]bool{alive(mine), alive(second), alive(stranger)}; got != want {
			t.Errorf("%s: alive %v, want %v", scope, got, want)
		}
	}
	p := s.SignUp()
	if a := s.Do("POST", base+"/signout", p.Access, `{"scope":"everything"}`); a.Status != 400 {
		t.Errorf("unknown scope: %d", a.Status)
	}
	if a := s.Do("POST", base+"/signout", p.Access, ""); a.Status != 204 {
		t.Errorf("without a body: %d %s", a.Status, a.Body)
	}
}

func TestSignUpCanBeClosed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("auth.enable_signup", "false"))
	if a := s.Do("POST", base+"/signup", "", `{"email":"x@example.com","password":"a-long-password"}`); a.Status != 403 || a.Code() != "signup_disabled" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestHashingIsBounded fills the only worker and its queue: the rest is told to
// come back, at once, while other routes answer.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("auth.hash_workers", "1"), servertest.With("auth.hash_queue", "1"), servertest.With("auth.bcrypt_cost", "10"))
	p := s.SignUp()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			a := s.Do("POST", base+"/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.Status]++
			if a.Status == 503 && (a.Code() != "over_hashing_capacity" || a.Header.Get("Retry-After") == "") {
				t.Errorf("%v %s", a.Header, a.Body)
			}
		})
	}
	if a := s.Do("GET", base+"/user", p.Access, ""); a.Status != 200 {
		t.Errorf("another route meanwhile: %d", a.Status)
	}
	wg.Wait()
	if statuses[200] == 0 || statuses[503] == 0 || statuses[200]+statuses[503] != 12 {
		t.Errorf("statuses %v", statuses)
	}
}

// TestSignInReadsNoFlows hides the table of flows: only where addresses have to be
// proven a wrong password may be that of a sign-up.
func TestSignInReadsNoFlows(t *testing.T) {
	t.Parallel()
	for verification, status := range map[string]int{"off": 401, "required": 500} {
		s := servertest.New(t, servertest.With("auth.email_verification", verification))
		s.DB.Exec(t, `alter table auth.flows rename to hidden`)
		if a := in(s, "alice@example.com", "not-the-password"); a.Status != status {
			t.Errorf("%s: %d %s", verification, a.Status, a.Body)
		}
		if verification == "off" {
			p := s.SignUp()
			want(t, in(s, p.Email, servertest.Password), 200, "")
		}
	}
}
