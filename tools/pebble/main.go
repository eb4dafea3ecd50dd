// Command pebble is Let's Encrypt's certificate authority for tests, with a name
// server that knows every name, and knows it for 127.0.0.1. It prints one JSON
// object, with its directory and the certificates to trust, and ends when its
// standard input does.
//
// What it validates it looks for on the ports that are named.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

func main() {
	httpPort := flag.Int("http-port", 80, "where http-01 is asked for")
	tlsPort := flag.Int("tls-port", 443, "where tls-alpn-01 is asked for")
	flag.Parse()
	if err := run(*httpPort, *tlsPort); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(httpPort, tlsPort int) error {
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "5", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	resolver, err := serveNames()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	own, certificate, err := selfSigned()
	if err != nil {
		return err
	}
	logger := log.New(os.Stderr, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "for tests"}})
	validation := va.New(logger, httpPort, tlsPort, true, resolver, store)
	front := wfe.New(logger, store, validation, authority, []string{"pebble.invalid"}, true, false, 1, 1)

	err = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"directory": "https://" + listener.Addr().String() + wfe.DirectoryPath,
		"ca":        string(certificate),
		"root":      string(authority.GetRootCert(0).PEM()),
	})
	if err != nil {
		return err
	}
	go func() { // whoever started this has ended, however it did
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	server := &http.Server{Handler: front.Handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}, ReadHeaderTimeout: 10 * time.Second}
	return server.ServeTLS(listener, "", "")
}

// serveNames answers every question for an address with 127.0.0.1, and every
// other one with nothing.
func serveNames() (string, error) {
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	packets, err := net.ListenPacket("udp", stream.Addr().String())
	if err != nil {
		return "", err
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		for _, question := range q.Question {
			if question.Qtype == dns.TypeA {
				header := dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}
				answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)})
			}
		}
		_ = w.WriteMsg(answer)
	})
	for _, server := range []*dns.Server{{Listener: stream, Handler: handler}, {PacketConn: packets, Handler: handler}} {
		go func() { _ = server.ActivateAndServe() }()
	}
	return stream.Addr().String(), nil
}

// selfSigned is the certificate of the directory itself.
func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pebble"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
