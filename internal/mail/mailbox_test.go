package mail

import (
	"strconv"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
)

// TestMailboxIsBounded puts more into it than it holds, not in order.
func TestMailboxIsBounded(t *testing.T) {
	t.Parallel()
	var b Mailbox
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 250 {
		created := at.Add(time.Duration(i^1) * time.Second)
		b.put(record{id: id.Mail(id.New(created)), recipient: "a@example.com", createdAt: created}, letter{subject: strconv.Itoa(i ^ 1)})
	}
	got := b.Messages("")
	if len(got) != mailboxSize || got[0].Subject != "249" || got[1].Subject != "248" || got[199].Subject != "50" {
		t.Errorf("%d: %s, %s ... %s", len(got), got[0].Subject, got[1].Subject, got[len(got)-1].Subject)
	}
	if n := len(b.Messages("b@example.com")); n != 0 {
		t.Errorf("%d to somebody else", n)
	}
}
