package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// beginLimit is how long the first request waits for the job queue at most.
const beginLimit = 5 * time.Second

// maxHeader is the most bytes of the request line and the header of a request.
const maxHeader = 32 << 10

// Run serves on a listener and does what nobody waits for until ctx is done,
// then lets requests and jobs finish for as long as the configuration grants,
// and closes the database. The listener is closed in any case.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	defer s.close(ctx)
	besides, err := s.openBeside(ctx)
	if err != nil {
		_ = listener.Close()
		return err
	}
	var background sync.WaitGroup
	defer background.Wait()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx)) // until the last request is answered
	defer stopWatching()
	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	background.Go(func() { s.watch(watching) })
	background.Go(func() { s.jobs.Run(working) })
	background.Go(func() { s.audit.Run(watching) })
	background.Go(func() { s.Keys.Run(watching, s.logger) })
	background.Go(func() {
		s.encryption.Run(watching, func(turn context.Context) {
			if working.Err() == nil {
				s.rotation.Turn(working)
			}
		})
		s.rotation.Wait()
	})
	for _, b := range besides {
		background.Go(func() { b.serve(watching, s.logger) })
	}
	background.Go(func() { logPolicies(working, s.linter, s.logger) })
	if s.certificates != nil {
		background.Go(func() { s.certificates.Run(working) })
	}

	s.awaitJobs(ctx)
	h := s.httpServer()
	failed := make(chan error, 1)
	go func() { failed <- s.serve(h, listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.health.Drain()
	if err := s.drain(ctx, h, failed); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// awaitJobs lets the queue begin before the first request is answered, so that a
// server which has just started is not said to be unready. Requests wait in the
// listener meanwhile.
func (s *Server) awaitJobs(ctx context.Context) {
	select {
	case <-s.jobs.Begun():
	case <-ctx.Done():
	case <-time.After(beginLimit):
	}
}

// drain goes on serving for a while, and then lets requests in flight finish.
func (s *Server) drain(ctx context.Context, h *http.Server, failed chan error) error {
	c := s.config.Server
	s.logger.InfoContext(ctx, "stopping", slog.Duration("delay", c.ShutdownDelay), slog.Duration("grace", c.ShutdownTimeout))
	s.linger(failed)
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
	defer cancel()
	if err := h.Shutdown(draining); err != nil {
		_ = h.Close()
		return fmt.Errorf("requests were still running after %s: %w", c.ShutdownTimeout, err)
	}
	return nil
}

// linger goes on serving while whatever sends requests here finds out that the
// server is not ready any more.
func (s *Server) linger(failed chan error) {
	select {
	case err := <-failed:
		failed <- err
	case <-time.After(s.config.Server.ShutdownDelay):
	}
}

// watch follows revocations and the catalog.
func (s *Server) watch(ctx context.Context) {
	postgres.Watch(ctx, postgres.Config{OwnerURL: s.ownerURL, Pooled: pooled(s.config)}, watchInterval, s.logger,
		postgres.Watcher{Channel: session.Channel, Notified: s.revoked.Notified, Poll: s.revoked.Poll},
		postgres.Watcher{Channel: encryption.Channel, Notified: s.encryption.Notified},
		postgres.Watcher{Channel: catalog.Channel, Notified: s.catalog.Notified, Poll: s.catalog.Poll, Every: time.Second},
	)
}
