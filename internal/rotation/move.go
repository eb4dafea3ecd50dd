package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// errDamaged ends a run that has moved everything that opens.
var errDamaged = errors.New("values that do not open under their key")

// worker is one attempt at a run.
type worker struct {
	*Service

	run     Run
	pace    pacer
	held    budget
	quarter int64 // of the values, of which the operator has been told

	total, moved, already atomic.Int64
	busy                  atomic.Int64 // of this pass
	mu                    sync.Mutex
	damaged               []id.Sealed
}

func newWorker(s *Service, r Run) *worker {
	return &worker{Service: s, run: r, held: budget{freed: make(chan struct{}, 1)}}
}

// now is the run with its counts as they are.
func (w *worker) now() Run {
	w.mu.Lock()
	r := w.run
	r.Failed = int64(len(w.damaged))
	w.mu.Unlock()
	r.ReEncrypted, r.AlreadyThere = w.moved.Load(), w.already.Load()
	r.Scanned = r.ReEncrypted + r.AlreadyThere + r.Failed
	r.Total = max(w.total.Load(), r.Scanned)
	return r
}

// goTo notes which version a rotation has made.
func (w *worker) goTo(version uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run.ToVersion = &version
}

// moveAll moves everything that the run is about.
func (w *worker) moveAll(ctx context.Context) error {
	var from []uint32
	var began time.Time
	err := w.patientlyFor(ctx, countLimit, func(ctx context.Context) error {
		keys, err := w.Keys.Keys(ctx)
		if err != nil {
			return err
		}
		from = w.versionsOf(keys)
		began, err = w.count(ctx, from)
		return err
	})
	if err != nil {
		return err
	}
	for {
		before := w.moved.Load()
		for _, version := range from {
			if err := w.moveVersion(ctx, version); err != nil {
				return err
			}
			if err := w.patiently(ctx, func(ctx context.Context) error { return w.Keys.Rewrap(ctx, version) }); err != nil {
				return err
			}
		}
		some := w.moved.Load() > before
		if err := w.patiently(ctx, w.settle); err != nil {
			return err
		}
		if err := w.patientlyFor(ctx, countLimit, func(ctx context.Context) error { return w.countOnce(ctx, began) }); err != nil {
			return err
		}
		if len(w.damaged) > 0 {
			return w.report(ctx)
		}
		err := w.checkNothingLeft(ctx, from)
		if !errors.Is(err, errValuesLeft) || !some {
			return err
		}
	}
}

// settle puts what has been moved beyond what a crash of PostgreSQL can undo, by
// a write that waits for the disk. A crash before that leaves values under an
// old version, where they are found; one after it changes nothing.
func (w *worker) settle(ctx context.Context) error {
	kept, err := keep(ctx, w.DB.Single(), w.now(), w.Keys.Instance())
	if err == nil && !kept {
		return errTakenOver
	}
	return err
}

// errValuesLeft is the fault of a run that has met everything, and still there
// is something under an old version.
var errValuesLeft = fault.New(fault.Unavailable, "values_left", "Values are still being sealed under an old key version.")

// checkNothingLeft is the proof: a run has succeeded when nothing is under the
// old versions, not when it has come to an end.
func (w *worker) checkNothingLeft(ctx context.Context, from []uint32) error {
	for _, version := range from {
		var counts []sealed.Count
		err := w.patientlyFor(ctx, countLimit, func(ctx context.Context) (err error) {
			counts, err = sealed.Counts(ctx, w.DB.Single(), version)
			return err
		})
		if err != nil {
			return err
		}
		if len(counts) > 0 {
			return errValuesLeft
		}
	}
	return nil
}

// count reads how much there is to do, and how much is done, and when that was.
func (w *worker) count(ctx context.Context, from []uint32) (time.Time, error) {
	began, err := clock(ctx, w.DB.Single())
	if err != nil {
		return began, err
	}
	counts, err := sealed.Counts(ctx, w.DB.Single(), 0)
	if err != nil {
		return began, err
	}
	for _, c := range counts {
		switch {
		case c.Version == *w.run.ToVersion:
			w.already.Add(c.Count)
			w.total.Add(c.Count)
		case slices.Contains(from, c.Version):
			w.total.Add(c.Count)
		}
	}
	return began, nil
}

// countOnce makes the counts those of values. It finds values that were there at
// the beginning and that this attempt has not met, because another one was still
// moving them; and a value that a crash of PostgreSQL has put back, and that was
// moved again, is one value.
func (w *worker) countOnce(ctx context.Context, began time.Time) error {
	now := w.now()
	missed := w.total.Load() - now.Scanned
	if missed <= 0 {
		w.moved.Add(missed)
		return nil
	}
	there, err := sealed.CountOlder(ctx, w.DB.Single(), *w.run.ToVersion, began)
	if err != nil {
		return err
	}
	w.already.Add(max(0, min(missed, there-now.ReEncrypted-now.AlreadyThere)))
	return nil
}

// report names values that do not open.
func (w *worker) report(ctx context.Context) error {
	var values []Value
	err := w.patiently(ctx, func(ctx context.Context) (err error) {
		values, err = selectValues(ctx, w.DB.Single(), w.damaged[:min(shownValues, len(w.damaged))])
		return err
	})
	if err != nil {
		return err
	}
	var names []string
	for _, v := range values {
		names = append(names, v.String())
	}
	if len(w.damaged) > shownValues {
		names = append(names, "...")
	}
	return fmt.Errorf("%d %w: %s", len(w.damaged), errDamaged, strings.Join(names, ", "))
}

// moveVersion goes over the values of a version. Those that a transaction is
// changing are met again, after a pause if there is nothing else to do.
func (w *worker) moveVersion(ctx context.Context, version uint32) error {
	pause := firstPause
	for {
		before := w.moved.Load()
		w.busy.Store(0)
		if err := w.pass(ctx, version); err != nil {
			return err
		}
		switch {
		case w.busy.Load() == 0:
			return nil
		case w.moved.Load() > before:
			pause = firstPause
			continue
		case pause == lastPause:
			w.Logger.WarnContext(ctx, "re-encryption waits for transactions that are changing values", slog.Int64("values", w.busy.Load()))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// The pauses between tries grow from the first to the last.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pass reads the values of a version once, in order, and hands them to workers.
func (w *worker) pass(ctx context.Context, version uint32) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	batches := make(chan sealed.Batch, w.run.Concurrency)
	var workers sync.WaitGroup
	for range w.run.Concurrency {
		workers.Go(func() {
			for b := range batches {
				size := b.Size()
				if err := w.moveBatch(ctx, b); err != nil {
					cancel(err)
				}
				w.held.give(size)
			}
		})
	}
	err := w.read(ctx, version, batches)
	close(batches)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// readAtOnce is how many values are read at once, unless a batch is larger.
const readAtOnce = 500

// maxRead is how many bytes are read at once.
const maxRead = 8 << 20

// read reads several batches at once, so that the workers do not wait for it.
func (w *worker) read(ctx context.Context, version uint32, batches chan<- sealed.Batch) error {
	var after id.Sealed
	most := max(w.run.BatchSize, min(readAtOnce, w.run.BatchSize*w.run.Concurrency))
	for fits := min(most, readAtOnce); ; {
		var many sealed.Batch
		limit := w.pace.atOnce(fits)
		err := w.patiently(ctx, func(ctx context.Context) (err error) {
			many, err = w.Values.Read(ctx, w.DB.Single(), version, after, limit, maxRead)
			return err
		})
		if err != nil || many.Len() == 0 {
			return err
		}
		if many.Len() == fits {
			fits = min(2*fits, most)
		} else if many.Len() < limit {
			fits = many.Len() // PostgreSQL sent more than there was room for, or it is the end
		}
		after = many.Last()
		for b := range many.Split(w.run.BatchSize) {
			if err := w.held.take(ctx, b.Size()); err != nil {
				return err
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				w.held.give(b.Size())
				return context.Cause(ctx)
			}
		}
	}
}

// moveBatch moves a batch, in smaller pieces while the database is busy.
func (w *worker) moveBatch(ctx context.Context, b sealed.Batch) error {
	for b.Len() > 0 {
		var piece sealed.Batch
		piece, b = b.Cut(w.pace.atOnce(b.Len()))
		if err := w.movePiece(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) movePiece(ctx context.Context, b sealed.Batch) error {
	return w.patientlyFor(ctx, 0, func(ctx context.Context) error {
		var m sealed.Moved
		err := w.pace.do(ctx, func() error {
			return w.within(ctx, w.limit(), func(ctx context.Context) (err error) {
				m, err = w.Values.Move(ctx, w.DB.Single(), b, *w.run.ToVersion)
				return err
			})
		})
		if err != nil {
			return err
		}
		w.moved.Add(int64(m.Moved))
		w.already.Add(int64(m.Already))
		w.busy.Add(int64(m.Busy))
		w.keepDamaged(m.Damaged)
		return nil
	})
}

// keepDamaged remembers values that do not open; a second pass meets them again.
func (w *worker) keepDamaged(values []id.Sealed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range values {
		if !slices.Contains(w.damaged, v) {
			w.damaged = append(w.damaged, v)
		}
	}
}

const defaultPatience = 30 * time.Second

// errDeadlock is the fault of one of two transactions that wait for each other.
var errDeadlock = &fault.Error{Kind: fault.Conflict, Code: "serialization_failure"}

// patiently tries again what may go away: a deadlock, a full disk, a connection
// that is cut or does not answer, a database that is starting again.
func (s *Service) patiently(ctx context.Context, f func(context.Context) error) error {
	return s.patientlyFor(ctx, s.limit(), f)
}

// patientlyFor gives each try its own limit, or none for 0.
func (s *Service) patientlyFor(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	pause, waited := firstPause, time.Duration(0)
	for {
		err := s.within(ctx, limit, f)
		if err == nil || !transient(err) && !errors.Is(err, errDeadlock) || waited > cmp.Or(s.Patience, defaultPatience) {
			return err
		}
		s.Logger.WarnContext(ctx, "re-encryption waits", slog.Any("error", err), slog.Duration("retry_in", pause))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		waited += pause
		pause = min(2*pause, lastPause)
	}
}

// How long a step may take. A connection whose other end is gone without a word
// would hold it up for ever.
const (
	defaultStepLimit = 30 * time.Second
	countLimit       = 15 * time.Minute // reads every value there is
)

// limit is that of a step.
func (s *Service) limit() time.Duration { return cmp.Or(s.StepLimit, defaultStepLimit) }

// within gives f up when it takes longer than limit, which is a time-out then,
// whatever f makes of it. No limit is 0.
func (s *Service) within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if limit == 0 {
		return f(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return postgres.ErrStatementTimeout.Because(err)
	}
	return err
}
