package mail

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
)

// Test sends a test message at once, without the queue, and reports each step
// that has succeeded. Advise says what an error means.
func Test(ctx context.Context, c Config, to string, now time.Time, report func(Step, string)) error {
	s, err := newSender(c)
	if err != nil {
		return err
	}
	if !plainAddress(to) {
		return ErrAddress
	}
	message := id.New(now)
	return s.send(ctx, record{id: id.Mail(message), recipient: to, messageID: message.String() + "@" + s.domain(), createdAt: now}, letter{
		subject: "Fluxbase can send mail",
		text:    "This is a test: the mail server took this message, and it has reached you.\n",
		html:    "<!doctype html><html lang=\"en\"><title>Fluxbase can send mail</title><p>This is a test: the mail server took this message, and it has reached you.</p></html>\n",
	}, report)
}

// Probe has the beginning of a conversation, up to authentication, and sends
// nothing. Report may be nil. Advise says what an error means.
func Probe(ctx context.Context, c Config, report func(Step, string)) error {
	s, err := newSender(c)
	if err != nil {
		return err
	}
	return s.converse(ctx, report, func(*talk) []exchange { return nil })
}
