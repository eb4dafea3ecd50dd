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
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/session"
)

// Run serves on a listener and works the job queue until ctx is done, then lets
// requests and jobs finish for as long as the configuration grants, and closes
// the database. The listener is closed in any case.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	defer s.db.Close()

	var background sync.WaitGroup
	defer background.Wait()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx)) // until the last request is answered
	defer stopWatching()
	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	background.Go(func() { s.watch(watching) })
	background.Go(func() { s.jobs.Run(working) })

	c := s.config.Server
	h := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: c.ReadHeaderTimeout, ReadTimeout: c.ReadTimeout,
		WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.logger.InfoContext(ctx, "stopping", slog.Duration("grace", c.ShutdownTimeout))
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
	defer cancel()
	if err := h.Shutdown(draining); err != nil {
		_ = h.Close()
		return fmt.Errorf("requests were still running after %s: %w", c.ShutdownTimeout, err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// watch follows revocations and the catalog.
func (s *Server) watch(ctx context.Context) {
	postgres.Watch(ctx, s.ownerURL, watchInterval, s.logger,
		postgres.Watcher{Channel: session.Channel, Notified: s.revoked.Notified, Poll: s.revoked.Poll},
		postgres.Watcher{Channel: catalog.Channel, Notified: s.catalog.Notified, Poll: s.catalog.Poll, Every: time.Second},
	)
}
