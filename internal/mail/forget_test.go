package mail_test

import (
	"context"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestForget removes the messages to an address, of which one waits to be sent:
// it never is, and what it says is destroyed. The last message to somebody who
// leaves is kept without the address, sent or expired.
func TestForget(t *testing.T) {
	t.Parallel()
	box := &mail.Mailbox{}
	h := newHouse(t, mail.Config{}, box)
	ctx := context.Background()
	const other = "other@example.net"
	write := func(kind mail.Kind, to string) {
		t.Helper()
		if err := h.db.InTx(ctx, func(q postgres.Querier) error { return h.Send(ctx, q, kind, to, vars(), time.Hour) }); err != nil {
			t.Fatal(err)
		}
	}
	forget := func() {
		t.Helper()
		if err := h.db.InTx(ctx, func(q postgres.Querier) error { return h.Forget(ctx, q, receiver) }); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	write(mail.Recovery, receiver)
	write(mail.Recovery, other)
	h.db.Exec(t, `insert into auth.mail_messages (id, kind, recipient, locale, status, message_id, expires_at, sent_at)
		values (gen_random_uuid(), 'recovery', $1, 'en', 'sent', 'x', now(), now())`, receiver)
	forget()
	if n := h.sealed(t); n != 1 {
		t.Errorf("the contents of %d messages are kept", n)
	}
	write(mail.AccountDeleted, receiver)
	write(mail.AccountDeleted, "late@example.net")
	h.db.Exec(t, `update auth.mail_messages set expires_at = now() - interval '1 second' where recipient = 'late@example.net'`)
	h.run(t)
	for deadline := time.Now().Add(wait); h.sealed(t) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait", h.sealed(t))
		}
	}
	if forgotten, kept := len(box.Messages(receiver)), len(box.Messages(other)); forgotten != 1 || kept != 1 {
		t.Errorf("%d messages; control: %d", forgotten, kept)
	}
	var known, blank int
	h.db.Scan(t, `select count(*) filter (where recipient <> ''), count(*) filter (where recipient = '' and kind = 'account_deleted' and status in ('sent', 'expired'))
		from auth.mail_messages`, nil, &known, &blank)
	if known != 1 || blank != 2 {
		t.Errorf("%d with an address, %d without", known, blank)
	}
}
