package postgres_test

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// proxy stands between a pool and PostgreSQL's socket. It counts how often the
// client speaks after the server has, and can hang up.
type proxy struct {
	t        *testing.T
	dir      string
	target   string
	port     string
	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	turns    int
	client   bool // whether the client spoke last
}

// newProxy returns a proxy for the socket of a URL.
func newProxy(t *testing.T, databaseURL string) *proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Query().Get("host") == "" {
		t.Skip("PostgreSQL has no unix socket here")
	}
	dir, err := os.MkdirTemp("", "fluxbase-proxy-") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	name := ".s.PGSQL." + u.Query().Get("port")
	p := &proxy{t: t, dir: dir, port: u.Query().Get("port"), target: filepath.Join(u.Query().Get("host"), name)}
	p.listen()
	t.Cleanup(func() {
		p.hangUp()
		_ = os.RemoveAll(dir)
	})
	return p
}

// url is a database URL through the proxy.
func (p *proxy) url(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		p.t.Fatal(err)
	}
	u.RawQuery = url.Values{"host": {p.dir}, "port": {p.port}}.Encode()
	return u.String()
}

// listen lets clients in.
func (p *proxy) listen() {
	listener, err := net.Listen("unix", filepath.Join(p.dir, ".s.PGSQL."+p.port))
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", p.target)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			go p.copy(server, client, true)
			go p.copy(client, server, false)
		}
	}()
}

func (p *proxy) copy(to, from net.Conn, fromClient bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.mu.Lock()
			if fromClient && !p.client {
				p.turns++
			}
			p.client = fromClient
			p.mu.Unlock()
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}

// hangUp ends all connections and lets nobody in.
func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		p.t.Error(err)
	}
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// count returns the turns that f takes.
func (p *proxy) count(f func()) int {
	p.mu.Lock()
	before := p.turns
	p.mu.Unlock()
	f()
	time.Sleep(5 * time.Millisecond) // for what may follow the answer
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.turns - before
}
