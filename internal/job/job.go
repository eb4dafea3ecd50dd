// Package job is a durable queue in PostgreSQL: work that a deed entails is
// written in the transaction of the deed, and so exists if and only if the deed
// does.
//
// A job runs at least once. It runs again after an error, later each time,
// until it has been tried as often as its kind allows; and when the process
// that ran it has died. Handlers therefore have to bear being run twice.
//
// The queue is River's (https://riverqueue.com), whose tables lie in schema
// auth, where no API role has any privilege. Arguments of a job are kept there
// in the open: a secret is sealed elsewhere, and the job holds its id.
package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Args are the arguments of one kind of job, written as JSON. Kind is the same
// for every value of the type, and is never changed while such jobs may exist.
type Args interface {
	Kind() string
}

// Kind says how jobs with arguments A are done. The zero value of each field
// but Handle means its default.
type Kind[A Args] struct {
	Handle   func(context.Context, A) error
	Timeout  time.Duration // of one attempt; Handle's context ends then. Default 15 s
	Attempts int           // after which the job is given up. Default 8
	Pause    time.Duration // after the first attempt; four times that after the next, and so on. Default 15 s: 8 attempts in 23 hours
	Expiry   time.Duration // a job older than this is given up rather than tried. Default: it never is
	AtOnce   int           // if not 0, these jobs have a queue of their own, of which an instance works so many at a time
}

// Options are about one job.
type Options struct {
	Key string // of jobs of one kind and key only one is unfinished: another is not inserted. Empty: any number
}

// Service is the queue. It is safe for concurrent use once all kinds are
// registered.
type Service struct {
	// Tracer makes a span of each attempt; nil is none. It is set before Run.
	Tracer trace.Tracer

	client   *client
	workers  *river.Workers
	logger   *slog.Logger
	now      func() time.Time
	drain    time.Duration
	attempts map[string]int // by kind
	queues   map[string]string
	measured *measured
	begun    chan struct{}
	began    sync.Once // closes begun
}

// New makes a queue that nothing works yet: a process that only inserts never
// calls Run. Drain is how long jobs may take to end when Run is to return.
func New(db *postgres.DB, logger *slog.Logger, drain time.Duration, now func() time.Time) (*Service, error) {
	s := &Service{workers: river.NewWorkers(), logger: logger, now: now, drain: drain, attempts: map[string]int{}, queues: map[string]string{}, begun: make(chan struct{})}
	s.measured = newMeasured(db, now)
	var err error
	if s.client, err = newClient(db, s); err != nil {
		return nil, fmt.Errorf("making the job queue: %w", err)
	}
	return s, nil
}

// Register makes a kind of job known. It comes before Insert and Run, also in a
// process that only inserts, and panics if the kind is known already.
//
// A kind whose jobs wait for one other server has a queue of its own: when that
// server hangs, no other job waits for it.
func Register[A Args](s *Service, k Kind[A]) {
	k.Timeout = cmp.Or(k.Timeout, 15*time.Second)
	k.Attempts = cmp.Or(k.Attempts, 8)
	k.Pause = cmp.Or(k.Pause, 15*time.Second)
	river.AddWorker(s.workers, &worker[A]{kind: k, service: s, logger: s.logger, now: s.now})
	var zero A
	s.measured.know(zero.Kind())
	s.attempts[zero.Kind()] = k.Attempts
	if k.AtOnce > 0 {
		s.queues[zero.Kind()] = s.addQueue(zero.Kind(), k.AtOnce)
	}
}

// Every has a job of the zero value of A, which is registered, inserted when
// the queue starts to be worked, and from then on at an interval, by one
// instance of all. While such a job is unfinished there is no other.
func Every[A Args](s *Service, interval time.Duration) {
	var zero A
	const key = "periodic"
	s.client.PeriodicJobs().Add(river.NewPeriodicJob(river.PeriodicInterval(interval), func() (river.JobArgs, *river.InsertOpts) {
		return inserted{Key: key, Args: zero}, s.options(zero.Kind(), Options{Key: key})
	}, &river.PeriodicJobOpts{RunOnStart: true}))
}

// Insert writes a job in the transaction q. It is worked soon after that
// commits, by any instance.
func (s *Service) Insert(ctx context.Context, q postgres.Querier, args Args, o Options) error {
	if _, ok := s.attempts[args.Kind()]; !ok {
		return fmt.Errorf("inserting a job: %q is not a registered kind", args.Kind())
	}
	if err := insertTx(ctx, s.client, q, inserted{Key: o.Key, Args: args}, s.options(args.Kind(), o)); err != nil {
		return fmt.Errorf("inserting a job of kind %s: %w", args.Kind(), err)
	}
	return nil
}

// options is how a job of a kind is inserted.
func (s *Service) options(kind string, o Options) *river.InsertOpts {
	insert := &river.InsertOpts{MaxAttempts: s.attempts[kind], Queue: s.queues[kind]}
	if o.Key != "" {
		insert.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: unfinished()}
	}
	return insert
}

// unfinished are the states of a job that still may run.
func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}
}

// Permanent returns an error after which a job is given up and not tried again.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

// RetryAfter returns an error after which a job is not tried again for at
// least that long.
func RetryAfter(err error, pause time.Duration) error { return &retryAfter{err, pause} }

type retryAfter struct {
	error

	pause time.Duration
}

func (r *retryAfter) Unwrap() error { return r.error }

func isPermanent(err error) bool {
	_, ok := errors.AsType[*permanent](err)
	return ok
}
