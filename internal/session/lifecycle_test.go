package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/session"
)

// TestHundredTabs refreshes one session from a hundred tabs at once, each of
// which goes on with what it was given, round after round. Every tenth hangs up
// before its answer comes and tries again with what it had: nobody is signed
// out, and in the end there is one live branch.
func TestHundredTabs(t *testing.T) {
	t.Parallel()
	a := servertest.New(t)
	b := servertest.On(t, a.DB)
	p := a.SignUp()
	current := p.Refresh
	const tabs, rounds = 100, 3
	for range rounds {
		var mu sync.Mutex
		next := map[string]int{}
		dropped := 0
		var wg sync.WaitGroup
		for tab := range tabs {
			s := []*servertest.Server{a, b}[tab%2]
			wg.Go(func() {
				if tab%10 == 0 {
					hangUp(t, s, current)
					mu.Lock()
					dropped++
					mu.Unlock()
				}
				answer := refresh(s, current)
				mu.Lock()
				defer mu.Unlock()
				if answer.Status != 200 {
					t.Errorf("signed out: %d %s", answer.Status, answer.Body)
					return
				}
				next[a.Person(p.Email, answer).Refresh]++
			})
		}
		wg.Wait()
		if len(next) != 1 || dropped != tabs/10 {
			t.Fatalf("%d branches live, %d answers dropped", len(next), dropped)
		}
		for token := range next {
			current = token
		}
	}
	var generation, live int
	a.DB.Scan(t, `select generation from auth.sessions where id = $1`, []any{p.Session}, &generation)
	a.DB.Scan(t, `select count(*) from auth.sessions where ended_at is null`, nil, &live)
	if generation != rounds+1 || live != 1 {
		t.Errorf("generation %d, %d sessions", generation, live)
	}
	if r := reason(t, refresh(b, p.Refresh)); r != "reuse_detected" {
		t.Errorf("control: the first token of all: %q", r)
	}
}

// hangUp sends a refresh and closes the connection without reading the answer.
func hangUp(t *testing.T, s *servertest.Server, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
	defer cancel()
	body := strings.NewReader(fmt.Sprintf(`{"refresh_token":%q}`, token))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/auth/refresh", body)
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}

// TestTheftNamesBothAddresses uses an old token from another address.
func TestTheftNamesBothAddresses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("server.trusted_proxies", "127.0.0.1/32"))
	from := func(address, token string) servertest.Answer {
		return s.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, token), "X-Forwarded-For", address)
	}
	email := `{"email":"theft@example.com","password":"a-long-password"}`
	p := s.Person("", s.Do("POST", "/api/v1/auth/signup", "", email, "X-Forwarded-For", "198.51.100.1"))
	second := s.Person("", from("198.51.100.1", p.Refresh))
	third := s.Person("", from("198.51.100.1", second.Refresh))
	if r := reason(t, from("203.0.113.9", p.Refresh)); r != "reuse_detected" {
		t.Errorf("%q", r)
	}
	if r := reason(t, from("198.51.100.1", third.Refresh)); r != "reuse_detected" {
		t.Errorf("the owner: %q", r)
	}
	var mine, theirs string
	s.DB.Scan(t, `select details->>'session_ip', details->>'presented_ip' from auth.audit_log where action = 'session.reuse_detected'`, nil, &mine, &theirs)
	if !strings.HasPrefix(mine, "198.51.100.1") || !strings.HasPrefix(theirs, "203.0.113.9") {
		t.Errorf("%s and %s", mine, theirs)
	}
}

// TestSingleSession replaces, at once from many places too.
func TestSingleSession(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("auth.single_session", "true"))
	p, stranger := s.SignUp(), s.SignUp()
	signIn := func() servertest.Person {
		return s.Person(p.Email, s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password)))
	}
	next := signIn()
	if r := reason(t, refresh(s, p.Refresh)); r != "replaced" {
		t.Errorf("%q", r)
	}
	if a := refresh(s, next.Refresh); a.Status != 200 {
		t.Errorf("control: %d %s", a.Status, a.Body)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { signIn() })
	}
	wg.Wait()
	var live int
	s.DB.Scan(t, `select count(*) from auth.sessions where user_id = $1 and ended_at is null`, []any{p.ID}, &live)
	if live != 1 {
		t.Errorf("%d sessions of ten sign-ins at once", live)
	}
	if a := refresh(s, stranger.Refresh); a.Status != 200 {
		t.Errorf("control: somebody else's: %d", a.Status)
	}
}

// TestListedSession says what people recognise their sessions by.
func TestListedSession(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password),
		"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0")
	s.DB.Exec(t, `update auth.sessions set last_used_at = now() - interval '1 hour' where id <> $1`, p.Session)
	var list struct {
		Items []struct {
			Device, IP string
			Current    bool
			LastUsedAt time.Time `json:"last_used_at"`
		}
	}
	s.Do("GET", "/api/v1/auth/sessions", p.Access, "").JSON(t, &list)
	if len(list.Items) != 2 || !list.Items[0].Current || list.Items[1].Current || list.Items[1].Device != "Firefox on Windows" || list.Items[1].IP != "127.0.0.1" {
		t.Fatalf("%+v", list)
	}
	if age := time.Since(list.Items[1].LastUsedAt); age < 50*time.Minute || age > 70*time.Minute {
		t.Errorf("last used %v ago", age)
	}
	s.DB.Exec(t, `update auth.sessions set last_used_at = now() - interval '8 days' where id <> $1`, p.Session)
	if body := s.Do("GET", "/api/v1/auth/sessions", p.Access, "").Body; strings.Count(body, `"device"`) != 1 {
		t.Errorf("one that is idle for too long is listed: %s", body)
	}
}

// TestClean removes what has been over for longer than it is kept, whatever
// ended it, in batches, and leaves the rest; nobody is told what nobody uses.
func TestClean(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	kept, gone := map[string]bool{}, map[string]bool{}
	made := func(set map[string]bool, created, change string) {
		at, err := time.ParseDuration(created)
		if err != nil {
			t.Fatal(err)
		}
		sessionID := id.New(time.Now().Add(-at)).String()
		set[sessionID] = true
		s.DB.Exec(t, `insert into auth.sessions (id, user_id, created_at, last_used_at, expires_at, aal, amr)
			values ($1, $2, now() - $3::interval, now() - $3::interval, now() - $3::interval + interval '90 days', 'aal1', '{pwd}')`, sessionID, p.ID, at)
		s.DB.Exec(t, `update auth.sessions set `+change+` where id = $1`, sessionID)
	}
	const day = 24
	for i := range 7 { // so that there are several batches
		made(gone, fmt.Sprint((90+i)*day, "h"), `ended_at = now() - interval '31 days', end_reason = 'signed_out'`)
		made(gone, fmt.Sprint((80+i)*day, "h"), `last_used_at = now() - interval '38 days'`)
		made(gone, fmt.Sprint((70+i)*day, "h"), `last_used_at = now(), expires_at = now() - interval '31 days'`)
		made(kept, fmt.Sprint((90+i)*day, "h"), `ended_at = now() - interval '29 days', end_reason = 'signed_out', last_used_at = now() - interval '29 days', expires_at = now()`)
		made(kept, fmt.Sprint((80+i)*day, "h"), `last_used_at = now() - interval '36 days'`)
		made(kept, fmt.Sprint((70+i)*day, "h"), `last_used_at = now()`)
	}
	s.DB.Exec(t, `delete from auth.revocations`)
	service := &session.Service{DB: s.DB, Config: session.Config{IdleTTL: 7 * 24 * time.Hour}, Now: time.Now}
	var after id.Session
	removed, passes := int64(0), 0
	for {
		next, n, err := service.Clean(t.Context(), after, 10, 30*24*time.Hour)
		if err != nil || n > 10 {
			t.Fatal(n, err)
		}
		removed += n
		if passes++; next.IsZero() || passes > 20 {
			break
		}
		after = next
	}
	if removed != int64(len(gone)) || passes < 4 {
		t.Errorf("%d of %d removed, in %d passes", removed, len(gone), passes)
	}
	var left []string
	s.DB.Scan(t, `select array_agg(id::text) from auth.sessions`, nil, &left)
	for _, one := range left {
		if gone[one] {
			t.Errorf("%s is still there", one)
		}
		delete(kept, one)
	}
	if len(kept) != 0 {
		t.Errorf("%d were removed too early", len(kept))
	}
	var announced int
	s.DB.Scan(t, `select count(*) from auth.revocations r where not exists (select from auth.sessions s where s.id = r.subject)`, nil, &announced)
	if announced != 7 { // those that were in use until their last day
		t.Errorf("%d removals were announced", announced)
	}
	if a := refresh(s, p.Refresh); a.Status != 200 {
		t.Errorf("control: %d", a.Status)
	}
}

// TestEndedSessionIsNotIssuedAnew asks for the tokens of a session that is over.
func TestEndedSessionIsNotIssuedAnew(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	service := &session.Service{DB: s.DB, Now: time.Now}
	parse := func(text string) id.UUID {
		u, err := id.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	live := func(userID string) error {
		_, err := service.Live(t.Context(), s.DB.Single(), id.User(parse(userID)), id.Session(parse(p.Session)))
		return err
	}
	if err := live(p.ID); err != nil {
		t.Error(err)
	}
	if err := live(s.SignUp().ID); err == nil {
		t.Error("as somebody else")
	}
	s.DB.Exec(t, `update auth.sessions set ended_at = now(), end_reason = 'admin' where id = $1`, p.Session)
	if err := live(p.ID); err == nil {
		t.Error("when it is over")
	}
	for _, err := range []error{
		func() error {
			_, err := service.Fresh(t.Context(), s.DB.Single(), id.Session(parse(p.Session)), time.Hour)
			return err
		}(),
		func() error {
			_, err := service.Proven(t.Context(), s.DB.Single(), id.Session(parse(p.Session)), "pwd")
			return err
		}(),
		service.Raise(t.Context(), s.DB.Single(), id.Session(parse(p.Session)), "otp"),
	} {
		if err == nil {
			t.Error("a session that is over is fresh, proven or raised")
		}
	}
}

// TestDevice names what people call their programs.
func TestDevice(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                                   "Chrome on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                   "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                   "Chrome on Android",
		"curl/8.5.0": "curl", "<script>": "", "": "",
	} {
		got := ""
		if d := session.Device(&agent); d != nil {
			got = *d
		}
		if got != want {
			t.Errorf("%s: %q", agent, got)
		}
	}
	if text, _ := json.Marshal(session.Device(nil)); string(text) != "null" {
		t.Error(string(text))
	}
}
