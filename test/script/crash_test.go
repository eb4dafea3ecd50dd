package script_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// runDev runs a development server until the test ends.
func runDev(t *testing.T, environ ...string) *process {
	t.Helper()
	dir := folder(t)
	p := dev(dir, filepath.Join(dir, "data"), filepath.Join(dir, "log"), append(environment(os.Getenv("PATH")), environ...))
	t.Cleanup(p.remove)
	begin(t, p)
	return p
}

func begin(t *testing.T, p *process) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

// answer is what became of one request.
type answer struct {
	status     int // 0 if there was none
	body       string
	retryAfter string
	err        error
}

func do(ctx context.Context, method, url, bearer, body string) answer {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	got, err := send(r)
	if err != nil {
		return answer{err: err}
	}
	return answer{status: got.status, body: string(got.body), retryAfter: got.header.Get("Retry-After")}
}

// within waits for what happens elsewhere.
func within(t *testing.T, limit time.Duration, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func ask(t *testing.T, p *process, statements string) string {
	t.Helper()
	rows, err := query(p.ready.DatabaseURL, statements)
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	return strings.TrimSpace(rows)
}

func credentials(name string) string {
	return fmt.Sprintf(`{"email":"%s@example.com","password":"a-password-of-%[1]s"}`, name)
}

// token signs somebody up and returns their access token.
func token(t *testing.T, p *process, name string) string {
	t.Helper()
	a := do(t.Context(), "POST", p.ready.APIURL+"/api/v1/auth/signup", "", credentials(name))
	var out struct {
		Session struct {
			AccessToken string `json:"access_token"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || out.Session.AccessToken == "" {
		t.Fatalf("not signed up: %+v", a)
	}
	return out.Session.AccessToken
}

// TestKilledDuringSignUps kills a server under load: what it has acknowledged
// is there afterwards, and what it has not is there as a whole or not at all.
func TestKilledDuringSignUps(t *testing.T) {
	t.Parallel()
	p := runDev(t)
	var (
		mu           sync.Mutex
		acknowledged []string
		workers      sync.WaitGroup
	)
	for worker := range 8 {
		workers.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("w%d-%d", worker, n)
				a := do(t.Context(), "POST", p.ready.APIURL+"/api/v1/auth/signup", "", credentials(name))
				if a.err != nil {
					return
				}
				if a.status != http.StatusCreated {
					t.Errorf("sign-up: %d %s", a.status, a.body)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, name)
				mu.Unlock()
			}
		})
	}
	within(t, 30*time.Second, "100 sign-ups", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= 100 })
	p.kill()
	workers.Wait()

	begin(t, p)
	for i, name := range acknowledged {
		if i%2 == 1 && i < len(acknowledged)-20 {
			continue // the latest matter most
		}
		if a := do(t.Context(), "POST", p.ready.APIURL+"/api/v1/auth/signin", "", credentials(name)); a.status != http.StatusOK {
			t.Errorf("%s was acknowledged and cannot sign in: %+v", name, a)
		}
	}
	if n, err := strconv.Atoi(ask(t, p, "select count(*) from auth.users")); err != nil || n < len(acknowledged) || n > len(acknowledged)+8 {
		t.Errorf("%d accounts of %d acknowledged, %v", n, len(acknowledged), err)
	}
	const halves = `select count(*) from auth.users u where not exists (select from auth.passwords p where p.user_id = u.id)
		or not exists (select from auth.identities i where i.user_id = u.id)
		or not exists (select from auth.sessions s where s.user_id = u.id)
		or not exists (select from auth.audit_log l where l.actor_id = u.id and l.action = 'user.signed_up')`
	if n := ask(t, p, halves); n != "0" {
		t.Errorf("%s half accounts", n)
	}
}

const slowSQL = `
create table public.one (id int primary key);
insert into public.one values (1);
alter table public.one enable row level security;
create policy everybody on public.one using (true);
create view public.slow with (security_invoker = true) as select id, pg_sleep(1.5)::text as slept from public.one;
create table public.notes (id int primary key, owner uuid default auth.uid(), slept text default pg_sleep(1.5)::text);
alter table public.notes enable row level security;
create policy own on public.notes using (owner = (select auth.uid()))`

// TestDrains asks a server to end while it answers: who has asked gets the
// answer, and who comes afterwards gets none.
func TestDrains(t *testing.T) {
	t.Parallel()
	p := runDev(t)
	ask(t, p, slowSQL)
	alice := token(t, p, "alice")

	answers := make(chan answer, 4)
	for range 3 {
		go func() { answers <- do(t.Context(), "GET", p.ready.APIURL+"/api/v1/tables/slow", alice, "") }()
	}
	go func() { answers <- do(t.Context(), "POST", p.ready.APIURL+"/api/v1/tables/notes", alice, `{"id":1}`) }()
	within(t, 10*time.Second, "four requests under way", func() bool {
		return ask(t, p, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "4"
	})
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if a := <-answers; a.status != http.StatusOK && a.status != http.StatusCreated {
			t.Errorf("a request under way got %+v", a)
		}
	}
	if a := do(t.Context(), "GET", p.ready.APIURL+"/livez", "", ""); a.err == nil {
		t.Errorf("a server that has ended answers: %+v", a)
	}
	if _, err := os.Stat(filepath.Join(p.data, "running.json")); !os.IsNotExist(err) {
		t.Errorf("the server is still announced: %v", err)
	}

	begin(t, p)
	if n := ask(t, p, "select count(*) from notes"); n != "1" {
		t.Errorf("%s rows of one acknowledged", n)
	}
}

// TestPostgresIsKilled takes the database away from a running server: requests
// are told to come back, and when they do they are answered.
func TestPostgresIsKilled(t *testing.T) {
	t.Parallel()
	p := runDev(t)
	ask(t, p, slowSQL)
	alice := token(t, p, "alice")
	kinds := []func() answer{
		func() answer { return do(t.Context(), "GET", p.ready.APIURL+"/api/v1/auth/user", alice, "") },
		func() answer { return do(t.Context(), "GET", p.ready.APIURL+"/api/v1/tables/one", alice, "") },
		func() answer { return do(t.Context(), "GET", p.ready.APIURL+"/api/v1/tables/one", "", "") },
		func() answer {
			return do(t.Context(), "GET", p.ready.APIURL+"/api/v1/tables/one", p.ready.ServiceKey, "")
		},
		func() answer {
			return do(t.Context(), "POST", p.ready.APIURL+"/api/v1/auth/signin", "", credentials("alice"))
		},
		func() answer { return do(t.Context(), "GET", p.ready.APIURL+"/readyz", "", "") },
	}
	for i, kind := range kinds {
		if a := kind(); a.status != http.StatusOK {
			t.Fatalf("before: request %d got %+v", i, a)
		}
	}
	pid := p.cmd.Process.Pid
	if err := p.killPostgres(); err != nil {
		t.Fatal(err)
	}
	outages := make([]int, len(kinds))
	var asking sync.WaitGroup
	for i, kind := range kinds {
		asking.Go(func() { outages[i] = untilAnswered(t, i, kind) })
	}
	asking.Wait()
	total := 0
	for _, n := range outages {
		total += n
	}
	if total == 0 {
		t.Error("nobody noticed that the database was gone; the test tests nothing")
	}
	t.Logf("refusals: %v", outages)
	if !p.running() || p.cmd.Process.Pid != pid {
		t.Error("the server has ended")
	}
}

// untilAnswered repeats a request until it has succeeded for a while, and
// returns how often it was told to come back later.
func untilAnswered(t *testing.T, i int, kind func() answer) int {
	t.Helper()
	refused, answered := 0, 0
	for deadline := time.Now().Add(20 * time.Second); answered < 20; time.Sleep(20 * time.Millisecond) {
		a := kind()
		switch {
		case a.status == http.StatusOK:
			answered++
		case a.status == http.StatusServiceUnavailable && a.retryAfter != "":
			refused++
			answered = 0
		default:
			t.Errorf("during the outage: request %d got %+v", i, a)
		}
		if time.Now().After(deadline) {
			t.Errorf("request %d does not recover: %+v", i, a)
			break
		}
	}
	return refused
}
