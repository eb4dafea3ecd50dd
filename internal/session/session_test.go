package session_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func refresh(s *servertest.Server, token string) servertest.Answer {
	return s.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, token))
}

func reason(t *testing.T, a servertest.Answer) string {
	t.Helper()
	var p struct{ Code, Reason string }
	a.JSON(t, &p)
	if a.Status != 401 || p.Code != "session_ended" {
		t.Fatalf("want 401 session_ended, got %d %s", a.Status, a.Body)
	}
	return p.Reason
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()

	next := s.Person(p.Email, refresh(s, p.Refresh))
	if next.Refresh == p.Refresh || next.Session != p.Session || next.ID != p.ID {
		t.Errorf("want the next generation of the same session, got %+v after %+v", next, p)
	}
	if a := s.Do("GET", "/api/v1/auth/user", next.Access, ""); a.Status != 200 {
		t.Errorf("the new access token: %d %s", a.Status, a.Body)
	}
}

// TestPredecessorGetsTheSameSuccessor is the tab whose answer was lost: it is
// handed what the first caller got, and nobody is signed out.
func TestPredecessorGetsTheSameSuccessor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()

	first := s.Person(p.Email, refresh(s, p.Refresh))
	second := s.Person(p.Email, refresh(s, p.Refresh))
	if first.Refresh != second.Refresh {
		t.Error("the predecessor got another successor: two branches live")
	}
	if a := refresh(s, first.Refresh); a.Status != 200 {
		t.Errorf("the one live branch: %d %s", a.Status, a.Body)
	}
}

// TestOlderGenerationIsTheft is a stolen refresh token that is used after its
// owner has gone on: the session ends for both, with a reason and a record.
func TestOlderGenerationIsTheft(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	second := s.Person(p.Email, refresh(s, p.Refresh))
	third := s.Person(p.Email, refresh(s, second.Refresh))

	if r := reason(t, refresh(s, p.Refresh)); r != "reuse_detected" {
		t.Errorf("reason %q", r)
	}
	if r := reason(t, refresh(s, third.Refresh)); r != "reuse_detected" {
		t.Errorf("the owner is told %q", r)
	}
	eventually(t, "the access token is refused", func() bool {
		return s.Do("GET", "/api/v1/auth/user", third.Access, "").Status == 401
	})
	var records int
	s.DB.Scan(t, `select count(*) from auth.audit_log where action = 'session.reuse_detected' and target_id = $1
		and details ? 'presented_ip' and details ? 'session_ip'`, []any{p.Session}, &records)
	if records != 1 {
		t.Errorf("%d audit records", records)
	}
}

func TestGraceEnds(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	s.Person(p.Email, refresh(s, p.Refresh))
	s.DB.Exec(t, `update auth.sessions set rotated_at = now() - interval '11 seconds' where id = $1`, p.Session)

	if r := reason(t, refresh(s, p.Refresh)); r != "reuse_detected" {
		t.Errorf("after the grace: %q", r)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for want, change := range map[string]string{
		"expired": `update auth.sessions set expires_at = now() where id = $1`,
		"idle":    `update auth.sessions set last_used_at = now() - interval '169 hours' where id = $1`,
	} {
		p := s.SignUp()
		s.DB.Exec(t, change, p.Session)
		if r := reason(t, refresh(s, p.Refresh)); r != want {
			t.Errorf("reason %q, want %q", r, want)
		}
	}
	p := s.SignUp()
	s.DB.Exec(t, `update auth.sessions set last_used_at = now() - interval '167 hours', expires_at = now() + interval '1 minute' where id = $1`, p.Session)
	if a := refresh(s, p.Refresh); a.Status != 200 {
		t.Errorf("control: a session within both limits: %d %s", a.Status, a.Body)
	}
}

// TestFiftyAtOnce sends one refresh token fifty times at once over two servers:
// one rotation, every answer usable, and all of them the same.
func TestFiftyAtOnce(t *testing.T) {
	t.Parallel()
	a := servertest.New(t)
	b := servertest.On(t, a.DB)
	p := a.SignUp()

	var mu sync.Mutex
	successors := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 50 {
		s := []*servertest.Server{a, b}[i%2]
		wg.Go(func() {
			answer := refresh(s, p.Refresh)
			mu.Lock()
			defer mu.Unlock()
			if answer.Status != 200 {
				t.Errorf("refused: %d %s", answer.Status, answer.Body)
				return
			}
			successors[a.Person(p.Email, answer).Refresh] = true
		})
	}
	wg.Wait()
	if len(successors) != 1 {
		t.Errorf("%d successors, want 1", len(successors))
	}
	var generation int
	a.DB.Scan(t, `select generation from auth.sessions where id = $1`, []any{p.Session}, &generation)
	if generation != 2 {
		t.Errorf("generation %d, want 2", generation)
	}
}

func TestForgedRefreshTokens(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	raw, err := base64.RawURLEncoding.DecodeString(p.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(change func([]byte) []byte) string {
		return base64.RawURLEncoding.EncodeToString(change(append([]byte{}, raw...)))
	}
	forged := map[string]string{
		"empty": "", "noise": "abc", "access token": p.Access,
		"next generation": forge(func(b []byte) []byte { b[24]++; return b }),
		"other session":   forge(func(b []byte) []byte { b[5]++; return b }),
		"other format":    forge(func(b []byte) []byte { b[0]++; return b }),
		"broken tag":      forge(func(b []byte) []byte { b[56] ^= 1; return b }),
		"short tag":       forge(func(b []byte) []byte { return b[:40] }),
		"line break":      p.Refresh[:10] + "\n" + p.Refresh[10:],
		"longer":          forge(func(b []byte) []byte { return append(b, 0) }),
	}
	for name, token := range forged {
		if a := refresh(s, token); a.Status != 401 || a.Code() != "refresh_token_invalid" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if a := refresh(s, p.Refresh); a.Status != 200 {
		t.Errorf("control: the real one: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", "/api/v1/auth/user", p.Refresh, ""); a.Status != 401 {
		t.Errorf("a refresh token opens a door: %d", a.Status)
	}
}

// TestRevocationBitesEverywhere ends a session on one server; the other refuses
// its access token within a second, on auth and data routes alike, although it
// verifies tokens by itself.
func TestRevocationBitesEverywhere(t *testing.T) {
	t.Parallel()
	a := servertest.New(t)
	a.DB.Exec(t, `create table public.todos (id int); alter table public.todos enable row level security`)
	b := servertest.On(t, a.DB)
	p, other := a.SignUp(), a.SignUp()
	for _, path := range []string{"/api/v1/auth/user", "/api/v1/tables/todos"} {
		if got := b.Do("GET", path, p.Access, "").Status; got != 200 {
			t.Fatalf("before: %s is %d", path, got)
		}
	}
	if got := a.Do("POST", "/api/v1/auth/signout", p.Access, "{}"); got.Status != 204 {
		t.Fatalf("sign-out: %d %s", got.Status, got.Body)
	}
	for _, path := range []string{"/api/v1/auth/user", "/api/v1/tables/todos"} {
		eventually(t, path+" is refused by the other server", func() bool {
			return b.Do("GET", path, p.Access, "").Status == 401
		})
		if r := reason(t, b.Do("GET", path, p.Access, "")); r != "signed_out" {
			t.Errorf("%s: reason %q", path, r)
		}
		if got := b.Do("GET", path, other.Access, "").Status; got != 200 {
			t.Errorf("control: somebody else at %s: %d", path, got)
		}
	}
}

// TestRevocationWithoutNotification deletes the row and the notification with
// it: the poll of the other server finds the deed all the same.
func TestRevocationWithoutNotification(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, other := s.SignUp(), s.SignUp()
	s.Do("GET", "/api/v1/auth/user", p.Access, "")
	s.DB.Exec(t, `insert into auth.revocations (kind, subject) values ('session', $1)`, p.Session)

	eventually(t, "the session is refused", func() bool {
		return s.Do("GET", "/api/v1/auth/user", p.Access, "").Status == 401
	})
	if got := s.Do("GET", "/api/v1/auth/user", other.Access, "").Status; got != 200 {
		t.Errorf("control: %d", got)
	}
}

// TestEveryWayToEndASessionIsAnnounced ends sessions in each way that SQL
// offers; none can bypass the announcement, because the table makes it.
func TestEveryWayToEndASessionIsAnnounced(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for name, statement := range map[string]string{
		"update":       `update auth.sessions set ended_at = now(), end_reason = 'banned' where id = $1`,
		"delete":       `delete from auth.sessions where id = $1`,
		"user deleted": `delete from auth.users where id = (select user_id from auth.sessions where id = $1)`,
	} {
		p := s.SignUp()
		s.DB.Exec(t, statement, p.Session)
		eventually(t, name, func() bool { return s.Do("GET", "/api/v1/auth/session", p.Access, "").Status == 401 })
	}
}

func TestOwnSessions(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p, stranger := s.SignUp(), s.SignUp()
	signIn := func() servertest.Person {
		return s.Person(p.Email, s.Do("POST", "/api/v1/auth/signin", "",
			fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password)))
	}
	second, third := signIn(), signIn()

	var list struct {
		Items []struct {
			ID      string
			Current bool
			AAL     string
			IP      string
		}
	}
	s.Do("GET", "/api/v1/auth/sessions", p.Access, "").JSON(t, &list)
	if len(list.Items) != 3 {
		t.Fatalf("%d sessions, want 3", len(list.Items))
	}
	for _, one := range list.Items {
		if one.Current != (one.ID == p.Session) || one.AAL != "aal1" || one.IP != "127.0.0.1" {
			t.Errorf("%+v", one)
		}
	}
	if got := s.Do("DELETE", "/api/v1/auth/sessions/"+second.Session, stranger.Access, ""); got.Status != 404 {
		t.Errorf("a stranger ends a session: %d", got.Status)
	}
	if got := s.Do("DELETE", "/api/v1/auth/sessions/"+second.Session, p.Access, ""); got.Status != 204 {
		t.Errorf("its owner: %d %s", got.Status, got.Body)
	}
	if got := s.Do("DELETE", "/api/v1/auth/sessions?except_current=true", p.Access, ""); got.Status != 204 {
		t.Errorf("all others: %d %s", got.Status, got.Body)
	}
	for _, gone := range []servertest.Person{second, third} {
		if got := s.Do("GET", "/api/v1/auth/user", gone.Access, "").Status; got != 401 {
			t.Errorf("the server that ended a session does not know it at once: %d", got)
		}
		if r := reason(t, refresh(s, gone.Refresh)); r != "signed_out" {
			t.Errorf("reason %q", r)
		}
	}
	if got := refresh(s, p.Refresh).Status; got != 200 {
		t.Errorf("control: the current one: %d", got)
	}
	if got := refresh(s, stranger.Refresh).Status; got != 200 {
		t.Errorf("control: a stranger's: %d", got)
	}
}

// TestTokenClaims holds the token against the contract, and against what may
// never be in it.
func TestTokenClaims(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(p.Access, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"user_id": p.ID, "sub": p.ID, "email": p.Email, "role": "authenticated", "session_id": p.Session,
		"token_type": "access", "iss": "fluxbase", "aud": "authenticated", "aal": "aal1", "is_anonymous": false,
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 900 {
		t.Errorf("it lives %v s", life)
	}
	if _, ok := claims["user_metadata"]; ok {
		t.Error("what the user writes is in the token")
	}
}

// TestConfiguredSecret signs with HS256 when a secret is configured, and no
// longer takes the tokens of the key it replaces.
func TestConfiguredSecret(t *testing.T) {
	t.Parallel()
	before := servertest.New(t)
	p := before.SignUp()
	after := servertest.On(t, before.DB, servertest.With("auth.jwt_secret", "a secret of at least thirty-two bytes"))
	if got := after.Do("GET", "/api/v1/auth/user", p.Access, "").Status; got != 401 {
		t.Errorf("the replaced key: %d", got)
	}
	next := after.Person(p.Email, refresh(after, p.Refresh))
	if got := after.Do("GET", "/api/v1/auth/user", next.Access, "").Status; got != 200 {
		t.Errorf("the configured secret: %d", got)
	}
	head, _ := base64.RawURLEncoding.DecodeString(strings.Split(next.Access, ".")[0])
	if !strings.Contains(string(head), `"HS256"`) {
		t.Errorf("header %s", head)
	}
	var set struct{ Keys []any }
	after.Do("GET", "/oauth/jwks", "", "").JSON(t, &set)
	if len(set.Keys) != 0 {
		t.Errorf("%d public keys published beside a shared secret", len(set.Keys))
	}
}

// TestForeignIssuerAndAudience offers tokens that are signed with the right key
// and say the wrong thing.
func TestForeignIssuerAndAudience(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	other := servertest.On(t, s.DB, servertest.With("auth.jwt.issuer", "somebody-else"))
	if a := s.Do("GET", "/api/v1/auth/user", other.SignUp().Access, ""); a.Status != 401 {
		t.Errorf("another issuer's token under the same key: %d %s", a.Status, a.Body)
	}
	audience := servertest.On(t, s.DB, servertest.With("auth.jwt.audience", "somebody-else"))
	if a := s.Do("GET", "/api/v1/auth/user", audience.SignUp().Access, ""); a.Status != 401 {
		t.Errorf("another audience's token under the same key: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", "/api/v1/auth/user", s.SignUp().Access, ""); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
}

// eventually waits for up to the second that the product promises.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not within a second: %s", what)
}
