package mail_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// write has messages written on the database of a server, which sends them.
func write(t *testing.T, db *pgtest.Database, to ...string) {
	t.Helper()
	s, _, err := instance(db.DB, mail.Config{}, nil, &pgtest.Log{})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range to {
		err := db.InTx(t.Context(), func(q postgres.Querier) error {
			return s.Send(t.Context(), q, mail.MagicLink, address, vars(), time.Hour)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// inbox waits for messages in the mailbox of a development server.
func inbox(t *testing.T, s *servertest.Server, query string, want int) []mail.Delivered {
	t.Helper()
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		var in mail.Inbox
		s.Do(http.MethodGet, "/dev/mail/messages"+query, "", "").JSON(t, &in)
		if len(in.Items) == want {
			return in.Items
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages, want %d\n%s", len(in.Items), want, s.LogText())
		}
	}
}

func TestDevelopmentMailbox(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	write(t, s.DB, "a@example.com", "b@example.com", "a@example.com")
	all := inbox(t, s, "", 3)
	for i, m := range all[1:] {
		if m.CreatedAt.After(all[i].CreatedAt) {
			t.Errorf("%s comes before %s", all[i].CreatedAt, m.CreatedAt)
		}
	}
	for _, m := range inbox(t, s, "?to=a%40example.com", 2) {
		if m.To != "a@example.com" || m.Subject != code+" is your sign-in code" || !strings.Contains(m.Text, link) || !strings.Contains(m.HTML, code) || m.CreatedAt.IsZero() {
			t.Errorf("%+v", m)
		}
	}
	page := s.Do(http.MethodGet, "/dev/mail", "", "")
	policy := page.Header.Get("Content-Security-Policy")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "<h1>Mailbox</h1>") || page.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe-eval") || !strings.Contains(page.Body, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) {
		t.Error(policy)
	}
	if strings.Contains(page.Body, "http://") || strings.Contains(page.Body, "https://") {
		t.Error("the page has something of elsewhere")
	}
	if a := s.Do(http.MethodGet, "/dev/mail/messages", "", "", "Sec-Fetch-Site", "cross-site"); a.Status != http.StatusForbidden || a.Code() != "cross_site" || strings.Contains(a.Body, code) {
		t.Errorf("to a page of another site: %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodGet, "/dev/mail/messages", "", "", "Sec-Fetch-Site", "same-site"); a.Status != http.StatusOK {
		t.Errorf("to a page of this machine: %d", a.Status)
	}
}

// TestNoMailboxElsewhere is a server that is no development server: there is no
// mailbox, with and without a mail server.
func TestNoMailboxElsewhere(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{"staging", "production"} {
		s := servertest.New(t, servertest.With("environment", environment), servertest.With("public_url", "https://api.example.com"))
		write(t, s.DB, receiver)
		for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
			var page mail.Page
			s.Do(http.MethodGet, "/api/v1/admin/mail?status=failed", s.ServiceKey, "").JSON(t, &page)
			if len(page.Items) == 1 {
				if reason := text(page.Items[0].LastError); !strings.Contains(reason, "mail is not configured") {
					t.Error(reason)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not fail")
			}
		}
		for _, path := range []string{"/dev/mail", "/dev/mail/messages", "/dev/mail/", "/dev"} {
			for _, key := range []string{"", s.ServiceKey} {
				if a := s.Do(http.MethodGet, path, key, ""); a.Status != http.StatusNotFound || strings.Contains(a.Body, code) {
					t.Errorf("%s: %s: %d %s", environment, path, a.Status, a.Body)
				}
			}
		}
	}
}

// recipients are those of messages of one millisecond, perhaps, which are in no
// particular order.
func recipients(pages ...mail.Page) (to []string) {
	for _, p := range pages {
		for _, m := range p.Items {
			to = append(to, m.To)
		}
	}
	slices.Sort(to)
	return to
}

func TestAdministration(t *testing.T) {
	t.Parallel()
	var mended atomic.Bool
	mailServer := mailtest.New(t, mailtest.Options{Receiver: func(int) error {
		if mended.Load() {
			return nil
		}
		return mailtest.Refusal(550, "No such user")
	}})
	s := servertest.New(t, servertest.With("mail.smtp.host", mailServer.Host), servertest.With("mail.smtp.port", itoa(mailServer.Port)),
		servertest.With("mail.smtp.security", "none"), servertest.With("mail.from", "a@example.com"))
	write(t, s.DB, "a@example.com", "b@example.com", "c@example.com")
	list := func(query string) (p mail.Page) {
		t.Helper()
		a := s.Do(http.MethodGet, "/api/v1/admin/mail"+query, s.ServiceKey, "")
		a.JSON(t, &p)
		if strings.Contains(a.Body, code) || strings.Contains(a.Body, "token=") || strings.Contains(a.Body, "subject") {
			t.Error("it shows what a message says:", a.Body)
		}
		return p
	}
	for deadline := time.Now().Add(wait); len(list("?status=failed").Items) != 3; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("they do not fail")
		}
	}
	first := list("?limit=2")
	if len(first.Items) != 2 || first.NextCursor == nil {
		t.Fatalf("%+v", first)
	}
	second := list("?limit=2&cursor=" + *first.NextCursor)
	if len(second.Items) != 1 || second.NextCursor != nil {
		t.Fatalf("%+v", second)
	}
	if to := recipients(first, second); !slices.Equal(to, []string{"a@example.com", "b@example.com", "c@example.com"}) {
		t.Error(to)
	}
	if p := list("?to=b%40example.com&status=failed"); len(p.Items) != 1 || p.Items[0].To != "b@example.com" || p.Items[0].Kind != mail.MagicLink || p.Items[0].Attempts != 1 {
		t.Errorf("%+v", p)
	}
	if p := list("?status=sent"); len(p.Items) != 0 {
		t.Errorf("%+v", p)
	}
	const base = "/api/v1/admin/mail"
	of := base + "/" + second.Items[0].ID.String()
	for _, tt := range []struct {
		method, path, key string
		status            int
		code              string
	}{
		{http.MethodGet, base + "?status=lost", s.ServiceKey, 400, "invalid_status"},
		{http.MethodGet, base + "?limit=0", s.ServiceKey, 400, "invalid_limit"},
		{http.MethodGet, base + "?limit=101", s.ServiceKey, 400, "invalid_limit"},
		{http.MethodGet, base + "?cursor=x", s.ServiceKey, 400, "invalid_cursor"},
		{http.MethodGet, base + "?states=sent", s.ServiceKey, 400, "unknown_parameter"},
		{http.MethodGet, base + "/x", s.ServiceKey, 404, "mail_not_found"},
		{http.MethodGet, base + "/018f0000-0000-7000-8000-000000000000", s.ServiceKey, 404, "mail_not_found"},
		{http.MethodPost, base + "/018f0000-0000-7000-8000-000000000000/retry", s.ServiceKey, 404, "mail_not_found"},
		{http.MethodGet, base, "", 401, ""},
		{http.MethodGet, base, s.SignUp().Access, 403, ""},
		{http.MethodGet, of, "", 401, ""},
		{http.MethodPost, of + "/retry", "", 401, ""},
		{http.MethodPost, of + "/retry", s.SignUp().Access, 403, ""},
		{http.MethodGet, of, s.ServiceKey, 200, ""},
	} {
		if a := s.Do(tt.method, tt.path, tt.key, ""); a.Status != tt.status || tt.code != "" && a.Code() != tt.code {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, a.Status, a.Body)
		}
	}

	mended.Store(true)
	var again sync.WaitGroup
	var won, refused atomic.Int64
	for range 50 {
		again.Go(func() {
			switch a := s.Do(http.MethodPost, of+"/retry", s.ServiceKey, ""); {
			case a.Status == http.StatusOK:
				won.Add(1)
			case a.Status == http.StatusConflict && a.Code() == "mail_not_retryable":
				refused.Add(1)
			default:
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	again.Wait()
	if won.Load() != 1 || refused.Load() != 49 {
		t.Errorf("%d won, %d were refused", won.Load(), refused.Load())
	}
	if m := mailServer.Next(t); m.To != "a@example.com" {
		t.Errorf("%+v", m)
	}
	var records int
	s.DB.Scan(t, "select count(*) from auth.audit_log where action = $1 and target_id = $2", []any{audit.MailRetried, second.Items[0].ID}, &records)
	if records != 1 {
		t.Errorf("%d audit records", records)
	}
	if len(mailServer.Received) > 0 {
		t.Error("it was sent twice")
	}
}

// TestExpiredIsNotRetried has a message that failed and that nobody can use any
// more.
func TestExpiredIsNotRetried(t *testing.T) {
	t.Parallel()
	h := running(t, mail.Config{}, nil)
	h.send(t, time.Hour)
	m := h.reaches(t, mail.Failed, 1)
	h.db.Exec(t, "update auth.mail_messages set expires_at = now()")
	if _, err := h.Retry(t.Context(), audit.Actor{}, m.ID); err == nil || !strings.Contains(err.Error(), "mail_not_retryable") {
		t.Error(err)
	}
	h.db.Exec(t, "update auth.mail_messages set expires_at = now() + interval '1 hour'")
	if m, err := h.Retry(t.Context(), audit.Actor{}, m.ID); err != nil || m.Status != mail.Queued { // the control
		t.Error(m, err)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	look := func(configured bool) string {
		t.Helper()
		found, err := mail.Findings(t.Context(), db.DB, configured, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, f := range found {
			said += string(f.Severity) + ": " + f.Detail + "\n"
		}
		return said
	}
	if got := look(false); !strings.Contains(got, "warning: No mail server is configured") {
		t.Error(got)
	}
	if got := look(true); got != "ok: No message waits, and none has failed lately.\n" {
		t.Error(got)
	}
	write(t, db, receiver)
	if got := look(true); !strings.HasPrefix(got, "ok: ") {
		t.Error(got)
	}
	db.Exec(t, "update auth.mail_messages set created_at = now() - interval '6 minutes', last_error = 'connecting: refused'")
	if got := look(true); !strings.HasPrefix(got, "error: A message has been waiting for 6m0s. The latest reason: connecting: refused") {
		t.Error(got)
	}
	db.Exec(t, "update auth.mail_messages set status = 'failed'")
	if got := look(true); !strings.HasPrefix(got, "warning: 1 messages have failed in the last 24 hours. The latest reason: connecting: refused") {
		t.Error(got)
	}

	c := servertest.Config(t, db)
	said := ""
	for _, f := range server.Diagnose(t.Context(), c, db.OwnerURL, true) {
		said += f.Subject + ": " + f.Detail + "\n"
	}
	if !strings.Contains(said, "mail: 1 messages have failed") {
		t.Error(said)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
