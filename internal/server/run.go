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
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// maxHeader is the most bytes of the request line and the header of a request.
const maxHeader = 32 << 10

// Run serves on a listener and does what nobody waits for until ctx is done,
// then lets requests and jobs finish for as long as the configuration grants,
// and closes the database. The listener is closed in any case.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	defer s.close(ctx)
	admin, err := s.listenAdmin(ctx)
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
	background.Go(func() { s.serveAdmin(watching, admin) })
	background.Go(func() { logPolicies(working, s.linter, s.logger) })

	c := s.config.Server
	h := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: c.ReadHeaderTimeout, ReadTimeout: c.ReadTimeout,
		WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.health.Drain()
	s.logger.InfoContext(ctx, "stopping", slog.Duration("delay", c.ShutdownDelay), slog.Duration("grace", c.ShutdownTimeout))
	s.linger(failed)
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

// linger goes on serving while whatever sends requests here finds out that the
// server is not ready any more.
func (s *Server) linger(failed chan error) {
	select {
	case err := <-failed:
		failed <- err
	case <-time.After(s.config.Server.ShutdownDelay):
	}
}

// listenAdmin opens the admin listener; nil if there is to be none.
func (s *Server) listenAdmin(ctx context.Context) (net.Listener, error) {
	address := s.config.Server.AdminAddress
	if address == "" {
		return nil, nil //nolint:nilnil // none was asked for
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for the admin: %w", err)
	}
	s.logger.InfoContext(ctx, "admin listener", slog.String("address", l.Addr().String()))
	return l, nil
}

// serveAdmin serves whoever runs the server, on a listener of its own.
func (s *Server) serveAdmin(ctx context.Context, listener net.Listener) {
	if listener == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", telemetry.MetricsHandler(s.metrics, s.logger))
	mux.Handle("GET /livez", s.Handler)
	mux.Handle("GET /readyz", s.Handler)
	h := &http.Server{Handler: mux, ReadHeaderTimeout: s.config.Server.ReadHeaderTimeout, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = h.Close() })
	if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		s.logger.ErrorContext(ctx, "the admin listener ended", slog.Any("error", err))
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
