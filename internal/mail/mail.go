// Package mail sends what the server has to say to people: links, codes and
// notices.
//
// A message is written in the transaction of the deed that entails it, with a
// job that sends it: if that transaction does not commit nothing leaves, and
// once it has, any instance sends it, however often the mail server fails
// meanwhile, until the message is too old to be of use. What it says works only
// once and for one person, so it is sealed until it is sent, and destroyed then.
//
// A message is sent at least once. A server that dies between the mail server's
// yes and its own commit leaves the message to be sent again, under the same
// Message-ID.
package mail

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// ContentPurpose is the purpose that the contents of messages are sealed for.
const ContentPurpose = "mail_content"

// longest is how long a message may wait that does not say so itself.
const longest = 72 * time.Hour

// Config is what the configuration says about mail.
type Config struct {
	From         string // "Name <address>", or an address
	ReplyTo      string // the same; empty for none
	SMTP         SMTP
	TemplatesDir string        // empty: the built-in templates alone
	Locale       string        // of messages that name none, or none that there are templates for; default en
	Retention    time.Duration // of rows, from their creation; default 720h
}

// Options are what a Service is made of.
type Options struct {
	DB      *postgres.DB
	Jobs    *job.Service
	Values  *sealed.Service
	Mailbox *Mailbox // takes messages when no mail server is configured; nil outside development
	Logger  *slog.Logger
	Now     func() time.Time
	Config  Config
}

// Service sends messages. It is safe for concurrent use.
type Service struct {
	db        *postgres.DB
	jobs      *job.Service
	values    *sealed.Service
	mailbox   *Mailbox
	logger    *slog.Logger
	now       func() time.Time
	config    Config
	sender    sender
	templates *templates
	counters  *counters
}

// New makes the service and the jobs it works by. Its errors are those of the
// configuration: an address, a template with its file and line.
func New(o Options) (*Service, error) {
	s := &Service{
		db: o.DB, jobs: o.Jobs, values: o.Values, mailbox: o.Mailbox, logger: o.Logger, now: o.Now, config: o.Config, counters: newCounters(o.DB, o.Now),
	}
	s.config.Retention = cmp.Or(s.config.Retention, 30*24*time.Hour)
	var err error
	if s.sender, err = newSender(o.Config); err != nil {
		return nil, err
	}
	if s.templates, err = loadTemplates(o.Config.TemplatesDir, o.Config.Locale); err != nil {
		return nil, err
	}
	s.register()
	return s, nil
}

// Configured says whether messages go anywhere: to a mail server, or in
// development to the mailbox.
func (s *Service) Configured() bool { return s.config.SMTP.Host != "" || s.mailbox != nil }

// Send has a message sent once the transaction q has committed, unless that
// takes longer than expires; 0 is 72 hours. The address is one as
// user.NormalizeEmail returns it.
func (s *Service) Send(ctx context.Context, q postgres.Querier, kind Kind, to string, vars Vars, expires time.Duration) error {
	return s.write(ctx, q, kind, to, vars, expires, Queued, func(m id.Mail) job.Args { return delivery{ID: m} })
}

func (s *Service) write(ctx context.Context, q postgres.Querier, kind Kind, to string, vars Vars, expires time.Duration,
	status Status, next func(id.Mail) job.Args,
) error {
	if !kind.known() {
		return fmt.Errorf("sending mail: %q is no kind of message", kind)
	}
	if !plainAddress(to) {
		return ErrAddress
	}
	if expires <= 0 {
		expires = longest
	}
	vars.fill(to)
	now := s.now()
	m := record{
		id: id.Mail(id.New(now)), kind: kind, recipient: to, locale: s.templates.locale(kind, vars.Locale), status: status,
		createdAt: now, expiresAt: now.Add(expires),
	}
	m.messageID = m.id.String() + "@" + s.sender.domain()
	content, err := json.Marshal(vars, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("sending mail: writing its variables: %w", err)
	}
	if m.sealed, err = s.values.PutFor(ctx, q, id.Tenant{}, ContentPurpose, m.id.String(), content); err != nil {
		return fmt.Errorf("sending mail: %w", err)
	}
	if err := insert(ctx, q, m); err != nil {
		return fmt.Errorf("sending mail: %w", err)
	}
	if err := s.jobs.Insert(ctx, q, next(m.id), job.Options{}); err != nil {
		return fmt.Errorf("sending mail: %w", err)
	}
	return nil
}

// ErrAddress is the fault of what is no address. It does not repeat it.
var ErrAddress = fault.Input("/email", "invalid_email", "This is not an e-mail address that mail can be sent to.")

// plainAddress takes what is an address to every parser: no quoted local part,
// no comment, no list, nothing beyond printable ASCII.
func plainAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	if !ok || local == "" || domain == "" || len(text) > 254 {
		return false
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) }) {
		return false
	}
	parsed, err := netmail.ParseAddress(text)
	return err == nil && parsed.Address == text && parsed.Name == ""
}
