package mail_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// parts returns the text and the HTML of a message.
func parts(t *testing.T, m mailtest.Message) (plain, html string) {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(m.Text))
	if err != nil {
		t.Fatal(err)
	}
	media, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		t.Fatal(media, err)
	}
	r := multipart.NewReader(parsed.Body, params["boundary"])
	var found []string
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, p.Header.Get("Content-Type")+"\n"+string(b))
	}
	if len(found) != 2 || !strings.HasPrefix(found[0], "text/plain") || !strings.HasPrefix(found[1], "text/html") {
		t.Fatalf("%q", found)
	}
	return found[0], found[1]
}

// TestSent follows a message from the deed to the receiver. What it says is
// sealed while it waits, and gone when it is sent.
func TestSent(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t, mailtest.Options{})
	c := to(s, mail.Clear)
	c.ReplyTo = "Support <help@example.com>"
	h := newHouse(t, c, nil)
	h.send(t, 10*time.Minute)
	if h.reaches(t, mail.Queued, 0); h.sealed(t) != 1 {
		t.Error("what it says is not kept")
	}
	var open int
	h.db.Scan(t, `select (select count(*) from auth.mail_messages m where m::text like '%482913%' or m::text like '%Zm9vYmFy%')
		+ (select count(*) from auth.river_job j where j.args::text like '%482913%' or j.args::text like '%Zm9vYmFy%')
		+ (select count(*) from auth.sealed_values v where position('482913' in encode(envelope, 'escape')) > 0)`, nil, &open)
	if open != 0 {
		t.Errorf("what it says lies open in %d rows", open)
	}
	h.run(t)
	m := s.Next(t)
	row := h.reaches(t, mail.Sent, 1)
	if m.From != "no-reply@example.com" || m.To != receiver {
		t.Errorf("from %s to %s", m.From, m.To)
	}
	for name, want := range map[string]string{
		"From": `"Example" <no-reply@example.com>`, "To": "<" + receiver + ">", "Reply-To": `"Support" <help@example.com>`,
		"Subject": "Confirm your e-mail address", "Message-Id": "<" + row.MessageID + ">", "Auto-Submitted": "auto-generated", "Mime-Version": "1.0",
	} {
		if got := m.Header(t, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.HasSuffix(row.MessageID, "@example.com") || m.Header(t, "Date") == "" {
		t.Errorf("%q, %q", row.MessageID, m.Header(t, "Date"))
	}
	plain, html := parts(t, m)
	for _, want := range []string{code, link, "10 minutes", "Firefox on Linux", "192.0.2.7", receiver} {
		if !strings.Contains(plain, want) || !strings.Contains(html, want) {
			t.Errorf("%q is missing in:\n%s\n%s", want, plain, html)
		}
	}
	if row.SentAt == nil || row.LastError != nil || h.sealed(t) != 0 {
		t.Errorf("%+v, %d kept", row, h.sealed(t))
	}
	if log := h.log.String(); strings.Contains(log, code) || strings.Contains(log, "Zm9v") || strings.Contains(log, receiver) {
		t.Error("the log has too much:", log)
	}
}

// TestUndoneDeed has a deed that is undone after its message was written.
func TestUndoneDeed(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t, mailtest.Options{})
	h := running(t, to(s, mail.Clear), nil)
	err := h.db.InTx(t.Context(), func(q postgres.Querier) error {
		if err := h.Send(t.Context(), q, mail.Recovery, "undone@example.net", vars(), time.Hour); err != nil {
			t.Error(err)
		}
		return errUndone
	})
	if !errors.Is(err, errUndone) {
		t.Fatal(err)
	}
	h.send(t, time.Hour) // the control
	if m := s.Next(t); m.To != receiver {
		t.Errorf("sent to %s", m.To)
	}
	h.reaches(t, mail.Sent, 1) // and it is the only row
	if n := h.sealed(t); n != 0 || len(s.Received) > 0 {
		t.Errorf("%d kept, %d more sent", n, len(s.Received))
	}
}

func TestRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t, mail.Config{}, nil)
	for _, address := range []string{
		"", "a", "@", "a@", "@b", "a@b@c.example", `"e@evil.example"@example.com`, "a@example.com, b@example.com", "A <a@example.com>",
		"a@example.com\r\nBcc: b@example.com", "a@example.com\n", " a@example.com", "a b@example.com", "a@exämple.com", "a@[127.0.0.1]", "a(b)@example.com",
		"a@example.com>", strings.Repeat("a", 250) + "@example.com", "a\x00@example.com",
	} {
		err := h.db.InTx(t.Context(), func(q postgres.Querier) error {
			return h.Send(t.Context(), q, mail.Confirmation, address, vars(), time.Hour)
		})
		if !errors.Is(err, mail.ErrAddress) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"a@example.com", "o'neil+tag_1@xn--bcher-kva.example", "a.b-c=d@sub.example.com"} {
		err := h.db.InTx(t.Context(), func(q postgres.Querier) error {
			return h.Send(t.Context(), q, mail.Confirmation, address, vars(), time.Hour)
		})
		if err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
	err := h.db.InTx(t.Context(), func(q postgres.Querier) error {
		return h.Send(t.Context(), q, "gossip", receiver, vars(), time.Hour)
	})
	if err == nil || !strings.Contains(err.Error(), `"gossip" is no kind`) {
		t.Error(err)
	}
}

// TestNotConfigured is a server that has nowhere to send to; in development the
// mailbox takes what it would send.
func TestNotConfigured(t *testing.T) {
	t.Parallel()
	h := running(t, mail.Config{}, nil)
	if h.Configured() {
		t.Error("it is")
	}
	h.send(t, time.Hour)
	if m := h.reaches(t, mail.Failed, 1); !strings.Contains(text(m.LastError), "mail is not configured") {
		t.Errorf("%q", text(m.LastError))
	}

	box := &mail.Mailbox{}
	h = running(t, mail.Config{}, box)
	if !h.Configured() {
		t.Error("the mailbox does not count")
	}
	h.send(t, time.Hour)
	h.reaches(t, mail.Sent, 1)
	if got := box.Messages(receiver); len(got) != 1 || !strings.Contains(got[0].Text, link) || h.sealed(t) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestTooLate has messages whose time is over before they can be sent.
func TestTooLate(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t, mailtest.Options{})
	h := newHouse(t, to(s, mail.Clear), nil)
	h.send(t, time.Millisecond)
	for deadline := time.Now().Add(wait); ; {
		var over bool
		if h.db.Scan(t, "select expires_at < now() from auth.mail_messages", nil, &over); over {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("its time does not end")
		}
	}
	h.run(t)
	if m := h.reaches(t, mail.Expired, 0); m.Attempts != 0 || m.SentAt != nil || h.sealed(t) != 0 {
		t.Errorf("%+v, %d kept", m, h.sealed(t))
	}
	if got := gathered(t, h.Service); !strings.Contains(got, "confirmation expired 1") {
		t.Error(got)
	}
	h.db.Exec(t, "delete from auth.mail_messages")
	h.send(t, time.Hour) // the control
	if h.reaches(t, mail.Sent, 1); s.Submitted.Load() != 1 {
		t.Errorf("%d messages were submitted", s.Submitted.Load())
	}
}

// TestSweep keeps what is young or still of use, and of more than one batch
// nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	h := newHouse(t, mail.Config{Retention: 24 * time.Hour}, &mail.Mailbox{})
	row := func(n int, age, left string, status string) {
		h.db.Exec(t, `insert into auth.mail_messages (id, kind, recipient, locale, status, message_id, created_at, expires_at, sent_at)
			select (lpad(to_hex((extract(epoch from now() - $2::interval) * 1000)::bigint), 12, '0') || replace(substr(gen_random_uuid()::text, 15), '-', ''))::uuid,
				'recovery', 'a@example.com', 'en', $4, 'x', now() - $2::interval, now() + $3::interval, case $4 when 'sent' then now() end
			from generate_series(1, $1)`, n, age, left, status)
	}
	row(1203, "25 hours", "-24 hours", "sent")
	row(7, "23 hours", "-22 hours", "sent")
	row(5, "30 hours", "-1 hour", "failed")
	h.send(t, time.Hour)
	h.run(t)
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		var old, young int
		h.db.Scan(t, `select count(*) filter (where created_at < now() - interval '24 hours'), count(*) filter (where created_at >= now() - interval '24 hours')
			from auth.mail_messages`, nil, &old, &young)
		if old == 0 {
			if young != 8 {
				t.Errorf("%d are left", young)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d old ones are left\n%s", old, h.log)
		}
	}
}

// TestExpiryDestroys has messages that failed, and that nobody sent, expire: what
// they say is destroyed, by the job that runs from time to time.
func TestExpiryDestroys(t *testing.T) {
	t.Parallel()
	h := newHouse(t, mail.Config{}, nil)
	for range 3 {
		h.send(t, time.Hour)
	}
	h.db.Exec(t, "delete from auth.river_job") // lost
	h.db.Exec(t, "update auth.mail_messages set status = 'failed', last_error = 'x' where id = (select min(id::text)::uuid from auth.mail_messages)")
	h.db.Exec(t, "update auth.mail_messages set expires_at = now() - interval '1 second' where id <> (select max(id::text)::uuid from auth.mail_messages)")
	h.run(t)
	for deadline := time.Now().Add(wait); h.sealed(t) != 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d are kept", h.sealed(t))
		}
	}
	for status, want := range map[mail.Status]int{mail.Failed: 1, mail.Expired: 1, mail.Queued: 1} {
		if page, err := h.List(context.Background(), mail.Filter{Status: status}, "", 10); err != nil || len(page.Items) != want {
			t.Errorf("%d are %s, %v", len(page.Items), status, err)
		}
	}
}
