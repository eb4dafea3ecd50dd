package certificate

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEOptions are what an authority is asked for, and how.
type ACMEOptions struct {
	Domains []string     // exact names, which are all that is ever ordered
	Email   string       // that the authority may write to; empty is none
	Client  *acme.Client // with the directory, and without a key: that is made, and kept
	Cache   autocert.Cache
	Logger  *slog.Logger
}

// ACME has certificates from an authority. Its operator's terms count as
// accepted. It is safe for concurrent use.
type ACME struct {
	*autocert.Manager

	domains  []string
	logger   *slog.Logger
	failures prometheus.Counter

	mu    sync.Mutex
	shown map[string]*tls.Certificate
}

// NewACME orders nothing yet: Run does, and the first handshake for a domain.
func NewACME(o ACMEOptions) *ACME {
	return &ACME{
		domains: o.Domains, logger: o.Logger, failures: newFailures("acme"), shown: map[string]*tls.Certificate{},
		Manager: &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: o.Cache, HostPolicy: autocert.HostWhitelist(o.Domains...), Client: o.Client, Email: o.Email,
		},
	}
}

// Get implements Source.
func (a *ACME) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.GetCertificate(hello) //nolint:wrapcheck // for a log line of net/http
}

// Protocols implements Source: the challenge tls-alpn-01 is answered in a
// handshake of its own (RFC 8737).
func (a *ACME) Protocols() []string { return []string{acme.ALPNProto} }

// How often each domain's certificate is looked at, and how soon again after a
// failure at first, so that an authority is not pressed.
const (
	lookAgain  = time.Hour
	firstRetry = time.Minute
)

// Run implements Source: it has the certificates before anybody asks, and has
// them renewed where nobody does. Before it is done nobody has renewed them, a
// handshake does.
func (a *ACME) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, domain := range a.domains {
		running.Go(func() { a.keep(ctx, domain) })
	}
	running.Wait()
}

func (a *ACME) keep(ctx context.Context, domain string) {
	retry := firstRetry
	for {
		next := lookAgain
		looked := make(chan error, 1)
		go func() { looked <- a.look(ctx, domain) }() // autocert takes no context, and may wait for an authority for minutes
		var err error
		select {
		case <-ctx.Done():
			return
		case err = <-looked:
		}
		if err != nil {
			next, retry = retry, min(2*retry, lookAgain)
		} else {
			retry = firstRetry
		}
		if !pause(ctx, next) {
			return
		}
	}
}

// look asks as a modern client does.
func (a *ACME) look(ctx context.Context, domain string) error {
	cert, err := a.GetCertificate(&tls.ClientHelloInfo{
		ServerName: domain, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves: []tls.CurveID{tls.CurveP256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
	if err != nil {
		a.failures.Inc()
		a.logger.ErrorContext(ctx, "there is no certificate for a domain", slog.String("domain", domain), slog.Any("error", err))
		return err //nolint:wrapcheck // of no interest to the caller
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if before := a.shown[domain]; before == nil || !before.Leaf.Equal(cert.Leaf) {
		a.shown[domain] = cert
		a.logger.InfoContext(ctx, "a new certificate is in use", slog.String("domain", domain), slog.Time("not_after", cert.Leaf.NotAfter))
	}
	return nil
}

// Describe implements prometheus.Collector.
func (a *ACME) Describe(out chan<- *prometheus.Desc) {
	out <- expiry
	a.failures.Describe(out)
}

// Collect implements prometheus.Collector.
func (a *ACME) Collect(out chan<- prometheus.Metric) {
	a.failures.Collect(out)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.shown {
		collect(out, c, "acme")
	}
}
