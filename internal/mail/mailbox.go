package mail

import (
	"slices"
	"sync"
	"time"
)

// mailboxSize is how many messages the mailbox keeps: the newest.
const mailboxSize = 200

// Mailbox keeps the messages of a development server in memory, where its
// developer can read them. The zero value is empty and ready to use.
type Mailbox struct {
	mu       sync.Mutex
	messages []Delivered // as they were sent
}

// Delivered is a message in the mailbox.
type Delivered struct {
	ID        string    `json:"id"`
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	CreatedAt time.Time `json:"created_at"`
}

func (b *Mailbox) put(r record, l letter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) == mailboxSize {
		b.messages = append(b.messages[:0], b.messages[1:]...)
	}
	b.messages = append(b.messages, Delivered{
		ID: r.id.String(), To: r.recipient, Subject: l.subject, Text: l.text, HTML: l.html, CreatedAt: r.createdAt.UTC(),
	})
}

// Messages returns the messages to an address, or all if it is empty, newest
// first.
func (b *Mailbox) Messages(to string) []Delivered {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []Delivered{}
	for _, m := range b.messages {
		if to == "" || m.To == to {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(x, y Delivered) int { return y.CreatedAt.Compare(x.CreatedAt) })
	return found
}
