package syslog_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/audit/syslog"
)

var entries = []audit.Entry{
	{At: time.Date(2026, 1, 31, 9, 0, 0, 1000, time.UTC), Name: "user.signed_in", Text: []byte(`{"n":"ä"}`)},
	{At: time.Date(2026, 1, 31, 9, 0, 1, 0, time.FixedZone("", 3600)), Name: "encryption.notification_secret_replaced", Failed: true, Text: []byte(`{}`)},
}

// header is RFC 5424, section 6, up to the message itself.
var (
	first  = regexp.MustCompile(`^<109>1 2026-01-31T09:00:00\.000001Z [!-~]{1,255} fluxbase - user\.signed_in - \{"n":"ä"\}$`)
	second = regexp.MustCompile(`^<108>1 2026-01-31T08:00:01\.000000Z [!-~]{1,255} fluxbase - encryption\.notification_secret_r - \{\}$`)
)

func check(t *testing.T, got []string) {
	t.Helper()
	if len(got) != 2 || !first.MatchString(got[0]) || !second.MatchString(got[1]) {
		t.Errorf("arrived: %q", got)
	}
}

func server(t *testing.T, url string, roots *x509.CertPool) *syslog.Server {
	t.Helper()
	s, err := syslog.New(url, roots, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counted reads messages as RFC 6587, section 3.4.1 frames them.
func counted(t *testing.T, from io.Reader) (messages []string) {
	t.Helper()
	r := bufio.NewReader(from)
	for {
		length, err := r.ReadString(' ')
		if err != nil {
			return messages
		}
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil {
			t.Error(err)
			return messages
		}
		m := make([]byte, n)
		if _, err := io.ReadFull(r, m); err != nil {
			t.Error(err)
		}
		messages = append(messages, string(m))
	}
}

// serve answers one connection of a listener with f.
func serve(t *testing.T, l net.Listener, f func(net.Conn)) {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		f(conn)
	}()
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestStreams(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.Close)
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())
	for name, c := range map[string]struct {
		secure bool
		url    string
	}{"tcp": {url: "tcp://"}, "tls": {secure: true, url: "tls://"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, "tcp", "127.0.0.1:0")
			address := l.Addr().String()
			if c.secure {
				l = tls.NewListener(l, certificate.TLS)
			}
			arrived := make(chan []string, 1)
			serve(t, l, func(conn net.Conn) { arrived <- counted(t, conn) })
			if err := server(t, c.url+address, roots).Send(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			check(t, <-arrived)
		})
	}
	t.Run("a certificate of nobody's", func(t *testing.T) {
		t.Parallel()
		l := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), certificate.TLS)
		serve(t, l, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		if err := server(t, "tls://"+l.Addr().String(), nil).Send(t.Context(), entries); err == nil {
			t.Error("sent to anybody")
		}
	})
}

// TestNotRead is a server that takes the connection and loses what it was sent:
// nothing counts as arrived that was not read to the end.
func TestNotRead(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(net.Conn){
		"it dies": func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*net.TCPConn).SetLinger(0) // the rest is thrown away
		},
		"it hangs": func(net.Conn) { <-t.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, "tcp", "127.0.0.1:0")
			serve(t, l, f)
			s, err := syslog.New("tcp://"+l.Addr().String(), nil, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), entries); err == nil {
				t.Error("it counts as arrived")
			}
		})
	}
}

func TestSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(dir, "s")
		arrived := make(chan []string, 1)
		serve(t, listen(t, "unix", path), func(conn net.Conn) {
			text, _ := io.ReadAll(conn)
			arrived <- strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		})
		if err := server(t, "unix://"+path, nil).Send(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		check(t, <-arrived)
	})
	for network, address := range map[string]string{"udp": "127.0.0.1:0", "unixgram": filepath.Join(dir, "d")} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).ListenPacket(t.Context(), network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			url := "udp://" + l.LocalAddr().String()
			if network == "unixgram" {
				url = "unix://" + address
			}
			if err := server(t, url, nil).Send(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			_ = l.SetReadDeadline(time.Now().Add(10 * time.Second))
			var got []string
			for range entries {
				m := make([]byte, 1<<16)
				n, _, err := l.ReadFrom(m)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(m[:n]))
			}
			check(t, got)
		})
	}
}
