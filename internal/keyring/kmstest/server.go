// Package kmstest gives tests the services that wrap data keys, at a URL of
// loopback that configuration can give.
//
// Vault is the real one, built by make test from tools/vault. The others cannot
// be had: they are servers here that speak the published protocol, check what a
// client sends as strictly as the real ones do, and encrypt for real under keys
// of their own. Each counts requests and can be told to fail.
package kmstest

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Failure is a way in which a key service fails.
type Failure int32

// The ways to fail.
const (
	Works       Failure = iota
	Unavailable         // answers that it is unwell
	Denied              // refuses the caller
	Throttled           // answers that there are too many requests, once; then it works
	Hangs               // takes requests and never answers
)

// Server is a key service on loopback.
type Server struct {
	URL         string
	Certificate *x509.Certificate // its own, to be trusted, of a server with TLS

	requests atomic.Int64
	failure  atomic.Int32
	ended    chan struct{}
	service  http.Handler
	refuse   func(http.ResponseWriter, Failure) // answers in the words of the service
	stop     func()
}

func newServer(tb testing.TB, service http.Handler, refuse func(http.ResponseWriter, Failure)) *Server {
	tb.Helper()
	return listen(tb, service, refuse, httptest.NewServer)
}

func listen(tb testing.TB, service http.Handler, refuse func(http.ResponseWriter, Failure), start func(http.Handler) *httptest.Server) *Server {
	tb.Helper()
	s := &Server{ended: make(chan struct{}), service: service, refuse: refuse}
	listening := start(s)
	s.URL, s.Certificate = listening.URL, listening.Certificate()
	s.stop = sync.OnceFunc(func() {
		close(s.ended) // Close waits for requests
		listening.Close()
	})
	tb.Cleanup(s.Stop)
	return s
}

// Stop makes nobody listen at the URL any more.
func (s *Server) Stop() { s.stop() }

// Fail makes the service fail from now on, or work again.
func (s *Server) Fail(f Failure) { s.failure.Store(int32(f)) }

// Requests is how many requests have come, of whatever kind and outcome.
func (s *Server) Requests() int { return int(s.requests.Load()) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	switch f := Failure(s.failure.Load()); f {
	case Works:
		s.service.ServeHTTP(w, r)
	case Hangs:
		select {
		case <-s.ended:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // returning would be an answer, and may still arrive
	case Throttled:
		s.failure.CompareAndSwap(int32(Throttled), int32(Works))
		s.refuse(w, f)
	case Unavailable, Denied:
		s.refuse(w, f)
	}
}
