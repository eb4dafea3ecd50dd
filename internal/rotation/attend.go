package rotation

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// claim takes a run if nobody is at it. Whoever gets one calls leave when the
// work is over.
//
// Whoever holds the lock of a run is at it. PostgreSQL lets go of the lock the
// moment its holder ends, however that was. If a connection outlives its
// program, as it does when a whole machine is gone, the run is free when the
// holder has not been seen for a while.
func (s *Service) claim(ctx context.Context, runID id.Run) (run Run, leave func(), found bool, err error) {
	locked, leave, err := s.attend(ctx, runID)
	if err == nil {
		err = s.within(ctx, s.limit(), func(ctx context.Context) (err error) {
			run, found, err = claim(ctx, s.DB.Single(), s.Keys.Instance(), runID, locked)
			return err
		})
	}
	if err != nil || !found {
		leave()
	}
	return run, leave, found, err
}

// attend makes this program present at a run until leave is called, by a
// transaction that does nothing but hold the lock of the run. It says whether
// the lock was free; if it was not, it is taken later.
func (s *Service) attend(ctx context.Context, runID id.Run) (locked bool, leave func(), err error) {
	attending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := presence{Service: s, runID: runID, first: make(chan error, 1), leaving: make(chan struct{})}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		p.hold(attending)
	}()
	leave = func() {
		close(p.leaving)
		impatience := time.AfterFunc(time.Second, cancel)
		<-gone
		impatience.Stop()
		cancel()
	}
	select {
	case err = <-p.first:
		return p.locked, leave, err
	case <-ctx.Done():
		return false, leave, context.Cause(ctx)
	}
}

// presence is that of this program at a run.
type presence struct {
	*Service

	runID   id.Run
	locked  bool       // at the first try; read it after first
	first   chan error // how that went
	leaving chan struct{}
}

// hold holds the lock until the program leaves, over as many connections as
// that takes.
func (p *presence) hold(ctx context.Context) {
	for said := false; ; said = true {
		err := p.holdOnce(ctx, func(locked bool) {
			if !said {
				p.locked = locked
				p.first <- nil
				said = true
			}
		})
		if !said {
			p.first <- err
		}
		if ctx.Err() != nil || !p.stays(200*time.Millisecond) {
			return
		}
	}
}

// holdOnce holds the lock over one connection, and gives up one that does not
// answer. It tells whether it has the lock.
func (p *presence) holdOnce(ctx context.Context, tell func(locked bool)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(p.limit(), func() { cancel(postgres.ErrStatementTimeout) })
	defer watchdog.Stop()
	err := p.DB.InTx(ctx, func(q postgres.Querier) error {
		locked, err := lockRun(ctx, q, p.runID)
		if err != nil {
			return err
		}
		tell(locked)
		for err == nil && locked {
			watchdog.Stop()
			if !p.stays(time.Second) {
				break
			}
			watchdog.Reset(p.limit())
			_, err = clock(ctx, q) // is the connection still there?
		}
		return err
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// stays waits, and says whether the program is to go on being present.
func (p *presence) stays(pause time.Duration) bool {
	select {
	case <-p.leaving:
		return false
	case <-time.After(pause):
		return true
	}
}
