package job

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// inserted is a job as it is written. River takes the values tagged unique for
// the key of a unique job.
type inserted struct {
	Key  string `json:"key,omitempty" river:"unique"`
	Args Args   `json:"args"`
}

// Kind implements river.JobArgs.
func (i inserted) Kind() string { return i.Args.Kind() }

// stored is inserted as it is read, and what is known of the attempt.
type stored[A Args] struct {
	Args A `json:"args"`

	begun   bool
	failure error
}

// Kind implements river.JobArgs.
func (s stored[A]) Kind() string { return s.Args.Kind() }

// worker does jobs of one kind.
type worker[A Args] struct {
	river.WorkerDefaults[stored[A]]

	kind    Kind[A]
	service *Service
	logger  *slog.Logger
	now     func() time.Time
}

// margin is the time between the end of a handler's context and the moment
// when the job counts as abandoned: to return, and to write down the result.
const margin = 5 * time.Second

// Timeout tells River when the job counts as abandoned.
func (w *worker[A]) Timeout(*river.Job[stored[A]]) time.Duration { return w.kind.Timeout + margin }

// Work makes one attempt.
func (w *worker[A]) Work(ctx context.Context, j *river.Job[stored[A]]) error {
	j.Args.begun = true
	if age := w.now().Sub(j.CreatedAt); w.kind.Expiry > 0 && age > w.kind.Expiry {
		return Permanent(fmt.Errorf("it is %s old", age.Round(time.Second)))
	}
	ctx, cancel := context.WithTimeout(ctx, w.kind.Timeout)
	defer cancel()

	ctx, done := w.service.observe(ctx, j.JobRow)
	defer func() { done(j.Args.failure) }()
	j.Args.failure = errPanicked // until the handler returns
	j.Args.failure = w.kind.Handle(ctx, j.Args.Args)
	return j.Args.failure
}

// NextRetry tells River when to try again. River asks it in two places: after
// an attempt that failed, and of a job that was found abandoned, which cannot
// know of any attempt. The latter is nobody's fault but the process's, and is
// tried again at once; it is also where River discards without a word.
func (w *worker[A]) NextRetry(j *river.Job[stored[A]]) time.Time {
	if !j.Args.begun {
		report(context.Background(), w.logger, j.JobRow, errAbandoned)
		return w.now()
	}
	wait := pause(w.kind.Pause, j.Attempt)
	if r, ok := errors.AsType[*retryAfter](j.Args.failure); ok {
		wait = max(wait, r.pause)
	}
	return w.now().Add(wait)
}

var errPanicked = errors.New("it panicked")

var errAbandoned = errors.New("the process that ran it is gone")

// pause grows fourfold with each attempt, give or take a quarter, so that what
// failed together is not tried again together.
func pause(first time.Duration, attempt int) time.Duration {
	const longest = 30 * 24 * time.Hour
	wait := first
	for range attempt - 1 {
		wait = min(4*wait, longest)
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	spread := float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53) // [0, 1)
	return time.Duration(float64(wait) * (0.75 + spread/2))
}

// failures is River's error handler: it says what failed, and what is given up.
type failures struct {
	logger *slog.Logger
}

// HandleError implements river.ErrorHandler.
func (f failures) HandleError(ctx context.Context, row *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	report(ctx, f.logger, row, err)
	return &river.ErrorHandlerResult{SetCancelled: isPermanent(err)}
}

// HandlePanic implements river.ErrorHandler. River itself logs what and where.
func (f failures) HandlePanic(ctx context.Context, row *rivertype.JobRow, _ any, _ string) *river.ErrorHandlerResult {
	report(ctx, f.logger, row, errPanicked)
	return nil
}

func report(ctx context.Context, logger *slog.Logger, row *rivertype.JobRow, err error) {
	about := []slog.Attr{
		slog.String("kind", row.Kind), slog.Int64("job_id", row.ID),
		slog.Int("attempt", row.Attempt), slog.Int("of", row.MaxAttempts), slog.Any("error", err),
	}
	if isPermanent(err) || row.Attempt >= row.MaxAttempts {
		logger.LogAttrs(ctx, slog.LevelError, "gave up a job", about...)
		return
	}
	logger.LogAttrs(ctx, slog.LevelWarn, "a job failed and will be tried again", about...)
}
