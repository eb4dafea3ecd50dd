// Package outbound makes the HTTP clients with which the server reaches
// others: with a limit on time, on the size of the answer and on redirects, and
// without a way into the network that the server itself stands in.
//
// Where a request goes is often somebody else's choice (the URL of a webhook,
// the issuer of a token), and so is what its name resolves to, and when. The
// address is therefore looked at when it is dialled, after the name has been
// resolved and for every redirect; looking at a URL proves nothing. Proxies
// named in the environment are not used: they would dial for us.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Options are what one client may do. The zero value is a client that may do
// little: its fields say how little.
type Options struct {
	AllowPrivate bool           // reach addresses that are not of the public Internet, this machine's included
	Timeout      time.Duration  // of a request, until its body has been read. Default 10 s
	MaxBody      int64          // of an answer, in bytes, decompressed. Default 1 MiB
	Roots        *x509.CertPool // that servers are trusted by. Default the system's
	Redirects    int            // to follow, never from https to http. Default none: the redirect is the answer
}

// ErrAddress means that an address is not one that the client may reach.
var ErrAddress = errors.New("this address is not on the public Internet")

// ErrTooLarge means that the answer is larger than the client takes.
var ErrTooLarge = errors.New("the answer is too large")

// userAgent introduces the server to others.
const userAgent = "Fluxbase"

// New returns a client of its own, with connections of its own. It is safe for
// concurrent use. Its errors name the URL, query and all: see Cause.
func New(o Options) *http.Client { return newClient(o, nil) }

func newClient(o Options, resolver *net.Resolver) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, Resolver: resolver}
	if !o.AllowPrivate {
		dialer.ControlContext = control
	}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &transport{maxBody: o.MaxBody, next: &http.Transport{
			DialContext: dialer.DialContext, Proxy: nil,
			TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 16, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		}},
		CheckRedirect: func(next *http.Request, so []*http.Request) error {
			if len(so) > o.Redirects || next.URL.Scheme != "https" && so[len(so)-1].URL.Scheme == "https" {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// Cause returns what is behind the error of a client, without the URL, which
// may have a secret in it.
func Cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// control looks at an address that is about to be dialled.
func control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !public(to.Addr()) {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	return nil
}

// transport introduces the client and limits answers.
type transport struct {
	next    http.RoundTripper
	maxBody int64
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", userAgent)
	}
	r, span := startSpan(r)
	answer, err := t.next.RoundTrip(r)
	if endSpan(span, answer, err); err != nil {
		return nil, err
	}
	answer.Body = &limited{answer.Body, t.maxBody}
	return answer, nil
}

// limited is a body that ends in ErrTooLarge when more than left bytes come.
type limited struct {
	io.ReadCloser

	left int64 // negative when more has come
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1] // the byte more that tells
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
