package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fluxbase/fluxbase/internal/certificate/acmetest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

const patience = 20 * time.Second

// buffer is a log.
type buffer struct{ pgtest.Log }

func (b *buffer) count(text string) int { return strings.Count(b.String(), text) }

// until waits for something that another goroutine does.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// pair is the two files of a certificate.
type pair struct{ cert, key string }

func newPair(t *testing.T, name string) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	p.replace(t, name, time.Now().Add(time.Hour))
	return p
}

func (p pair) replace(t *testing.T, name string, notAfter time.Time) (cert, key []byte) {
	t.Helper()
	cert, key = acmetest.Pair(t, name, notAfter)
	p.write(t, cert, key)
	return cert, key
}

func (p pair) write(t *testing.T, cert, key []byte) {
	t.Helper()
	for file, text := range map[string][]byte{p.cert: cert, p.key: key} {
		if err := os.WriteFile(file+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
}

// watched are files that are looked at all the time.
func watched(t *testing.T, p pair) (*Files, *buffer) {
	t.Helper()
	out := &buffer{}
	f, err := OpenFiles(p.cert, p.key, slog.New(slog.NewTextHandler(out, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { f.watch(ctx, time.Millisecond); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return f, out
}

func shown(t *testing.T, s Source) string {
	t.Helper()
	c, err := s.Get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return nameOf(c)
}

// TestReload exchanges the files under a server: a connection that is open goes
// on, and a new one gets the new certificate.
func TestReload(t *testing.T) {
	t.Parallel()
	p := newPair(t, "old.example")
	f, out := watched(t, p)
	server := &http.Server{
		TLSConfig: Config(f), ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }),
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = server.Close() })

	client := func() *http.Client {
		roots := x509.NewCertPool()
		text, err := os.ReadFile(p.cert)
		if err != nil || !roots.AppendCertsFromPEM(text) {
			t.Fatal(err)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: patience}
	}
	get := func(c *http.Client) (connection, name string) {
		answer, err := c.Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if answer.ProtoMajor != 2 {
			t.Errorf("%s is spoken", answer.Proto)
		}
		return string(text), answer.TLS.PeerCertificates[0].DNSNames[0]
	}
	kept := client()
	before, name := get(kept)
	if name != "old.example" {
		t.Fatalf("shown: %s", name)
	}
	p.replace(t, "new.example", time.Now().Add(time.Hour))
	until(t, "the new certificate", func() bool { return shown(t, f) == "new.example" })
	if after, name := get(kept); after != before || name != "old.example" {
		t.Errorf("the connection %s was not kept: %s, %s", before, after, name)
	}
	if _, name := get(client()); name != "new.example" {
		t.Errorf("a new connection is shown %s", name)
	}
	if out.count("a new certificate is in use") != 1 || out.count("level=ERROR") > 1 { // the files are two, and one is first
		t.Errorf("the log:\n%s", out.String())
	}
}

// TestBrokenFilesChangeNothing but the log and a metric.
func TestBrokenFilesChangeNothing(t *testing.T) {
	t.Parallel()
	cert, key := acmetest.Pair(t, "other.example", time.Now().Add(time.Hour))
	_, stranger := acmetest.Pair(t, "other.example", time.Now().Add(time.Hour))
	over, overKey := acmetest.Pair(t, "over.example", time.Now().Add(-time.Hour))
	for name, broken := range map[string]func(p pair) error{
		"empty":             func(p pair) error { return os.WriteFile(p.cert, nil, 0o600) },
		"half written":      func(p pair) error { return os.WriteFile(p.cert, cert[:len(cert)/2], 0o600) },
		"another's key":     func(p pair) error { p.write(t, cert, stranger); return nil },
		"gone":              func(p pair) error { return os.Remove(p.key) },
		"over":              func(p pair) error { p.write(t, over, overKey); return nil },
		"not a certificate": func(p pair) error { p.write(t, key, key); return nil },
	} {
		p := newPair(t, "good.example")
		f, out := watched(t, p)
		if err := broken(p); err != nil {
			t.Fatal(err)
		}
		until(t, name+": failures", func() bool { return testutil.ToFloat64(f.failures) > 20 })
		if shown(t, f) != "good.example" {
			t.Errorf("%s: shown is %s", name, shown(t, f))
		}
		if n := out.count("so the one before stays in use"); n < 1 || n > 3 { // of each file alone, and of both
			t.Errorf("%s: it is logged %d times", name, n)
		}
		p.write(t, cert, key)
		until(t, name+": mended", func() bool { return shown(t, f) == "other.example" })
	}
}

// A server whose certificate is not fit does not start.
func TestOpenFiles(t *testing.T) {
	t.Parallel()
	p := newPair(t, "a.example")
	logger := slog.New(slog.DiscardHandler)
	if _, err := OpenFiles(p.cert, p.key, logger, time.Now); err != nil {
		t.Errorf("control: %v", err)
	}
	for want, files := range map[string]pair{
		"reading server.tls.cert_file": {p.cert + "x", p.key},
		"reading server.tls.key_file":  {p.cert, p.key + "x"},
		"reading the certificate":      {p.cert, p.cert},
	} {
		if _, err := OpenFiles(files.cert, files.key, logger, time.Now); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestExpiryIsMeasured(t *testing.T) {
	t.Parallel()
	p := newPair(t, "a.example")
	notAfter := time.Unix(time.Now().Unix()+3600, 0)
	p.replace(t, "a.example", notAfter)
	f, err := OpenFiles(p.cert, p.key, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(only{f}); got != float64(notAfter.Unix()) {
		t.Errorf("%v, want %v", got, notAfter.Unix())
	}
}
