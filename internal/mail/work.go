package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// delivery is the job that sends a message.
type delivery struct {
	ID     id.Mail `json:"id"`
	Before int     `json:"before,omitzero"` // attempts that were made before this job
}

// Kind implements job.Args.
func (delivery) Kind() string { return "mail.send" }

// sweep is the job that expires and removes messages.
type sweep struct{}

// Kind implements job.Args.
func (sweep) Kind() string { return "mail.sweep" }

const (
	// maxAttempts at the pauses of the job come to a day and a half; most
	// messages expire long before.
	maxAttempts = 9
	firstPause  = 5 * time.Second
	// atOnce is how many conversations an instance has with the mail server.
	atOnce = 8
	// around is the time of an attempt that is not the conversation.
	around = 5 * time.Second

	sweepInterval = 5 * time.Minute
	sweepBatch    = 500
)

func (s *Service) register() {
	job.Register(s.jobs, job.Kind[delivery]{
		Handle: s.deliver, Timeout: s.sender.smtp.Timeout + around, Attempts: maxAttempts, Pause: firstPause, AtOnce: atOnce,
	})
	job.Register(s.jobs, job.Kind[pretence]{Handle: s.forget, AtOnce: 1})
	job.Register(s.jobs, job.Kind[sweep]{Handle: s.sweep, Timeout: time.Minute, Attempts: 1})
	job.Every[sweep](s.jobs, sweepInterval)
}

// errNotConfigured is why messages fail on a server that cannot send any.
var errNotConfigured = errors.New("mail is not configured: mail.smtp.host is not set")

// deliver makes one attempt.
func (s *Service) deliver(ctx context.Context, d delivery) error {
	r, err := begin(ctx, s.db.Single(), d.ID, s.now())
	if errors.Is(err, ErrNotFound) {
		return s.expireOne(ctx, d.ID)
	}
	if err != nil {
		return err
	}
	vars, err := s.traced(ctx, r)
	if err == nil {
		s.counters.count(r.kind, Sent)
		return s.finish(ctx, r)
	}
	reason := scrub(err.Error(), vars)
	failed := errors.New(reason)
	status := Queued
	if isPermanent(err) || r.attempts-d.Before >= maxAttempts {
		status, failed = Failed, job.Permanent(failed)
		s.counters.count(r.kind, Failed)
	}
	return errors.Join(s.unsent(ctx, r, status, reason), failed)
}

// traced is attempt in a span, of which neither the recipient nor what the mail
// server says is a part.
func (s *Service) traced(ctx context.Context, r record) (Vars, error) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return s.attempt(ctx, r)
	}
	ctx, span := parent.TracerProvider().Tracer("fluxbase/mail").Start(ctx, "mail", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("fluxbase.mail.kind", string(r.kind)), attribute.String("server.address", s.config.SMTP.Host)))
	defer span.End()
	vars, err := s.attempt(ctx, r)
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	return vars, err
}

// attempt also returns the variables, for what must not be repeated.
func (s *Service) attempt(ctx context.Context, r record) (Vars, error) {
	var vars Vars
	content, err := s.values.OpenFor(ctx, s.db.Single(), r.sealed, id.Tenant{}, ContentPurpose, r.id.String())
	if err != nil {
		return vars, fmt.Errorf("opening what it says: %w", err)
	}
	if err := json.Unmarshal(content, &vars); err != nil {
		return vars, permanent{errors.New("reading what it says")}
	}
	l, err := s.templates.render(r, vars)
	if err != nil {
		return vars, permanent{fmt.Errorf("filling in its template: %w", err)}
	}
	switch {
	case s.config.SMTP.Host != "":
		return vars, s.sender.send(ctx, r, l, nil)
	case s.mailbox != nil:
		s.mailbox.put(r, l)
		return vars, nil
	}
	return vars, permanent{errNotConfigured}
}

// writing is the time to write down what came of an attempt, also when the
// attempt has used up its own.
const writing = 5 * time.Second

// finish writes down that a message is sent, and destroys what it says.
func (s *Service) finish(ctx context.Context, r record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
	defer cancel()
	return s.db.InTx(ctx, func(q postgres.Querier) error {
		if err := markSent(ctx, q, r.id, s.now()); err != nil {
			return err
		}
		return s.values.Delete(ctx, q, r.sealed)
	})
}

func (s *Service) unsent(ctx context.Context, r record, status Status, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
	defer cancel()
	return markUnsent(ctx, s.db.Single(), r.id, status, reason)
}

// expireOne expires a message whose time was over when its turn came. One that
// is done already is no matter: a job runs at least once.
func (s *Service) expireOne(ctx context.Context, message id.Mail) error {
	r, err := selectByID(ctx, s.db.Single(), message)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || r.status != Queued && r.status != Sending {
		return err
	}
	s.logger.WarnContext(ctx, "a message has expired before it could be sent", slog.String("kind", string(r.kind)), slog.String("mail_id", r.id.String()))
	_, err = s.expire(ctx)
	return err
}

// sweep expires what is too old to be sent, and removes rows that have been
// kept for long enough, a few at a time.
func (s *Service) sweep(ctx context.Context, _ sweep) error {
	for n := sweepBatch; n == sweepBatch; {
		var err error
		if n, err = s.expire(ctx); err != nil {
			return fmt.Errorf("expiring messages: %w", err)
		}
	}
	before := id.Mail(firstAt(s.now().Add(-s.config.Retention)))
	for n := sweepBatch; n == sweepBatch; {
		var err error
		if n, err = removeOld(ctx, s.db.Single(), before, sweepBatch); err != nil {
			return fmt.Errorf("removing old messages: %w", err)
		}
	}
	return nil
}

// expire expires a batch, and returns how many those were.
func (s *Service) expire(ctx context.Context) (int, error) {
	var due []record
	err := s.db.InTx(ctx, func(q postgres.Querier) error {
		var err error
		due, err = expire(ctx, q, s.now(), sweepBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		values := make([]id.Sealed, len(due))
		for i, r := range due {
			values[i] = r.sealed
		}
		return s.values.Delete(ctx, q, values...)
	})
	if err != nil {
		return 0, err
	}
	for _, r := range due {
		if r.status != Failed {
			s.counters.count(r.kind, Expired)
		}
	}
	return len(due), nil
}

// firstAt returns an identifier that is less than all that were made since an
// instant.
func firstAt(at time.Time) id.UUID {
	first := id.New(at)
	clear(first[6:])
	return first
}
