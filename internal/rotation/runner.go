package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// errTakenOver ends the work on a run that another program has taken over.
var errTakenOver = errors.New("another instance has taken the run over")

// Turn looks for something to do: a rotation that is due, a run that nobody is
// at. Work goes on in the background; Wait waits for it.
func (s *Service) Turn(ctx context.Context) {
	if err := s.within(ctx, s.limit(), s.schedule); err != nil && !errors.Is(err, context.Canceled) {
		s.Logger.ErrorContext(ctx, "scheduling the key rotation failed", slog.Any("error", err))
	}
	if err := s.within(ctx, s.limit(), s.observe); err != nil && !errors.Is(err, context.Canceled) {
		s.Logger.WarnContext(ctx, "the latest re-encryptions could not be read", slog.Any("error", err))
	}
	if !s.busy.TryLock() {
		return
	}
	run, leave, found, err := s.claimAny(ctx)
	if err != nil || !found {
		s.busy.Unlock()
		if err != nil && !errors.Is(err, context.Canceled) {
			s.Logger.ErrorContext(ctx, "looking for a re-encryption failed", slog.Any("error", err))
		}
		return
	}
	s.work.Go(func() {
		defer s.busy.Unlock()
		defer leave()
		s.Logger.InfoContext(ctx, "re-encryption under way", slog.String("run_id", run.ID.String()), slog.String("kind", string(run.Kind)))
		run, err := newWorker(s, run).do(ctx)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errTakenOver):
			s.Logger.WarnContext(ctx, "another instance has taken a re-encryption over", slog.String("run_id", run.ID.String()))
		case err != nil:
			s.Logger.ErrorContext(ctx, "re-encryption failed", slog.String("run_id", run.ID.String()), slog.Any("error", err))
		default:
			s.Logger.InfoContext(ctx, "re-encryption finished", slog.String("run_id", run.ID.String()), slog.Int64("re_encrypted", run.ReEncrypted))
		}
	})
}

// claimAny takes the oldest run that there is something to do for.
func (s *Service) claimAny(ctx context.Context) (run Run, leave func(), found bool, err error) {
	var due []id.Run
	err = s.within(ctx, s.limit(), func(ctx context.Context) (err error) {
		due, err = selectDue(ctx, s.DB.Single())
		return err
	})
	for _, runID := range due {
		if run, leave, found, err = s.claim(ctx, runID); err != nil || found {
			break
		}
	}
	return run, leave, found, err
}

// Wait waits until this instance works on nothing any more.
func (s *Service) Wait() { s.work.Wait() }

// Do works on a run until it is over, in this program. If another program is at
// it, Do follows it, and takes over if that one ends.
func (s *Service) Do(ctx context.Context, runID id.Run, progress func(Run)) (Run, error) {
	for said := false; ; {
		var run Run
		var leave func()
		var found bool
		var absent string
		err := s.patientlyFor(ctx, 0, func(ctx context.Context) (err error) {
			if run, leave, found, err = s.claim(ctx, runID); err == nil && !found {
				run, absent, err = s.look(ctx, runID)
			}
			return err
		})
		if err != nil || run.Over() {
			return run, err
		}
		if found {
			run, err = s.follow(ctx, run, progress)
			leave()
			if !errors.Is(err, errTakenOver) {
				return run, err
			}
		}
		if absent != "" && !said {
			s.Logger.WarnContext(ctx, "the program that is at the run has not been seen lately; after 15 s this one takes over", slog.String("program", absent))
			said = true
		}
		progress(run)
		select {
		case <-ctx.Done():
			return run, context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// look reads a run that another program is at, and the name of that program if
// it has not been seen lately.
func (s *Service) look(ctx context.Context, runID id.Run) (run Run, absent string, err error) {
	err = s.within(ctx, s.limit(), func(ctx context.Context) (err error) {
		if run, err = s.Get(ctx, runID); err == nil {
			absent, err = selectAbsent(ctx, s.DB.Single(), runID)
		}
		return err
	})
	return run, absent, err
}

// follow works on a run that is claimed and reports on it meanwhile.
func (s *Service) follow(ctx context.Context, run Run, progress func(Run)) (Run, error) {
	w := newWorker(s, run)
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		run, err = w.do(ctx)
	}()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return run, err
		case <-ticker.C:
			progress(w.now())
		}
	}
}

// hold is how often a runner says that it is still there, beside holding the
// lock of the run; see claimSQL.
const hold = 2 * time.Second

// do works on a run and writes down how it ended.
func (w *worker) do(ctx context.Context) (Run, error) {
	s := w.Service
	working, stop := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { w.hold(working, stop) })
	beside.Go(func() {
		w.pace.watch(working, func(ctx context.Context) (rate float64, err error) {
			err = s.within(ctx, s.limit(), func(ctx context.Context) (err error) {
				rate, err = s.Keys.Traffic(ctx)
				return err
			})
			return rate, err
		})
	})
	err := w.steps(working)
	if cause := context.Cause(working); cause != nil && err != nil {
		err = cause
	}
	if errors.Is(err, sealed.ErrNotActive) {
		err = fault.Newf(fault.Conflict, "encryption_key_not_active", "Version %d is no longer the active one.", *w.now().ToVersion)
	}
	stop(nil)
	beside.Wait()

	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch {
	case errors.Is(err, errTakenOver):
		return w.now(), err
	case ctx.Err() != nil:
		_ = release(ending, s.DB.Single(), w.run.ID, s.Keys.Instance(), 0, "")
		return w.now(), context.Cause(ctx)
	case err != nil && w.goesOn(err) && w.run.Attempts < maxAttempts:
		pause := w.pause()
		return w.now(), errors.Join(err, w.patiently(ending, func(ctx context.Context) error {
			return release(ctx, s.DB.Single(), w.run.ID, s.Keys.Instance(), pause, err.Error())
		}))
	}
	return w.finish(ending, err)
}

// maxAttempts is how often a run is begun before it has failed.
const maxAttempts = 20

// goesOn says that a run is to be tried again after an error. A rotation, which
// nobody may be watching, also waits for instances that lack its key.
func (w *worker) goesOn(err error) bool {
	return transient(err) || w.run.Kind == Rotation && errors.Is(err, encryption.ErrNotHeld)
}

// pause is how long a run rests after an attempt: a rotation for up to an hour,
// which outlasts most outages of a key management service.
func (w *worker) pause() time.Duration {
	longest := time.Minute
	if w.run.Kind == Rotation {
		longest = time.Hour
	}
	return min(longest, time.Second<<min(w.run.Attempts, 12))
}

// transient says that something may work when it is tried again.
func transient(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.TooMany:
		return !errors.Is(err, errDamaged) && !errors.Is(err, sealed.ErrNotActive)
	default:
		return false
	}
}

// hold keeps the run, and its counts current, until ctx is done.
func (w *worker) hold(ctx context.Context, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(hold)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var kept bool
		err := w.within(ctx, w.limit(), func(ctx context.Context) (err error) {
			kept, err = keep(ctx, w.DB.Single(), w.now(), w.Keys.Instance())
			return err
		})
		if err == nil && !kept {
			stop(errTakenOver)
			return
		}
		w.reportQuarter(ctx)
	}
}

// reportQuarter sends a notification when another quarter is done.
func (w *worker) reportQuarter(ctx context.Context) {
	now := w.now()
	if now.Total == 0 || now.Scanned*4/now.Total <= w.quarter {
		return
	}
	w.quarter = now.Scanned * 4 / now.Total
	if w.quarter > 3 {
		return
	}
	err := w.within(ctx, w.limit(), func(ctx context.Context) error {
		return w.DB.InTx(ctx, func(q postgres.Querier) error { return w.notify(ctx, q, "progress", now) })
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		w.Logger.WarnContext(ctx, "a notification could not be written", slog.Any("error", err))
	}
}

// steps are what a run does, each of which may have been done before.
func (w *worker) steps(ctx context.Context) error {
	if err := w.checkHeld(ctx); err != nil {
		return err
	}
	if w.run.Kind == Rotation {
		if err := w.patiently(ctx, w.makeKey); err != nil {
			return notWrapped(err)
		}
	}
	if err := w.patiently(ctx, w.Keys.Reload); err != nil {
		return err
	}
	held := cmp.Or(w.HeldLimit, defaultHeldLimit)
	err := w.patientlyFor(ctx, held+w.limit(), func(ctx context.Context) error {
		return w.Keys.AwaitHeld(ctx, *w.run.ToVersion, held)
	})
	if err != nil {
		return err
	}
	if w.run.Kind != Rollback {
		if err := w.patiently(ctx, func(ctx context.Context) error { return w.Keys.Activate(ctx, *w.run.ToVersion) }); err != nil {
			return err
		}
	}
	if w.run.Kind == Rotation && !w.Config.AutoReencrypt {
		return nil
	}
	return w.moveAll(ctx)
}

// checkHeld leaves a run to another instance if this one lacks the key of values
// that are to be moved.
func (w *worker) checkHeld(ctx context.Context) error {
	if w.run.Kind == Rotation && !w.Config.AutoReencrypt {
		return nil
	}
	var versions []uint32
	err := w.patiently(ctx, func(ctx context.Context) (err error) {
		if err = w.Keys.Reload(ctx); err == nil {
			versions, err = sealed.Versions(ctx, w.DB.Single())
		}
		return err
	})
	for _, version := range versions {
		if (w.run.ToVersion == nil || w.run.moves(version)) && !w.Keys.Holds(version) {
			return fault.Newf(fault.Unavailable, "encryption_key_not_held_here", "This instance does not have the key of version %d.", version)
		}
	}
	return err
}

const defaultHeldLimit = 25 * time.Second

// errNotWrapped is the fault of a rotation whose key management service did not
// do what was asked of it.
var errNotWrapped = fault.New(fault.Unavailable, "encryption_key_not_wrapped", "The new key could not be wrapped.")

// notWrapped makes an error of a key management service, which is not sorted, a
// transient one. It comes after the patience of one attempt: whoever waits for
// the run is told at once.
func notWrapped(err error) error {
	_, sorted := errors.AsType[*fault.Error](err)
	for _, lasting := range []error{keyring.ErrNotOpened, context.Canceled, errTakenOver} {
		sorted = sorted || errors.Is(err, lasting)
	}
	if sorted {
		return err
	}
	return errNotWrapped.Because(err)
}

// makeKey generates the key of a rotation, unless an earlier attempt has. The
// key and the run that it is for are written down together: no key is left
// over of which no run knows.
func (w *worker) makeKey(ctx context.Context) error {
	run, err := w.Get(ctx, w.run.ID)
	if err != nil {
		return err
	}
	if run.ToVersion != nil {
		w.goTo(*run.ToVersion)
		return nil
	}
	version, err := w.Keys.Generate(ctx, func(q postgres.Querier, version uint32) error {
		ok, err := setToVersion(ctx, q, w.run.ID, w.Keys.Instance(), version)
		if err == nil && !ok {
			return errTakenOver
		}
		return err
	})
	if err != nil {
		return err
	}
	w.goTo(version)
	return nil
}

// finish writes the end of a run, its audit record and its notification.
func (w *worker) finish(ctx context.Context, err error) (Run, error) {
	run := w.now()
	run.State = Succeeded
	event := "succeeded"
	if err != nil {
		text := err.Error()
		run.State, run.Error, event = Failed, &text, "failed"
	}
	writeErr := w.patiently(ctx, func(ctx context.Context) error {
		return w.DB.InTx(ctx, func(q postgres.Querier) error { return w.writeEnd(ctx, q, &run, event) })
	})
	return run, errors.Join(err, writeErr)
}

func (w *worker) writeEnd(ctx context.Context, q postgres.Querier, run *Run, event string) error {
	kept, err := finish(ctx, q, run, w.Keys.Instance())
	if err != nil {
		return err
	}
	if !kept {
		return errTakenOver
	}
	if err := w.dropKeys(ctx, q, run); err != nil {
		return err
	}
	record := audit.Actor{}.Did(audit.EncryptionRunFinished, "run", id.UUID(run.ID), append(run.details(),
		"scanned", fmt.Sprint(run.Scanned), "re_encrypted", fmt.Sprint(run.ReEncrypted), "failed", fmt.Sprint(run.Failed))...)
	record.Failed = run.State == Failed
	if err := audit.Write(ctx, q, record); err != nil {
		return err
	}
	return w.notify(ctx, q, event, *run)
}

// dropKeys destroys the keys that are too old to be kept, after a rotation, or
// the one that it has made in vain.
func (w *worker) dropKeys(ctx context.Context, q postgres.Querier, run *Run) error {
	switch {
	case run.Kind != Rotation:
		return nil
	case run.State == Succeeded:
		_, err := w.Keys.Retire(ctx, q, w.Config.RetainOldKeys)
		return err
	case run.ToVersion != nil:
		return w.Keys.Discard(ctx, q, *run.ToVersion)
	}
	return nil
}

// versionsOf are the versions that a run moves values from.
func (w *worker) versionsOf(keys []encryption.Key) []uint32 {
	var from []uint32
	for _, k := range keys {
		if w.run.moves(k.Version) {
			from = append(from, k.Version)
		}
	}
	return from
}

// moves says whether a run moves the values of a version.
func (r Run) moves(version uint32) bool {
	switch {
	case r.ToVersion == nil || version == *r.ToVersion:
		return false
	case r.Kind == ReEncryption:
		return version == *r.FromVersion
	case r.Kind == Rollback:
		return version > *r.ToVersion
	default:
		return true
	}
}
