// Package certificate has the certificates that the server shows: from files,
// read again when they change, or from a certificate authority by ACME
// (RFC 8555), kept sealed in the database for all instances.
//
// The rule that matters: what has worked is shown until something better has
// been looked at and found whole. A file that is broken, and an authority that
// does not answer, cost a line in the log and nothing else.
package certificate

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/acme"
)

// Source is where certificates come from.
type Source interface {
	prometheus.Collector

	// Get is for tls.Config.GetCertificate.
	Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Protocols are those besides HTTP that a handshake may be about.
	Protocols() []string
	// Run keeps the certificates fresh until ctx is done.
	Run(ctx context.Context)
}

// Config is what a listener is served with: TLS 1.2 and 1.3 with the standard
// library's choice of ciphers, and HTTP/2 before HTTP/1.1.
func Config(s Source) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: s.Get,
		NextProtos: append([]string{"h2", "http/1.1"}, s.Protocols()...),
	}
}

// expiry says when what is shown for a name ends.
var expiry = prometheus.NewDesc("fluxbase_tls_certificate_expiry_seconds",
	"When the certificate that is shown ends, in Unix seconds, by its first name and where it comes from: files, acme.", []string{"name", "source"}, nil)

func newFailures(source string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fluxbase_tls_certificate_failures_total", Help: "Attempts to read or obtain a certificate that failed, and left the one before in use.",
		ConstLabels: prometheus.Labels{"source": source},
	})
}

// collect says when a certificate ends.
func collect(out chan<- prometheus.Metric, c *tls.Certificate, source string) {
	if c == nil || c.Leaf == nil {
		return
	}
	out <- prometheus.MustNewConstMetric(expiry, prometheus.GaugeValue, float64(c.Leaf.NotAfter.Unix()), nameOf(c), source)
}

func nameOf(c *tls.Certificate) string {
	if len(c.Leaf.DNSNames) > 0 {
		return c.Leaf.DNSNames[0]
	}
	return c.Leaf.Subject.CommonName
}

// Both has the certificates of an authority for its domains, and the one of
// files for everything else: other names, clients that send none, and a domain
// for which there is none yet.
type Both struct {
	ACME  *ACME
	Files *Files
}

// Get implements Source.
func (b Both) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Contains(b.ACME.domains, strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))) {
		if c, err := b.ACME.Get(hello); err == nil || slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
			return c, err
		}
	}
	return b.Files.Get(hello)
}

// Protocols implements Source.
func (b Both) Protocols() []string { return b.ACME.Protocols() }

// Run implements Source.
func (b Both) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { b.ACME.Run(ctx) })
	running.Go(func() { b.Files.Run(ctx) })
	running.Wait()
}

// Describe implements prometheus.Collector.
func (b Both) Describe(out chan<- *prometheus.Desc) {
	b.ACME.Describe(out)
	b.Files.Describe(out)
}

// Collect implements prometheus.Collector.
func (b Both) Collect(out chan<- prometheus.Metric) {
	b.ACME.Collect(out)
	b.Files.Collect(out)
}

// pause waits, and says whether there is still something to do.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
