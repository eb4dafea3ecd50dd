package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/fluxbase/fluxbase/internal/certificate"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/listener"
	"github.com/fluxbase/fluxbase/internal/outbound"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/web"
)

// newGate says whose connections are taken. An address that is nobody's on the
// Internet may be a gateway's, with many behind it.
func newGate(c config.Server) *listener.Gate {
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	o := listener.Options{
		PerAddress: c.MaxConnectionsPerAddress, HeaderTimeout: c.ReadHeaderTimeout,
		Exempt: func(a netip.Addr) bool { return !web.Global(a) || trusted(a) },
	}
	if c.ProxyProtocol {
		o.Senders = c.TrustedProxies
	}
	return listener.New(o)
}

// openTransport makes what stands between clients and the handler.
func (s *Server) openTransport(values *sealed.Service, now func() time.Time) (err error) {
	s.gate = newGate(s.config.Server)
	s.certificates, err = s.openCertificates(values, now)
	return err
}

// openCertificates returns nil where the server speaks plain HTTP.
func (s *Server) openCertificates(values *sealed.Service, now func() time.Time) (certificate.Source, error) {
	t := s.config.Server.TLS
	if !t.Enabled() {
		return nil, nil //nolint:nilnil // none were asked for
	}
	var both certificate.Both
	var err error
	if t.CertFile != "" {
		if both.Files, err = certificate.OpenFiles(t.CertFile, t.KeyFile, s.logger, now); err != nil {
			return nil, err //nolint:wrapcheck // says what it is about
		}
	}
	if len(t.ACME.Domains) > 0 {
		if both.ACME, err = s.openACME(t.ACME, values); err != nil {
			return nil, err
		}
		s.acme = both.ACME
	}
	switch {
	case both.ACME == nil:
		return both.Files, nil
	case both.Files == nil:
		return both.ACME, nil
	}
	return both, nil
}

func (s *Server) openACME(a config.ACME, values *sealed.Service) (*certificate.ACME, error) {
	roots, err := rootsIn("server.tls.acme.ca_file", a.CAFile)
	if err != nil {
		return nil, err
	}
	return certificate.NewACME(certificate.ACMEOptions{
		Domains: a.Domains, Email: a.Email, Logger: s.logger,
		Cache: &certificate.Cache{DB: s.background, Values: values},
		Client: &acme.Client{
			DirectoryURL: a.DirectoryURL, UserAgent: "Fluxbase/" + Version,
			HTTPClient: outbound.New(outbound.Options{AllowPrivate: true, Timeout: time.Minute, Roots: roots}), // the operator's choice
		},
	}), nil
}

// httpServer is what clients talk to. The fields have their own limit, and so
// has the body; see web.Server for what is read of it when.
func (s *Server) httpServer() *http.Server {
	c := s.config.Server
	h := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: c.ReadHeaderTimeout, ReadTimeout: c.ReadTimeout,
		WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, // OPTIONS * is answered like everything else
		ErrorLog:                     slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	if s.certificates != nil {
		h.TLSConfig = certificate.Config(s.certificates)
	}
	return h
}

// serve serves the connections that the gate lets through.
func (s *Server) serve(h *http.Server, l net.Listener) error {
	l = s.gate.Wrap(l)
	if h.TLSConfig != nil {
		return h.ServeTLS(l, "", "") //nolint:wrapcheck // wrapped by Run
	}
	return h.Serve(l) //nolint:wrapcheck // wrapped by Run
}
