package mail_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		child(url)
	}
	pgtest.Main(m)
}

const wait = 20 * time.Second

// instance makes the services of one server; they do not run yet.
func instance(db *postgres.DB, c mail.Config, box *mail.Mailbox, log io.Writer) (*mail.Service, *job.Service, error) {
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	jobs, err := job.New(db, logger, time.Second, time.Now)
	if err != nil {
		return nil, nil, err
	}
	if c.From == "" {
		c.From = "Example <no-reply@example.com>"
	}
	s, err := mail.New(mail.Options{DB: db, Jobs: jobs, Values: pgtest.Secrets(), Mailbox: box, Logger: logger, Now: time.Now, Config: c})
	return s, jobs, err
}

// house is a database and one instance on it.
type house struct {
	*mail.Service

	db   *pgtest.Database
	jobs *job.Service
	log  *pgtest.Log
}

func newHouse(t *testing.T, c mail.Config, box *mail.Mailbox) *house {
	t.Helper()
	h := &house{db: pgtest.New(t), log: &pgtest.Log{}}
	var err error
	if h.Service, h.jobs, err = instance(h.db.DB, c, box, h.log); err != nil {
		t.Fatal(err)
	}
	return h
}

// running is newHouse that works its queue.
func running(t *testing.T, c mail.Config, box *mail.Mailbox) *house {
	t.Helper()
	h := newHouse(t, c, box)
	h.run(t)
	return h
}

func (h *house) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.jobs.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// to is the configuration that sends to a server, in its own way.
func to(s *mailtest.Server, security mail.Security) mail.Config {
	return mail.Config{SMTP: mail.SMTP{
		Host: s.Host, Port: s.Port, Security: security, RootCAs: s.Roots, Timeout: 10 * time.Second, ConnectTimeout: 5 * time.Second,
	}}
}

const (
	receiver = "receiver@example.net"
	code     = "482913"
	link     = "https://api.example.com/verify?token=Zm9vYmFyYmF6cXV4"
)

func vars() mail.Vars {
	return mail.Vars{ConfirmationURL: link, Token: code, SiteURL: "https://api.example.com", Device: "Firefox on Linux", Address: "192.0.2.7"}
}

// send has a confirmation written, in a transaction of its own.
func (h *house) send(t *testing.T, expires time.Duration) {
	t.Helper()
	err := h.db.InTx(context.Background(), func(q postgres.Querier) error {
		return h.Send(context.Background(), q, mail.Confirmation, receiver, vars(), expires)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reaches waits for the only message to get to a status, after at least a number
// of attempts.
func (h *house) reaches(t *testing.T, want mail.Status, attempts int) mail.Message {
	t.Helper()
	var m mail.Message
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		page, err := h.List(context.Background(), mail.Filter{}, "", 10)
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("%d messages, %v", len(page.Items), err)
		}
		if m = page.Items[0]; m.Status == want && m.Attempts >= attempts {
			return m
		}
	}
	t.Fatalf("the message is %s after %d attempts, not %s after %d; %s\n%s", m.Status, m.Attempts, want, attempts, text(m.LastError), h.log)
	return m
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// again has what waits for its next attempt make it now.
func (h *house) again(t *testing.T) {
	t.Helper()
	h.db.Exec(t, "update auth.river_job set state = 'available', scheduled_at = now() where state in ('retryable', 'scheduled') and kind = 'mail.send'")
}

// sealed counts the contents that are kept.
func (h *house) sealed(t *testing.T) (n int) {
	t.Helper()
	h.db.Scan(t, "select count(*) from auth.sealed_values where purpose = 'mail_content'", nil, &n)
	return n
}

var errUndone = errors.New("undone")
