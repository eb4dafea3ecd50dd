// Package syslog sends entries of the audit log to a syslog server (RFC 5424):
// over UDP (RFC 5426), TCP with counted octets (RFC 6587), TLS (RFC 5425), or a
// socket of this machine.
//
// Syslog has no acknowledgement. Over a stream entries count as arrived once the
// server, told that nothing more comes, has closed the connection in turn: by
// then it has read them all. Datagrams count as arrived when they are sent.
package syslog

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
)

// Server is where entries go. It is safe for concurrent use.
type Server struct {
	network string // "udp", "tcp", "tls" or "unix"
	address string
	roots   *x509.CertPool
	host    string        // this machine
	timeout time.Duration // of one sending, from connecting to the server's goodbye
}

// facility is "log audit".
const facility = 13

const (
	notice  = 5
	warning = 4
)

// maxDatagram is the longest message that is sent as one, in bytes; what is
// longer is cut.
const maxDatagram = 60_000

// New reads the URL of a server: udp://HOST:PORT, tcp://HOST:PORT,
// tls://HOST:PORT or unix:///PATH. Roots are the authorities that its certificate
// may be of; nil for those of the system.
func New(address string, roots *x509.CertPool, timeout time.Duration) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the URL of a syslog server: %w", err)
	}
	s := &Server{network: u.Scheme, address: u.Host, roots: roots, host: hostname(), timeout: timeout}
	if u.Scheme == "unix" {
		s.address = u.Path
	}
	return s, nil
}

// hostname is the name of this machine as a message may have it.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" || len(name) > 255 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "-"
	}
	return name
}

// Send implements audit.Sender.
func (s *Server) Send(ctx context.Context, entries []audit.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the syslog server: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	if err := s.write(conn, entries); err != nil {
		return fmt.Errorf("sending to the syslog server: %w", err)
	}
	return nil
}

func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	switch s.network {
	case "tls":
		host, _, err := net.SplitHostPort(s.address)
		if err != nil {
			return nil, err
		}
		config := &tls.Config{RootCAs: s.roots, ServerName: host, MinVersion: tls.VersionTLS12}
		return (&tls.Dialer{NetDialer: &d, Config: config}).DialContext(ctx, "tcp", s.address)
	case "unix":
		conn, err := d.DialContext(ctx, "unixgram", s.address)
		if errors.Is(err, syscall.EPROTOTYPE) {
			return d.DialContext(ctx, "unix", s.address)
		}
		return conn, err
	default:
		return d.DialContext(ctx, s.network, s.address)
	}
}

// closer is a stream of which one direction can be closed.
type closer interface {
	net.Conn
	CloseWrite() error
}

func (s *Server) write(conn net.Conn, entries []audit.Entry) error {
	network := conn.RemoteAddr().Network()
	datagrams := network == "udp" || network == "unixgram"
	for _, e := range entries {
		m := s.message(e)
		switch {
		case datagrams:
			m = m[:min(len(m), maxDatagram)]
		case network == "unix": // where counted octets are not known
			m = append(m, '\n')
		default:
			m = append(strconv.AppendInt(nil, int64(len(m)), 10), append([]byte{' '}, m...)...)
		}
		if _, err := conn.Write(m); err != nil {
			return err
		}
	}
	if stream, ok := conn.(closer); ok && !datagrams {
		return farewell(stream)
	}
	return nil
}

// farewell says that nothing more comes, and waits for the server to have read
// everything.
func farewell(conn closer) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return fmt.Errorf("waiting for it to have read everything: %w", err)
	}
	return nil
}

// message is an entry as RFC 5424, section 6 has it.
func (s *Server) message(e audit.Entry) []byte {
	severity := notice
	if e.Failed {
		severity = warning
	}
	return fmt.Appendf(nil, "<%d>1 %s %s fluxbase - %s - %s",
		facility*8+severity, e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), s.host, messageID(e.Name), e.Text)
}

// messageID is the name of an action as a message may have it. A record may have
// been written by somebody who means it to end its message and to begin another.
func messageID(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	return cmp.Or(name[:min(len(name), 32)], "-")
}
