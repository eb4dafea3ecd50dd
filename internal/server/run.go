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

// Run serves on a listener until ctx is done, then lets requests finish for as
// long as the configuration grants, and closes the database. The listener is
// closed in any case.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	defer s.close()

	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() { s.watch(watching) })
	watch.Go(func() {
		s.encryption.Run(watching, s.rotation.Turn)
		s.rotation.Wait()
	})
	defer watch.Wait()
	defer stopWatching()

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
		postgres.Watcher{Channel: encryption.Channel, Notified: s.encryption.Notified},
		postgres.Watcher{Channel: catalog.Channel, Notified: s.catalog.Notified, Poll: s.catalog.Poll, Every: time.Second},
	)
}
