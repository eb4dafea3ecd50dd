// Package acmetest has certificates for tests: made on the spot, or of a real
// authority that runs beside the test.
package acmetest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
)

// Pair is a self-signed certificate of a name and of 127.0.0.1, and its key, in
// PEM.
func Pair(tb testing.TB, name string, notAfter time.Time) (cert, key []byte) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// Authority is a Pebble, the authority that Let's Encrypt has made for tests.
type Authority struct {
	Directory string `json:"directory"` // its URL
	CA        string `json:"ca"`        // by which that is trusted, PEM
	Root      string `json:"root"`      // by which its certificates are, PEM
}

// Client trusts what the authority has signed, for a name.
func (a *Authority) Client(tb testing.TB, name string) *tls.Config {
	tb.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.Root)) {
		tb.Fatal("the authority has no root")
	}
	return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
}

// NewAuthority starts an authority that ends with the test. It takes every name
// for one of 127.0.0.1, and proves them on the two ports. The test is skipped if
// there is no Pebble, which make test builds.
func NewAuthority(tb testing.TB, httpPort, tlsPort int) *Authority {
	tb.Helper()
	program := filepath.Join(pgtest.Root(), ".cache", "pebble")
	if _, err := os.Stat(program); err != nil {
		tb.Skip("no Pebble in .cache: make .cache/pebble builds it, as make test does")
	}
	pebble := exec.Command(program, "-http-port", strconv.Itoa(httpPort), "-tls-port", strconv.Itoa(tlsPort)) //nolint:gosec,noctx // our own program; it lives as long as the test
	stdin, err := pebble.StdinPipe()                                                                          // Pebble ends when this closes, however this process ends
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := pebble.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := pebble.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = pebble.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		tb.Fatalf("Pebble says nothing: %v", err)
	}
	a := &Authority{}
	if err := json.Unmarshal(line, a); err != nil {
		tb.Fatal(err)
	}
	return a
}

// FreePort is a port of loopback that nobody has right now.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port, _ := l.Addr().(*net.TCPAddr)
	return port.Port
}
