package apikey_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestKeysEndWithTheirUser ends keys in every way there is, on one of two
// servers. The other one, which has just verified the key, refuses it within a
// second.
func TestKeysEndWithTheirUser(t *testing.T) {
	t.Parallel()
	a := house(t)
	b := servertest.On(t, a.DB)
	control := makeKey(t, a, a.SignUp(), `{"name":"k"}`).Key
	for name, end := range map[string]func(p servertest.Person, key apiKey) servertest.Answer{
		"revoked": func(p servertest.Person, key apiKey) servertest.Answer {
			return a.Do("DELETE", "/api/v1/auth/api-keys/"+key.ID, p.Access, "")
		},
		"banned": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("POST", "/api/v1/admin/users/"+p.ID+"/ban", a.ServiceKey, "")
		},
		"banned by a patch": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("PATCH", "/api/v1/admin/users/"+p.ID, a.ServiceKey, `{"banned_until":"9000-01-01T00:00:00Z"}`)
		},
		"deleted by an operator": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("DELETE", "/api/v1/admin/users/"+p.ID, a.ServiceKey, "")
		},
		"deleted by themselves": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("DELETE", "/api/v1/auth/user", p.Access, fmt.Sprintf(`{"password":%q}`, servertest.Password))
		},
		"password by an operator": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("PATCH", "/api/v1/admin/users/"+p.ID, a.ServiceKey, `{"password":"another-password"}`)
		},
		"address by an operator": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("PATCH", "/api/v1/admin/users/"+p.ID, a.ServiceKey, fmt.Sprintf(`{"email":"x%s"}`, p.Email))
		},
		"own change of password, if asked for": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("PUT", "/api/v1/auth/user/password", p.Access,
				fmt.Sprintf(`{"current_password":%q,"new_password":"another-password","revoke_api_keys":true}`, servertest.Password))
		},
		"reset by mail": func(p servertest.Person, _ apiKey) servertest.Answer {
			a.DB.Exec(t, `update auth.users set email_verified_at = now() where id = $1`, p.ID) // so that it is no first proof
			a.Do("POST", "/api/v1/auth/password/reset", "", fmt.Sprintf(`{"email":%q}`, p.Email))
			return a.Do("POST", "/api/v1/auth/password/reset/confirm", "", fmt.Sprintf(`{"token":%q,"password":"another-password"}`, token(t, p.Email, a, b)))
		},
		"proof of the mailbox": func(p servertest.Person, _ apiKey) servertest.Answer {
			a.Do("POST", "/api/v1/auth/magiclink", "", fmt.Sprintf(`{"email":%q}`, p.Email))
			return a.Do("POST", "/api/v1/auth/magiclink/verify", "", fmt.Sprintf(`{"token":%q}`, token(t, p.Email, a, b)))
		},
		"proof by an operator's word": func(p servertest.Person, _ apiKey) servertest.Answer {
			return a.Do("PATCH", "/api/v1/admin/users/"+p.ID, a.ServiceKey, `{"email_verified":true,"unproven":"reset"}`)
		},
	} {
		p := a.SignUp()
		key := makeKey(t, a, p, `{"name":"k"}`)
		read := func() servertest.Answer { return b.Do("GET", "/api/v1/tables/todos", key.Key, "") }
		expect(t, name+": before", read(), 200, "")
		if answer := end(p, key); answer.Status >= 300 {
			t.Errorf("%s: %d %s", name, answer.Status, answer.Body)
		}
		refusedSoon(t, name, read)
		refusedSoon(t, name+", where it was done", func() servertest.Answer { return a.Do("GET", "/api/v1/tables/todos", key.Key, "") })
	}
	expect(t, "control: somebody else's", b.Do("GET", "/api/v1/tables/todos", control, ""), 200, "")
}

// TestWhatKeysOutlive does to an account what leaves its keys alone.
func TestWhatKeysOutlive(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	key := makeKey(t, s, p, `{"name":"k"}`).Key
	for name, do := range map[string]func() servertest.Answer{
		"signing out everywhere": func() servertest.Answer {
			return s.Do("POST", "/api/v1/auth/signout", s.Person(p.Email, signIn(s, p)).Access, `{"scope":"global"}`)
		},
		"sessions ended by an operator": func() servertest.Answer {
			return s.Do("DELETE", "/api/v1/admin/users/"+p.ID+"/sessions", s.ServiceKey, "")
		},
		"another address": func() servertest.Answer {
			in := s.Person(p.Email, signIn(s, p))
			p.Email = "x" + p.Email
			return s.Do("PUT", "/api/v1/auth/user/email", in.Access, fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password))
		},
		"the ban of somebody else": func() servertest.Answer {
			return s.Do("POST", "/api/v1/admin/users/"+s.SignUp().ID+"/ban", s.ServiceKey, "")
		},
	} {
		if a := do(); a.Status >= 300 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		expect(t, name, s.Do("GET", "/api/v1/tables/todos", key, ""), 200, "")
	}
	a := s.Do("PUT", "/api/v1/auth/user/password", s.Person(p.Email, signIn(s, p)).Access,
		fmt.Sprintf(`{"current_password":%q,"new_password":"another-password"}`, servertest.Password))
	expect(t, "a change of password", a, 200, "")
	expect(t, "afterwards", s.Do("GET", "/api/v1/tables/todos", key, ""), 200, "")
}

// TestABanIsForGood lifts a ban: the key is not good again.
func TestABanIsForGood(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	key := makeKey(t, s, p, `{"name":"k"}`).Key
	s.Do("POST", "/api/v1/admin/users/"+p.ID+"/ban", s.ServiceKey, "")
	s.Do("DELETE", "/api/v1/admin/users/"+p.ID+"/ban", s.ServiceKey, "")
	refusedSoon(t, "after the ban", func() servertest.Answer { return s.Do("GET", "/api/v1/tables/todos", key, "") })
	expect(t, "control: the person comes in again", signIn(s, p), 200, "")
}

// TestExpiry lets keys of each kind come to their end while a server remembers
// them.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	var client, service struct{ Key string }
	s.Do("POST", "/api/v1/admin/client-keys", s.ServiceKey, `{"name":"k","expires_in":3}`).JSON(t, &client)
	s.Do("POST", "/api/v1/admin/service-keys", s.ServiceKey, `{"name":"k","expires_in":3}`).JSON(t, &service)
	keys := []string{makeKey(t, s, p, `{"name":"k","expires_in":3}`).Key, client.Key, service.Key}
	lasting := makeKey(t, s, p, `{"name":"k","expires_in":3600}`).Key
	made := time.Now()
	for _, key := range keys {
		expect(t, "before", s.Do("GET", "/api/v1/auth/settings", key, ""), 200, "")
	}
	time.Sleep(time.Until(made.Add(3*time.Second + 50*time.Millisecond))) // which is no assertion: what follows holds however late it is
	for _, key := range keys {
		expect(t, "after "+key[:6], s.Do("GET", "/api/v1/auth/settings", key, ""), 401, "invalid_key")
	}
	expect(t, "control", s.Do("GET", "/api/v1/auth/settings", lasting, ""), 200, "")
	if a := s.Do("GET", "/api/v1/auth/api-keys", p.Access, ""); strings.Count(a.Body, `"prefix"`) != 2 {
		t.Errorf("one that has expired is still listed: %s", a.Body)
	}
}

// TestLastUseOutlivesTheServer stops a server that has been asked a moment ago.
func TestLastUseOutlivesTheServer(t *testing.T) {
	t.Parallel()
	s := house(t)
	made := makeKey(t, s, s.SignUp(), `{"name":"k"}`)
	used := func() (n int) {
		s.DB.Scan(t, `select count(*) from auth.api_keys where id = $1 and last_used_at is not null`, []any{made.ID}, &n)
		return n
	}
	expect(t, "a use", s.Do("GET", "/api/v1/tables/todos", made.Key, ""), 200, "")
	if used() != 0 {
		t.Error("the request has written its use")
	}
	s.Stop()
	if used() != 1 {
		t.Error("the use is lost")
	}
}

// TestPasswordlessAccountIsSomebodys has an account that nobody has proven and
// that has an API key only: an operator has to say what becomes of it.
func TestPasswordlessAccountIsSomebodys(t *testing.T) {
	t.Parallel()
	s := house(t)
	p := s.SignUp()
	key := makeKey(t, s, p, `{"name":"k"}`).Key
	s.DB.Exec(t, `delete from auth.passwords where user_id = $1`, p.ID)
	s.DB.Exec(t, `update auth.sessions set ended_at = now(), end_reason = 'admin' where user_id = $1`, p.ID)
	expect(t, "without a word", s.Do("PATCH", "/api/v1/admin/users/"+p.ID, s.ServiceKey, `{"email_verified":true}`), 409, "unproven_credentials")
	expect(t, "kept", s.Do("PATCH", "/api/v1/admin/users/"+p.ID, s.ServiceKey, `{"email_verified":true,"unproven":"keep"}`), 200, "")
	expect(t, "control: the key holds", s.Do("GET", "/api/v1/tables/todos", key, ""), 200, "")
}

func signIn(s *servertest.Server, p servertest.Person) servertest.Answer {
	return s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password))
}

// token is what the last link that was mailed to an address ends with. Whichever
// server sends it has it in its mailbox.
func token(t *testing.T, email string, servers ...*servertest.Server) string {
	t.Helper()
	for turn, began := 0, time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		s := servers[turn%len(servers)]
		turn++
		var inbox struct{ Items []struct{ Text string } }
		s.Do("GET", "/dev/mail/messages?to="+email, "", "").JSON(t, &inbox)
		for _, m := range inbox.Items {
			if _, rest, ok := strings.Cut(m.Text, "/verify?token="); ok {
				return strings.Fields(rest)[0]
			}
		}
	}
	t.Fatal("no mail")
	return ""
}
