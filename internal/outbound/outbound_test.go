package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/http/httpproxy"
)

func get(c *http.Client, target string) (status int, body string, err error) {
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// listen serves on an address of this machine and returns the port.
func listen(t *testing.T, address string, h http.HandlerFunc) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.Start()
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestThisMachineIsNotReached has everything under which it can be named.
func TestThisMachineIsNotReached(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	port := listen(t, ":0", func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_, _ = io.WriteString(w, "inside")
	})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "127.8.9.10", "[::ffff:7f00:1]"} {
		target := "http://" + host + ":" + port + "/"
		if _, body, err := get(New(Options{}), target); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %q, %v", target, body, err)
		}
		if n := hits.Load(); n != 0 {
			t.Errorf("%s: %d requests came through", target, n)
		}
		if _, body, err := get(New(Options{AllowPrivate: true}), target); err != nil || body != "inside" {
			t.Logf("control: %s cannot be reached here: %v", target, err)
		}
		if hits.Swap(0) == 0 && host == "127.0.0.1" {
			t.Fatal("the control does not reach it either")
		}
	}
}

// resolver answers every question with the next of some addresses, with a time
// to live of nothing, as somebody does who owns the name.
func resolver(t *testing.T, addresses ...string) (*net.Resolver, *atomic.Int64) {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	asked := &atomic.Int64{}
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			q := m.Questions[0]
			if q.Type == dnsmessage.TypeA {
				next := addresses[min(int(asked.Add(1)), len(addresses))-1]
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(next).As4()},
				}}
			}
			text, err := m.Pack()
			if err != nil {
				continue
			}
			_, _ = conn.WriteTo(text, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, asked
}

// TestRebinding has a name that looks harmless when it is looked up before the
// request, and is this machine a moment later.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })
	target := "http://rebinding.example.com:" + port + "/"
	for name, c := range map[string]struct {
		allow bool
		want  error
	}{"refused": {false, ErrAddress}, "control": {true, nil}} {
		names, asked := resolver(t, "93.184.215.14", "127.0.0.1")
		before, err := names.LookupNetIP(t.Context(), "ip4", "rebinding.example.com")
		if err != nil || len(before) != 1 || !public(before[0]) {
			t.Fatalf("%s: the lookup beforehand: %v, %v", name, before, err)
		}
		if _, body, err := get(newClient(Options{AllowPrivate: c.allow}, names), target); !errors.Is(err, c.want) || c.want == nil && body != "inside" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		if asked.Load() < 2 {
			t.Errorf("%s: the name was not looked up again", name)
		}
	}
}

// TestRedirects leads to a second server of this machine. That the first may
// be reached does not open the second to a client that follows.
func TestRedirects(t *testing.T) {
	t.Parallel()
	inside := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })
	outside := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+inside+"/", http.StatusFound)
	})
	target := "http://127.0.0.1:" + outside + "/"
	if status, body, err := get(New(Options{AllowPrivate: true}), target); err != nil || status != 302 || body == "inside" {
		t.Errorf("not followed: %d %q %v", status, body, err)
	}
	if status, body, err := get(New(Options{AllowPrivate: true, Redirects: 1}), target); err != nil || status != 200 || body != "inside" {
		t.Errorf("control: %d %q %v", status, body, err)
	}
	// Of the same client only the first server may be reached.
	c := New(Options{Redirects: 1})
	c.Transport.(*transport).next.(*http.Transport).DialContext = (&net.Dialer{ControlContext: onlyPort(outside)}).DialContext
	if _, body, err := get(c, target); !errors.Is(err, ErrAddress) {
		t.Errorf("followed to where it may not go: %q %v", body, err)
	}
	// Nor does a redirect take the encryption away.
	secure := httptest.NewTLSServer(http.RedirectHandler("http://127.0.0.1:"+inside+"/", http.StatusFound))
	t.Cleanup(secure.Close)
	c = New(Options{AllowPrivate: true, Redirects: 1})
	c.Transport.(*transport).next.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	if status, body, err := get(c, secure.URL); err != nil || status != 302 || body == "inside" {
		t.Errorf("from https to http: %d %q %v", status, body, err)
	}
}

// TestSize has answers about as large as they may be, plain and compressed.
func TestSize(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	port := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		case "/more":
			_, _ = io.WriteString(w, strings.Repeat("x", 1001))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 100_000))
		default:
		}
	})
	c := New(Options{AllowPrivate: true, MaxBody: 1000})
	for path, want := range map[string]error{"/exact": nil, "/none": nil, "/more": ErrTooLarge, "/bomb": ErrTooLarge} {
		_, body, err := get(c, "http://127.0.0.1:"+port+path)
		if !errors.Is(err, want) || len(body) > 1000 || path == "/exact" && len(body) != 1000 {
			t.Errorf("%s: %d bytes, %v", path, len(body), err)
		}
	}
	if _, _, err := get(c, "http://127.0.0.1:"+port+"/header"); err == nil {
		t.Error("a header of any size is read")
	}
	if _, body, err := get(New(Options{AllowPrivate: true, MaxBody: 20 << 20}), "http://127.0.0.1:"+port+"/bomb"); err != nil || len(body) != 10<<20 {
		t.Errorf("control: %d bytes, %v", len(body), err)
	}
}

// TestTime has servers that answer too late, or never come to an end.
func TestTime(t *testing.T) {
	t.Parallel()
	port := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drip" {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	})
	for _, path := range []string{"/late", "/drip"} {
		from := time.Now()
		_, _, err := get(New(Options{AllowPrivate: true, Timeout: 200 * time.Millisecond}), "http://127.0.0.1:"+port+path)
		if took := time.Since(from); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
			t.Errorf("%s: %v after %s", path, err, took)
		}
	}
}

// TestProxyOfTheEnvironment names a proxy that would dial for the client.
func TestProxyOfTheEnvironment(t *testing.T) { //nolint:paralleltest // it sets the environment
	var asked atomic.Int64
	proxy := listen(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:"+proxy)
	}
	const target = "http://somewhere.example.com:1/"
	names, _ := resolver(t, "127.0.0.1")
	c := newClient(Options{AllowPrivate: true}, names)
	if _, _, err := get(c, target); !errors.Is(err, syscall.ECONNREFUSED) || asked.Load() > 0 {
		t.Errorf("%v, the proxy was asked %d times", err, asked.Load())
	}
	// The control reads the environment again each time, which net/http does not.
	c.Transport.(*transport).next.(*http.Transport).Proxy = func(r *http.Request) (*url.URL, error) {
		return httpproxy.FromEnvironment().ProxyFunc()(r.URL)
	}
	if _, _, err := get(c, target); err != nil || asked.Load() != 1 {
		t.Errorf("control: %v, the proxy was asked %d times", err, asked.Load())
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	port := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.UserAgent()) })
	if _, body, err := get(New(Options{AllowPrivate: true}), "http://127.0.0.1:"+port); err != nil || body != "Fluxbase" {
		t.Errorf("%q %v", body, err)
	}
}

func TestCauseHidesTheURL(t *testing.T) {
	t.Parallel()
	_, _, err := get(New(Options{}), "http://user:word@127.0.0.1/path?token=hunter2")
	var told *url.Error
	if !errors.As(err, &told) || !strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("control: %v", err)
	}
	cause := Cause(err)
	if !errors.Is(cause, ErrAddress) || strings.Contains(cause.Error(), "hunter2") || strings.Contains(cause.Error(), "word") || strings.Contains(cause.Error(), "path") {
		t.Errorf("%v", cause)
	}
	if plain := errors.New("plain"); !errors.Is(Cause(plain), plain) {
		t.Error("another error is lost")
	}
}

// onlyPort is a control that lets one port of this machine be dialled.
func onlyPort(port string) func(context.Context, string, string, syscall.RawConn) error {
	return func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if strings.HasSuffix(address, ":"+port) {
			return nil
		}
		return control(ctx, network, address, c)
	}
}
