package mail

import (
	"context"
	"errors"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Status is how far a message has got.
type Status string

// The statuses.
const (
	Queued  Status = "queued"  // waits for its first or its next attempt
	Sending Status = "sending" // an instance is at it, or has died at it
	Sent    Status = "sent"    // the mail server has taken it
	Failed  Status = "failed"  // given up; can be sent again until it expires
	Expired Status = "expired" // too old, and never sent
)

var statuses = []Status{Queued, Sending, Sent, Failed, Expired}

// ErrNotFound is the fault of a message that does not exist.
var ErrNotFound = fault.New(fault.NotFound, "mail_not_found", "There is no such message.")

// errNotRetryable is the fault of a message that has not failed, or too long ago.
var errNotRetryable = fault.New(fault.Conflict, "mail_not_retryable", "Only a message that has failed and has not expired can be sent again.")

// Message is a message without what it says.
type Message struct {
	ID        id.Mail    `json:"id"`
	Kind      Kind       `json:"kind"`
	To        string     `json:"to"`
	Locale    string     `json:"locale"`
	Status    Status     `json:"status"`
	Attempts  int        `json:"attempts"`
	LastError *string    `json:"last_error"`
	MessageID string     `json:"message_id"`
	CreatedAt time.Time  `json:"created_at"`
	SentAt    *time.Time `json:"sent_at"`
	ExpiresAt time.Time  `json:"expires_at"`
}

// Page is a page of messages, newest first.
type Page struct {
	Items      []Message `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

// Filter says which messages are listed; empty fields say nothing.
type Filter struct {
	Status Status
	To     string
}

func (r record) message() Message {
	return Message{
		ID: r.id, Kind: r.kind, To: r.recipient, Locale: r.locale, Status: r.status, Attempts: r.attempts, LastError: r.lastError,
		MessageID: r.messageID, CreatedAt: r.createdAt, SentAt: r.sentAt, ExpiresAt: r.expiresAt,
	}
}

// List returns a page of messages. The cursor is that of the page before.
func (s *Service) List(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	var before id.UUID
	if cursor != "" {
		var err error
		if before, err = id.Parse(cursor); err != nil {
			return Page{}, fault.Input("?cursor", "invalid_cursor", "It is not the cursor of a page.")
		}
	}
	found, err := selectPage(ctx, s.db.Single(), f, id.Mail(before), limit+1)
	if err != nil {
		return Page{}, err
	}
	p := Page{Items: []Message{}}
	if len(found) > limit {
		found = found[:limit]
		next := found[limit-1].id.String()
		p.NextCursor = &next
	}
	for _, r := range found {
		p.Items = append(p.Items, r.message())
	}
	return p, nil
}

// Get returns a message. It returns ErrNotFound.
func (s *Service) Get(ctx context.Context, message id.Mail) (Message, error) {
	r, err := selectByID(ctx, s.db.Single(), message)
	return r.message(), err
}

// Retry has a message that failed sent again, with as many attempts as at first.
func (s *Service) Retry(ctx context.Context, by audit.Actor, message id.Mail) (Message, error) {
	var r record
	err := s.db.InTx(ctx, func(q postgres.Querier) error {
		var err error
		r, err = requeue(ctx, q, message, s.now())
		if errors.Is(err, ErrNotFound) {
			if _, err := selectByID(ctx, q, message); err != nil {
				return err
			}
			return errNotRetryable
		}
		if err != nil {
			return err
		}
		if err := s.jobs.Insert(ctx, q, delivery{ID: r.id, Before: r.attempts}, job.Options{}); err != nil {
			return err
		}
		return audit.Write(ctx, q, by.Did(audit.MailRetried, "mail", id.UUID(message), "kind", string(r.kind)))
	})
	return r.message(), err
}
