package job

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/riverqueue/river"
)

const (
	// atOnce is how many jobs one instance works at a time.
	atOnce = 16
	// cooldown is the shortest time between two looks into the queue. With
	// atOnce it bounds what an instance does: 160 jobs a second.
	cooldown = 100 * time.Millisecond
	// poll is the time between looks when nothing is announced. Announcements
	// are made once in a cooldown, so that of a burst the last jobs wait for it.
	poll = time.Second
	// rescue is the age at which a running job is looked at more closely: from
	// then on it is abandoned when its kind's own timeout and margin are over.
	// The leader looks every 30 s, and is followed within 20 s by another if it
	// dies. A job killed with its process thus runs again within a minute, for
	// a timeout of up to 20 s: 20 s + 5 s + 30 s + 5 s until it is scheduled.
	rescue = 10 * time.Second
	// kept is how long a job that was given up can be looked at.
	kept = 7 * 24 * time.Hour
)

func config(s *Service, listens bool) *river.Config {
	return &river.Config{
		Schema:                      "auth",
		Workers:                     s.workers,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atOnce}},
		PollOnly:                    !listens,
		FetchCooldown:               cooldown,
		FetchPollInterval:           poll,
		FetchOnlyKnownKinds:         true, // of two versions side by side each works what it knows
		JobTimeout:                  rescue,
		RescueStuckJobsAfter:        rescue,
		SoftStopTimeout:             s.drain,
		CancelledJobRetentionPeriod: kept,
		DiscardedJobRetentionPeriod: kept,
		ErrorHandler:                failures{s.logger},
		Logger:                      slog.New(quiet{s.logger.Handler()}).With(slog.String("part", "river")),
	}
}

// addQueue makes the queue of one kind of job, and returns its name. Names of
// queues have no dots.
func (s *Service) addQueue(kind string, atOnce int) string {
	name := strings.ReplaceAll(kind, ".", "_")
	if err := s.client.Queues().Add(name, river.QueueConfig{MaxWorkers: atOnce}); err != nil {
		panic("job: the queue of " + kind + ": " + err.Error()) // a defect in how it was registered, found by any test
	}
	return name
}

// Run works jobs until ctx is done. Then it takes no more of them, waits for
// those under way, ends their contexts when the time for draining is over, and
// returns at the latest some seconds after that. What did not end is run again
// by another instance, or after the next start.
func (s *Service) Run(ctx context.Context) {
	if len(s.attempts) == 0 {
		return
	}
	for {
		err := s.client.Start(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		s.logger.WarnContext(ctx, "the job queue does not start", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	s.measured.started.Store(true)
	s.began.Do(func() { close(s.begun) })
	defer s.measured.started.Store(false)
	<-ctx.Done()
	select {
	case <-s.client.Stopped():
	case <-time.After(s.drain + margin):
		s.logger.ErrorContext(ctx, "jobs do not end; another instance will run them again")
	}
}

// Begun is closed once Run works the queue.
func (s *Service) Begun() <-chan struct{} { return s.begun }

// quiet passes on what River logs, with its news lowered to the level of
// debugging.
type quiet struct{ slog.Handler }

func lowered(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, lowered(l))
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lowered(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
