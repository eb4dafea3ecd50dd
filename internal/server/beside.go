package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// beside is a listener besides the one of clients, and what serves it.
type beside struct {
	listener net.Listener
	server   *http.Server
}

// openBeside opens those that the configuration names.
func (s *Server) openBeside(ctx context.Context) (opened []beside, err error) {
	defer func() {
		if err != nil {
			for _, b := range opened {
				_ = b.listener.Close()
			}
		}
	}()
	if address := s.config.Server.AdminAddress; address != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return opened, fmt.Errorf("listening for the admin: %w", err)
		}
		s.logger.InfoContext(ctx, "admin listener", slog.String("address", l.Addr().String()))
		opened = append(opened, beside{l, s.admin()})
	}
	if address := s.config.Server.TLS.RedirectAddress; address != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return opened, fmt.Errorf("listening for plain HTTP: %w", err)
		}
		s.logger.InfoContext(ctx, "redirect listener", slog.String("address", l.Addr().String()))
		opened = append(opened, beside{s.gate.Wrap(l), s.redirect()})
	}
	return opened, nil
}

// serve serves until ctx is done.
func (b beside) serve(ctx context.Context, logger *slog.Logger) {
	b.server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	context.AfterFunc(ctx, func() { _ = b.server.Close() })
	if err := b.server.Serve(b.listener); !errors.Is(err, http.ErrServerClosed) {
		logger.ErrorContext(ctx, "a listener ended", slog.String("address", b.listener.Addr().String()), slog.Any("error", err))
	}
}

// admin is for whoever runs the server.
func (s *Server) admin() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", telemetry.MetricsHandler(s.metrics, s.logger))
	mux.Handle("GET /livez", s.Handler)
	mux.Handle("GET /readyz", s.Handler)
	return &http.Server{Handler: mux, ReadHeaderTimeout: s.config.Server.ReadHeaderTimeout, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
}

// redirect answers plain HTTP.
func (s *Server) redirect() *http.Server {
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { toHTTPS(w, r, s.config.PublicURL) })
	if s.acme != nil {
		handler = s.acme.HTTPHandler(handler)
	}
	c := s.config.Server
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: c.ReadHeaderTimeout, ReadTimeout: c.ReadHeaderTimeout, WriteTimeout: c.ReadHeaderTimeout,
		IdleTimeout: c.ReadHeaderTimeout, MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
	}
}

// toHTTPS sends a reader to the public URL, whatever Host says. A request that
// does something is refused: whoever sends it has shown its credential to
// everybody on the way, and would do so again if that went unnoticed.
func toHTTPS(w http.ResponseWriter, r *http.Request, publicURL string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !reads || r.Header.Get("Authorization") != "" || r.Header.Get("Apikey") != "" || !strings.HasPrefix(r.URL.Path, "/") {
		http.Error(w, "This server speaks https: "+publicURL, http.StatusForbidden)
		return
	}
	to := publicURL + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	h.Set("Location", to)
	w.WriteHeader(http.StatusPermanentRedirect)
}
