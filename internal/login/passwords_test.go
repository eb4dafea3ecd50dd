package login_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// imported are digests of "correct hörse" by passlib 1.7.4 and bcrypt 5.0.0 of Python.
var imported = map[string]string{
	"bcrypt":  "$2b$05$dtHjDTIlvRuoKu7Pgua90OXtkQqqSPDoDxvJ7sSvBMhg1hvf7gf.q",
	"SSHA512": "{SSHA512}9VDNjLplNPayo11qknlUd7wBhm0zoSLuEWmIFlZTAuB0/SUvVqrQYcKri78BqCcpqDMYrEY6aEPWLIZ22Vu8FM6ZMyYkZAzh",
	"phpass":  "$P$5gpLA00.OxI2/4DQNFeP9si91EaiKw1",
	"scrypt":  "$scrypt$ln=10,r=8,p=2$GKO09r7XmjPm3FsrZQwBIA$B3a8+MC5P0v9t8DyEqxlVAJ00M5SFRdwKWFZ3UuRsXc",
}

// kept returns the digest of a person's password.
func kept(t *testing.T, db *pgtest.Database, p servertest.Person) string {
	t.Helper()
	var digest string
	db.Scan(t, `select digest from auth.passwords where user_id = $1`, []any{p.ID}, &digest)
	return digest
}

func signIn(s *servertest.Server, p servertest.Person, word string) servertest.Answer {
	return s.Do("POST", base+"/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, word))
}

// TestDigestsOfOthersAreReplaced signs in with the digest of another system: a
// wrong password leaves it, the right one puts one of the configured scheme in
// its place, once.
func TestDigestsOfOthersAreReplaced(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, text := range imported {
		p := s.SignUp()
		s.DB.Exec(t, `update auth.passwords set digest = $2 where user_id = $1`, p.ID, text)
		if a := signIn(s, p, servertest.Password); a.Status != 401 || kept(t, s.DB, p) != text {
			t.Errorf("%s: a wrong password: %d, and %s is kept", name, a.Status, kept(t, s.DB, p))
		}
		if a := signIn(s, p, "correct hörse"); a.Status != 200 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		renewed := kept(t, s.DB, p)
		if !strings.HasPrefix(renewed, "$2a$04$") {
			t.Errorf("%s: %s is kept", name, renewed)
		}
		if a := signIn(s, p, "correct hörse"); a.Status != 200 || kept(t, s.DB, p) != renewed {
			t.Errorf("%s: again: %d, and %s is kept", name, a.Status, kept(t, s.DB, p))
		}
	}
}

// TestSchemeIsChanged runs servers of another scheme and cost on one database.
func TestSchemeIsChanged(t *testing.T) {
	t.Parallel()
	first := servertest.New(t)
	p := first.SignUp()
	for _, c := range []struct{ scheme, cost, memory, want string }{
		{"argon2id", "4", "64", "$argon2id$v=19$m=64,t=2,p=1$"},
		{"argon2id", "4", "128", "$argon2id$v=19$m=128,t=2,p=1$"},
		{"bcrypt", "5", "64", "$2a$05$"},
		{"bcrypt", "4", "64", "$2a$04$"},
	} {
		s := servertest.On(t, first.DB, servertest.With("auth.password_scheme", c.scheme), servertest.With("auth.bcrypt_cost", c.cost), servertest.With("auth.argon2_memory", c.memory))
		if a := signIn(s, p, servertest.Password); a.Status != 200 || !strings.HasPrefix(kept(t, s.DB, p), c.want) {
			t.Errorf("%s: %d, and %s is kept", c.want, a.Status, kept(t, s.DB, p))
		}
		s.Stop()
	}
}

// TestRenewedAtOnce has twenty sign-ins replace the same digest.
func TestRenewedAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	s.DB.Exec(t, `update auth.passwords set digest = $2 where user_id = $1`, p.ID, imported["phpass"])
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := signIn(s, p, "correct hörse"); a.Status != 200 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	if a := signIn(s, p, "correct hörse"); a.Status != 200 || !strings.HasPrefix(kept(t, s.DB, p), "$2a$") {
		t.Errorf("afterwards: %d, and %s is kept", a.Status, kept(t, s.DB, p))
	}
}

// TestReplaceComparesFirst: a password that was changed while its old one was
// hashed anew stays changed.
func TestReplaceComparesFirst(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, passwords := s.SignUp(), &password.Service{}
	userID, err := id.Parse(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	changed := kept(t, s.DB, p)
	for _, c := range []struct{ old, want string }{{"what was there before", changed}, {changed, "new"}} {
		if err := passwords.Replace(context.Background(), s.DB.Single(), id.User(userID), c.old, "new"); err != nil {
			t.Error(err)
		}
		if got := kept(t, s.DB, p); got != c.want {
			t.Errorf("replacing %s: %s is kept, not %s", c.old, got, c.want)
		}
	}
}

// TestWeakPasswordsAreNamed signs up with passwords that break several rules.
func TestWeakPasswordsAreNamed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("auth.password_require_uppercase", "true"), servertest.With("auth.password_require_digit", "true"))
	signUp := func(word string) servertest.Answer {
		return s.Do("POST", base+"/signup", "", fmt.Sprintf(`{"email":"ada.lovelace@example.com","password":%q}`, word))
	}
	for word, want := range map[string][]string{
		"letme":                    {"at least 8", "upper-case", "digit"},
		"letmein":                  {"at least 8", "upper-case", "digit", "common"},
		"Password1":                {"common"},
		"Ada.Lovelace@Example.com": {"digit", "e-mail address"},
		"12345678":                 {"upper-case", "common"},
	} {
		a := signUp(word)
		var p struct {
			Code, Detail string
			Errors       []struct{ Pointer, Detail string }
		}
		if err := json.Unmarshal([]byte(a.Body), &p); err != nil || a.Status != 400 || p.Code != "weak_password" || len(p.Errors) != len(want) {
			t.Errorf("%s: %d %s", word, a.Status, a.Body)
			continue
		}
		for i, part := range want {
			if p.Errors[i].Pointer != "/password" || !strings.Contains(p.Errors[i].Detail, part) || !strings.Contains(p.Detail, part) {
				t.Errorf("%s: %s is not named in %s", word, part, a.Body)
			}
		}
	}
	if a := signUp("Correct horse 1"); a.Status != 201 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// TestBreachedPasswords asks a service on this machine, as a mirror inside would
// be, and one that is down.
func TestBreachedPasswords(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/range/2F9E5" { // of "correct horse"
			_, _ = fmt.Fprint(w, "3523B62ABC141A2B4D6019D23CBA835DBD0:7\r\n")
		}
	}))
	s := servertest.New(t, servertest.With("auth.password_breach_check", "true"), servertest.With("auth.password_breach_url", service.URL+"/range/"))
	signUp := func(email, word string) servertest.Answer {
		return s.Do("POST", base+"/signup", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, word))
	}
	if a := signUp("ada@example.com", "correct horse"); a.Status != 400 || a.Code() != "weak_password" || !strings.Contains(a.Body, "breach") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := signUp("ada@example.com", "another horse"); a.Status != 201 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	service.Close()
	if a := signUp("bob@example.com", "correct horse"); a.Status != 201 || !strings.Contains(s.LogText(), "not looked for among breached ones") {
		t.Errorf("while it is down: %d %s", a.Status, a.Body)
	}
}
