package audit_test

import (
	"bytes"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/cli/operator"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// pages reads all pages of a list.
func pages(t *testing.T, s *servertest.Server, query url.Values) (items []audit.Record) {
	t.Helper()
	for {
		a := s.Do("GET", "/api/v1/admin/audit?"+query.Encode(), s.ServiceKey, "")
		if a.Status != 200 {
			t.Fatalf("%v: %d %s", query, a.Status, a.Body)
		}
		var page audit.Page
		a.JSON(t, &page)
		items = append(items, page.Items...)
		if page.NextCursor == nil {
			return items
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// sealedUp waits until everything is sealed.
func sealedUp(t *testing.T, s *servertest.Server) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var left int
		s.DB.Scan(t, `select count(*) from auth.audit_log where sequence > (select coalesce(max(last_sequence), 0) from auth.audit_seals)`, nil, &left)
		if left == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d records are not sealed\n%s", left, s.LogText())
		}
	}
}

// TestList finds records by each condition, in both orders and across pages.
func TestList(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	alice, bob := s.SignUp(), s.SignUp()
	s.Do("PATCH", "/api/v1/auth/user", alice.Access, `{"data":{"a":1}}`)
	rejected := s.Do("POST", "/api/v1/auth/signin", "", `{"email":"`+bob.Email+`","password":"not-the-password"}`)
	s.Do("POST", "/api/v1/admin/users/"+bob.ID+"/ban", s.ServiceKey, `{"reason":"spam"}`)
	sealedUp(t, s)

	var all int
	var middle time.Time
	s.DB.Scan(t, `select count(*), (select at from auth.audit_log where action = 'user.updated') from auth.audit_log`, nil, &all, &middle)
	instant := middle.UTC().Format(time.RFC3339Nano)
	for name, c := range map[string]struct {
		query url.Values
		want  int
	}{
		"all":        {url.Values{}, all},
		"action":     {url.Values{"action": {"user.signed_up"}}, 2},
		"failure":    {url.Values{"outcome": {"failure"}}, 1},
		"actor":      {url.Values{"actor": {alice.ID}}, 2},
		"target":     {url.Values{"target": {bob.ID}}, 2},
		"both":       {url.Values{"actor": {alice.ID}, "target": {alice.ID}}, 1},
		"both, none": {url.Values{"actor": {alice.ID}, "target": {bob.ID}}, 0},
		"request":    {url.Values{"request_id": {rejected.Header.Get("X-Request-Id")}}, 1},
		"since":      {url.Values{"since": {instant}}, 3},
		"until":      {url.Values{"until": {instant}}, all - 3},
		"together":   {url.Values{"actor": {alice.ID}, "action": {"user.updated"}, "since": {instant}, "outcome": {"success"}}, 1},
	} {
		for _, order := range []string{"newest", "oldest"} {
			c.query.Set("order", order)
			c.query.Set("limit", "2")
			c.query.Del("cursor")
			items := pages(t, s, c.query)
			seen := map[int64]bool{}
			for i, r := range items {
				seen[r.Sequence] = true
				if i > 0 && (order == "newest") != (r.Sequence < items[i-1].Sequence) {
					t.Errorf("%s, %s: %d comes after %d", name, order, r.Sequence, items[i-1].Sequence)
				}
			}
			if len(items) != c.want || len(seen) != c.want {
				t.Errorf("%s, %s first: %d records; want %d", name, order, len(items), c.want)
			}
		}
	}
	for query, code := range map[string]string{
		"action=user.waved": "invalid_action", "action=": "invalid_action", "outcome=x": "invalid_outcome", "actor=x": "invalid_actor",
		"since=yesterday": "invalid_since", "limit=1001": "invalid_limit", "limit=0": "invalid_limit", "order=x": "invalid_order",
		"cursor=x": "invalid_cursor", "order=oldest&cursor=1-2": "invalid_cursor", "cursor=1": "invalid_cursor", "cursor=9223372036854775807-1x": "invalid_cursor",
		"actor=" + alice.ID + "&actor=" + bob.ID: "invalid_actor", "what=x": "unknown_parameter",
	} {
		if a := s.Do("GET", "/api/v1/admin/audit?"+query, s.ServiceKey, ""); a.Status != 400 && a.Status != 422 || a.Code() != code {
			t.Errorf("%s: %d %s; want %s", query, a.Status, a.Body, code)
		}
	}
	for _, path := range []string{"/api/v1/admin/audit", "/api/v1/admin/audit/verification"} {
		for who, bearer := range map[string]string{"nobody": "", "a user": alice.Access} {
			if a := s.Do("GET", path, bearer, ""); a.Status != 401 && a.Status != 403 {
				t.Errorf("%s as %s: %d", path, who, a.Status)
			}
		}
	}
}

// TestCommands lists, exports and verifies from the command line.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	sealedUp(t, s)
	run := func(status int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := operator.Main(append([]string{"audit", "--url", s.URL, "--service-key", s.ServiceKey}, args...), &out, &errs); got != status {
			t.Errorf("%v: status %d, %s%s", args, got, out.String(), errs.String())
		}
		return out.String()
	}
	if out := run(0, "list", "--actor", p.ID); !strings.Contains(out, "user.signed_up") || !strings.Contains(out, "user "+p.ID) {
		t.Error(out)
	}
	if out := run(0, "list", "--limit", "1", "--outcome", "success"); !regexp.MustCompile(`More: fluxbase-cli audit list .*--outcome=success --cursor \d+-\d+\n$`).MatchString(out) {
		t.Error(out)
	}
	s.DB.Exec(t, `insert into auth.audit_log (action, outcome, actor_kind) select 'user.signed_in', 'success', 'system' from generate_series(1, 2500)`)
	sealedUp(t, s)
	lines := strings.Split(strings.TrimSpace(run(0, "export", "--action", "user.signed_in")), "\n")
	if len(lines) != 2500 || !strings.HasPrefix(lines[0], `{"sequence":`) { // three pages
		t.Errorf("%d lines, the first %s", len(lines), lines[0])
	}
	found := regexp.MustCompile(`^The audit log is as it was written: \d+ records in \d+ seals?\.\nSeal \d+: ([0-9a-f]{64})\n$`).FindStringSubmatch(run(0, "verify"))
	if found == nil {
		t.Fatal("it does not verify")
	}
	run(0, "verify", "--expect", found[1])
	if out := run(1, "verify", "--expect", strings.Repeat("00", 32)); !strings.Contains(out, "log_cut") {
		t.Error(out)
	}
	run(1, "verify", "--expect", "")
	l := &logbook{nil, s.DB, t}
	l.tamper(`update auth.audit_log set ip = null where action = 'user.signed_up'`)
	var sequence int64
	s.DB.Scan(t, `select sequence from auth.audit_log where action = 'user.signed_up'`, nil, &sequence)
	if out := run(1, "verify"); !strings.Contains(out, "record_changed at seal") || !strings.Contains(out, "record "+strconv.FormatInt(sequence, 10)+" (") {
		t.Error(out)
	}
}

// TestPolicyMended has the linter mend what is safe: each is recorded, and what is
// only found is not.
func TestPolicyMended(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.DB.Exec(t, `create table public.todos (id int primary key, owner uuid not null default auth.uid());
		alter table public.todos enable row level security;
		grant select on public.todos to authenticated;
		create policy own on public.todos to authenticated using (owner = auth.uid())`)
	for _, c := range []struct {
		body string
		want int
	}{{"", 0}, {`{"apply":true}`, 2}} {
		if a := s.Do("POST", "/api/v1/admin/rls/lint", s.ServiceKey, c.body); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if n := len(pages(t, s, url.Values{"action": {"rls.mended"}})); n != c.want {
			t.Errorf("%q: %d records; want %d", c.body, n, c.want)
		}
	}
}
