package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/fluxbase/fluxbase/internal/certificate/acmetest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// only leaves the failures out, so that one metric is left.
type only struct{ *Files }

func (o only) Collect(out chan<- prometheus.Metric) { collect(out, o.shown.Load(), "files") }

// newCache is a cache in a database, as instances with the same keys have it.
func newCache(t *testing.T) (*Cache, *pgtest.Database) {
	t.Helper()
	database := pgtest.New(t)
	return &Cache{DB: database.DB, Values: pgtest.Secrets()}, database
}

func TestCache(t *testing.T) {
	t.Parallel()
	c, database := newCache(t)
	ctx := t.Context()
	if _, err := c.Get(ctx, "a.example"); !errors.Is(err, autocert.ErrCacheMiss) {
		t.Errorf("nothing: %v", err)
	}
	for _, text := range []string{"first", "second"} {
		if err := c.Put(ctx, "a.example", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(ctx, "a.example"); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	var plain bool
	if database.Scan(t, `select bool_or(position('second'::bytea in envelope) > 0) from auth.sealed_values where purpose = 'acme'`, nil, &plain); plain {
		t.Error("what is kept can be read in the database")
	}
	var racing sync.WaitGroup
	for i := range 8 {
		racing.Go(func() {
			if err := c.Put(ctx, "b.example", []byte(strconv.Itoa(i))); err != nil {
				t.Errorf("racing: %v", err)
			}
		})
	}
	racing.Wait()
	for range 2 {
		if err := c.Delete(ctx, "a.example"); err != nil {
			t.Errorf("deleting: %v", err)
		}
	}
	if _, err := c.Get(ctx, "a.example"); !errors.Is(err, autocert.ErrCacheMiss) {
		t.Errorf("after deleting: %v", err)
	}
	if _, err := c.Get(ctx, "b.example"); err != nil {
		t.Errorf("control: %v", err)
	}
}

// instance is a server that has its certificates from an authority.
type instance struct {
	*ACME

	out *buffer
}

func newInstance(t *testing.T, a *acmetest.Authority, cache autocert.Cache, domains ...string) instance {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.CA)) {
		t.Fatal("no certificate of the directory")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	out := &buffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return instance{NewACME(ACMEOptions{
		Domains: domains, Email: "operators@example.com", Cache: cache, Logger: slog.New(slog.NewTextHandler(out, nil)),
		Client: &acme.Client{DirectoryURL: a.Directory, HTTPClient: client},
	}), out}
}

// run keeps the certificates of an instance fresh until the test ends.
func (i instance) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { i.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// listen serves handshakes.
func listen(t *testing.T, s Source, port int) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port), Config(s))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func shake(t *testing.T, address string, c *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// TestAuthority orders from a real one, whose challenges are answered in
// handshakes (tls-alpn-01), and nothing besides the listed names.
func TestAuthority(t *testing.T) {
	t.Parallel()
	port := acmetest.FreePort(t)
	a := acmetest.NewAuthority(t, acmetest.FreePort(t), port)
	cache, database := newCache(t)
	first := newInstance(t, a, cache, "a.example.com", "b.example.com")
	address := listen(t, first, port)
	first.run(t)
	until(t, "two certificates without anybody asking", func() bool { return first.out.count("a new certificate is in use") == 2 })

	serial := map[string]string{}
	for _, name := range []string{"a.example.com", "b.example.com"} {
		leaf, err := shake(t, address, a.Client(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		serial[name] = leaf.SerialNumber.String()
	}
	for _, name := range []string{"c.example.com", "x.a.example.com", "A.example.com.evil.example", "127.0.0.1"} {
		if _, err := shake(t, address, &tls.Config{ServerName: name, InsecureSkipVerify: true}); err == nil {
			t.Errorf("%s: there is a certificate", name)
		}
	}
	if testutil.ToFloat64(first.failures) != 0 {
		t.Error("failures are counted")
	}

	// Another instance shows the same, and orders nothing: it could not answer.
	second := newInstance(t, &acmetest.Authority{Directory: "https://127.0.0.1:1/dir", CA: a.CA}, cache, "a.example.com", "b.example.com")
	other := listen(t, second, 0)
	for name, want := range serial {
		if leaf, err := shake(t, other, a.Client(t, name)); err != nil || leaf.SerialNumber.String() != want {
			t.Errorf("another instance, %s: %v", name, err)
		}
	}
	var kept, readable int
	database.Scan(t, `select count(*), count(*) filter (where position('PRIVATE'::bytea in envelope) > 0) from auth.sealed_values where purpose = 'acme'`, nil, &kept, &readable)
	if kept != 3 || readable != 0 { // the account and two certificates
		t.Errorf("%d values are kept, %d of them readable", kept, readable)
	}
}

// TestAuthorityOverHTTP has the challenge of one instance answered by another,
// as a balancer may have it.
func TestAuthorityOverHTTP(t *testing.T) {
	t.Parallel()
	httpPort := acmetest.FreePort(t)
	a := acmetest.NewAuthority(t, httpPort, acmetest.FreePort(t)) // nobody listens where tls-alpn-01 is asked for
	cache, _ := newCache(t)
	orders, answers := newInstance(t, a, cache, "a.example.com"), newInstance(t, a, cache, "a.example.com")
	orders.HTTPHandler(nil)
	plain := &http.Server{Addr: "127.0.0.1:" + strconv.Itoa(httpPort), Handler: answers.HTTPHandler(http.NotFoundHandler()), ReadHeaderTimeout: patience}
	go func() { _ = plain.ListenAndServe() }()
	t.Cleanup(func() { _ = plain.Close() })
	orders.run(t)
	until(t, "the certificate", func() bool { return orders.out.count("a new certificate is in use") == 1 })
	if _, err := shake(t, listen(t, answers, 0), a.Client(t, "a.example.com")); err != nil {
		t.Error(err)
	}
}

// TestAuthorityThatIsAway is a line in the log and a metric; with files as well,
// these are shown.
func TestAuthorityThatIsAway(t *testing.T) {
	t.Parallel()
	cert, _ := acmetest.Pair(t, "ca.example", time.Now().Add(time.Hour))
	cache, _ := newCache(t)
	away := newInstance(t, &acmetest.Authority{Directory: "https://127.0.0.1:1/dir", CA: string(cert)}, cache, "a.example.com")
	away.run(t)
	until(t, "a failure", func() bool { return testutil.ToFloat64(away.failures) == 1 })
	until(t, "a line in the log", func() bool { return away.out.count("there is no certificate for a domain") == 1 })
	if _, err := shake(t, listen(t, away, 0), &tls.Config{ServerName: "a.example.com", InsecureSkipVerify: true}); err == nil {
		t.Error("there is a certificate")
	}

	p := newPair(t, "files.example")
	files, _ := watched(t, p)
	text, err := os.ReadFile(p.cert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	for _, name := range []string{"a.example.com", "other.example", ""} {
		address := listen(t, Both{ACME: away.ACME, Files: files}, 0)
		leaf, err := shake(t, address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil || string(leaf.Raw) != string(block.Bytes) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestProtocols has no old TLS, and HTTP/2 before HTTP/1.1.
func TestProtocols(t *testing.T) {
	t.Parallel()
	files, _ := watched(t, newPair(t, "a.example"))
	address := listen(t, files, 0)
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := shake(t, address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	if got := strings.Join(Config(files).NextProtos, " "); got != "h2 http/1.1" {
		t.Errorf("protocols: %s", got)
	}
}
