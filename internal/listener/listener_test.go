package listener

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// patience bounds all waiting.
const patience = 20 * time.Second

// accepted is what a gate let through: whose it is, and its first line.
type accepted struct {
	from string
	line string
	err  error
}

// start serves a gate: each connection is read one line of and stays open for as
// long as its client wants.
func start(t *testing.T, o Options) (g *Gate, address string, got chan accepted) {
	t.Helper()
	inner, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, got = New(o), make(chan accepted, 64)
	l := g.Wrap(inner)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				line, err := bufio.NewReader(conn).ReadString('\n')
				got <- accepted{conn.RemoteAddr().String(), line, err}
				if err == nil {
					_, _ = io.WriteString(conn, "seen\n")
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	return g, inner.Addr().String(), got
}

// send opens a connection and says something.
func send(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, text)
	return conn
}

// ended says whether a connection was closed without a word.
func ended(conn net.Conn) bool {
	n, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	return n == 0 && (!errors.As(err, &timeout) || !timeout.Timeout())
}

func await(t *testing.T, got chan accepted) accepted {
	t.Helper()
	select {
	case a := <-got:
		return a
	case <-time.After(patience):
		t.Fatal("nothing came of it")
		return accepted{}
	}
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// v2 is a header of version 2.
func v2(command, family byte, body []byte) string {
	h := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	h = binary.BigEndian.AppendUint16(h, uint16(len(body)))
	return string(append(h, body...))
}

func TestWhomTheHeaderNames(t *testing.T) {
	t.Parallel()
	v4 := []byte{203, 0, 113, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80}
	v6 := append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("::1").AsSlice()...), 0x30, 0x39, 0, 80)
	for name, c := range map[string]struct{ header, from string }{
		"version 1":               {"PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\n", "203.0.113.7:12345"},
		"version 1, IPv6":         {"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n", "[2001:db8::7]:12345"},
		"version 2":               {v2(1, 0x11, v4), "203.0.113.7:12345"},
		"version 2, IPv6":         {v2(1, 0x21, v6), "[2001:db8::7]:12345"},
		"version 2, with a TLV":   {v2(1, 0x11, append(append([]byte{}, v4...), 0x04, 0, 1, 0)), "203.0.113.7:12345"},
		"the balancer's own":      {v2(0, 0, nil), "127.0.0.1"},
		"the balancer's own, v1":  {"PROXY UNKNOWN\r\n", "127.0.0.1"},
		"mapped, which is IPv4":   {v2(1, 0x21, append(append(netip.MustParseAddr("::ffff:203.0.113.7").AsSlice(), netip.MustParseAddr("::1").AsSlice()...), 0x30, 0x39, 0, 80)), "203.0.113.7:12345"},
		"a second header is text": {"PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\nPROXY TCP4 9.9.9.9 10.0.0.1 1 80\r\n", "203.0.113.7:12345"},
	} {
		_, address, got := start(t, Options{Senders: loopback(), HeaderTimeout: patience})
		send(t, address, c.header+"hello\n")
		if a := await(t, got); a.err != nil || !strings.HasPrefix(a.from, c.from) || a.line == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A connection without a header that holds is never served: nothing of it
// reaches a reader, whoever it is from.
func TestNoHeaderNoConnection(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"none":                   "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"another protocol":       "SSH-2.0-x\r\n",
		"no address":             "PROXY TCP4 localhost 10.0.0.1 12345 80\r\nhello\n",
		"octal":                  "PROXY TCP4 0177.0.0.1 10.0.0.1 12345 80\r\nhello\n",
		"of the other family":    "PROXY TCP4 2001:db8::7 ::1 12345 80\r\nhello\n",
		"no port":                "PROXY TCP4 203.0.113.7 10.0.0.1 99999 80\r\nhello\n",
		"bare line feed":         "PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\nhello\n",
		"endless":                "PROXY TCP4 " + strings.Repeat("1", 4096),
		"UDP":                    v2(1, 0x12, []byte{203, 0, 113, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80}) + "hello\n",
		"a socket":               v2(1, 0x31, make([]byte, 216)) + "hello\n",
		"nobody's address":       "PROXY TCP4 0.0.0.0 10.0.0.1 12345 80\r\nhello\n",
		"everybody's address":    "PROXY TCP4 224.0.0.1 10.0.0.1 12345 80\r\nhello\n",
		"version 3":              "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c203.0.113.7hello\n",
		"cut short":              v2(1, 0x11, []byte{203, 0, 113}) + "hello\n",
		"more than a header has": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 1<<16) + "hello\n",
		"no such family":         "\r\n\r\n\x00\r\nQUIT\n\x21\x13\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x00\x50hello\n",
	} {
		_, address, got := start(t, Options{Senders: loopback(), HeaderTimeout: patience})
		conn := send(t, address, text)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		if a := await(t, got); a.err == nil || !strings.HasPrefix(a.from, "127.0.0.1:") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A header that does not come ends the connection, and keeps nobody else waiting.
func TestSlowHeader(t *testing.T) {
	t.Parallel()
	_, address, got := start(t, Options{Senders: loopback(), HeaderTimeout: 200 * time.Millisecond})
	for _, part := range []string{"", "PROXY TCP4 203.0", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00"} {
		conn := send(t, address, part)
		if a := await(t, got); a.err == nil {
			t.Errorf("after %q: %+v", part, a)
		}
		if !ended(conn) {
			t.Errorf("after %q it stays open", part)
		}
	}
	silent := send(t, address, "")
	defer func() { _ = silent.Close() }()
	send(t, address, "PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\nhello\n")
	if a := await(t, got); a.err != nil || a.from != "203.0.113.7:12345" {
		t.Errorf("behind a silent one: %+v", a)
	}
}

// Where the protocol is on, only trusted peers are listened to at all: with a
// header they would choose their address, and without one they would be believed
// to be behind nobody.
func TestUntrustedPeer(t *testing.T) {
	t.Parallel()
	g, address, got := start(t, Options{Senders: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, HeaderTimeout: patience})
	for _, text := range []string{"PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\nhello\n", "hello\n"} {
		if conn := send(t, address, text); !ended(conn) {
			t.Errorf("%q is listened to", text)
		}
	}
	select {
	case a := <-got:
		t.Errorf("served: %+v", a)
	default:
	}
	if n := testutil.ToFloat64(g.refused.WithLabelValues("untrusted_peer")); n != 2 {
		t.Errorf("%v refusals are counted", n)
	}
	_, address, got = start(t, Options{}) // control: the protocol is off, and a header is text
	send(t, address, "PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\n")
	if a := await(t, got); a.err != nil || !strings.HasPrefix(a.from, "127.0.0.1:") {
		t.Errorf("control: %+v", a)
	}
}

func TestPerAddress(t *testing.T) {
	t.Parallel()
	g, address, got := start(t, Options{PerAddress: 2})
	first := send(t, address, "a\n")
	await(t, got)
	send(t, address, "b\n")
	await(t, got)
	if conn := send(t, address, ""); !ended(conn) {
		t.Error("a third is taken")
	}
	if n := testutil.ToFloat64(g.refused.WithLabelValues("per_address")); n != 1 {
		t.Errorf("%v refusals are counted", n)
	}
	_ = first.Close()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // until the server has seen that
		conn := send(t, address, "c\n")
		if text, err := bufio.NewReader(conn).ReadString('\n'); err == nil && text == "seen\n" {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("a place that was left stays taken")
		}
	}

	_, address, got = start(t, Options{PerAddress: 1, Exempt: func(a netip.Addr) bool { return a.IsLoopback() }})
	for range 3 {
		send(t, address, "a\n")
		if a := await(t, got); a.err != nil {
			t.Errorf("an exempt address is limited: %+v", a)
		}
	}
}

// The counts are kept for as long as there are connections, and no longer.
func TestCounts(t *testing.T) {
	t.Parallel()
	g := New(Options{PerAddress: 2})
	enter := func(address string) func() {
		leave, ok := g.enter(netip.MustParseAddr(address))
		if !ok {
			return nil
		}
		return leave
	}
	a, b := enter("2001:db8::1"), enter("2001:db8:0:0:ffff::1")
	if a == nil || b == nil || enter("2001:db8::2") != nil {
		t.Error("the addresses of one IPv6 network are not one")
	}
	if other := enter("2001:db8:0:1::1"); other == nil {
		t.Error("the next network is the same")
	} else {
		other()
	}
	if testutil.ToFloat64(g.open) != 2 {
		t.Errorf("%v are open", testutil.ToFloat64(g.open))
	}
	a()
	b()
	if len(g.counts) != 0 || testutil.ToFloat64(g.open) != 0 {
		t.Errorf("%v are left, %v open", g.counts, testutil.ToFloat64(g.open))
	}
}
