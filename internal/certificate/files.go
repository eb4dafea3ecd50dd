package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// interval is how often the files are read. They are compared as a whole, which
// finds what was renamed into place or is behind a link, too.
const interval = 10 * time.Second

// Files are the files of one certificate. It is safe for concurrent use.
type Files struct {
	certFile, keyFile string
	logger            *slog.Logger
	now               func() time.Time
	failures          prometheus.Counter
	shown             atomic.Pointer[tls.Certificate]

	cert, key []byte // as they were last read; of Run alone
}

// OpenFiles reads a certificate with its chain, and its private key, both PEM.
func OpenFiles(certFile, keyFile string, logger *slog.Logger, now func() time.Time) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, logger: logger, now: now, failures: newFailures("files")}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// read shows what is in the files, if that is new and whole.
func (f *Files) read() (changed bool, err error) {
	cert, err := os.ReadFile(f.certFile)
	if err != nil {
		return false, fmt.Errorf("reading server.tls.cert_file: %w", err)
	}
	key, err := os.ReadFile(f.keyFile)
	if err != nil {
		return false, fmt.Errorf("reading server.tls.key_file: %w", err)
	}
	if bytes.Equal(cert, f.cert) && bytes.Equal(key, f.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("reading the certificate of server.tls.cert_file and server.tls.key_file: %w", err)
	}
	if shown := f.shown.Load(); shown != nil && pair.Leaf.NotAfter.Before(f.now()) && shown.Leaf.NotAfter.After(f.now()) {
		return false, fmt.Errorf("the certificate of server.tls.cert_file ended at %s", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	f.cert, f.key = cert, key
	f.shown.Store(&pair)
	return true, nil
}

// Get implements Source.
func (f *Files) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.shown.Load(), nil }

// Protocols implements Source.
func (f *Files) Protocols() []string { return nil }

// Run implements Source.
func (f *Files) Run(ctx context.Context) { f.watch(ctx, interval) }

// watch logs a failure once for as long as it stays the same: two files are not
// replaced in one instant, and somebody may be at it.
func (f *Files) watch(ctx context.Context, every time.Duration) {
	last := ""
	for pause(ctx, every) {
		changed, err := f.read()
		switch {
		case err != nil:
			f.failures.Inc()
			if err.Error() != last {
				f.logger.ErrorContext(ctx, "the certificate's files are not fit, so the one before stays in use", slog.Any("error", err))
			}
			last = err.Error()
		case changed:
			leaf := f.shown.Load().Leaf
			f.logger.InfoContext(ctx, "a new certificate is in use", slog.Time("not_after", leaf.NotAfter))
			fallthrough
		default:
			last = ""
		}
	}
}

// Describe implements prometheus.Collector.
func (f *Files) Describe(out chan<- *prometheus.Desc) {
	out <- expiry
	f.failures.Describe(out)
}

// Collect implements prometheus.Collector.
func (f *Files) Collect(out chan<- prometheus.Metric) {
	collect(out, f.shown.Load(), "files")
	f.failures.Collect(out)
}
