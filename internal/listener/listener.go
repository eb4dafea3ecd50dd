// Package listener decides whose connections are taken, and from where they
// come: a limit for each address, and the PROXY protocol of trusted balancers
// (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt).
//
// The rule that matters: only a trusted peer says who its client is, and where
// the protocol is on nobody else is listened to. What is read from a connection,
// and how slowly, is not decided here.
package listener

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a Gate lets through.
type Options struct {
	// PerAddress is how many connections an address may have open, with an IPv6
	// network of 64 bits as one; 0 is any number.
	PerAddress int
	// Exempt are the addresses that are not limited: proxies, and gateways with many
	// clients behind them. nil is none.
	Exempt func(netip.Addr) bool

	// Senders are the networks whose connections begin with a PROXY header, of
	// version 1 or 2. With any, connections from elsewhere are refused; none is
	// the protocol turned off.
	Senders []netip.Prefix
	// HeaderTimeout is for the PROXY header.
	HeaderTimeout time.Duration
}

// The reasons for which connections are refused.
const (
	perAddress    = "per_address"
	untrustedPeer = "untrusted_peer"
)

// Gate is what all listeners of a server have in common: an address that is
// over its limit on one is over it on each. It is safe for concurrent use.
type Gate struct {
	options Options
	open    prometheus.Gauge
	refused *prometheus.CounterVec

	mu     sync.Mutex
	counts map[netip.Addr]int
}

// New returns a gate.
func New(o Options) *Gate {
	g := &Gate{
		options: o, counts: map[netip.Addr]int{},
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fluxbase_connections_open", Help: "Connections of clients that are open.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fluxbase_connections_refused_total", Help: "Connections that were closed at once, by reason: per_address, untrusted_peer.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{perAddress, untrustedPeer} { // there before the first of them
		g.refused.WithLabelValues(reason)
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *Gate) Describe(out chan<- *prometheus.Desc) {
	g.open.Describe(out)
	g.refused.Describe(out)
}

// Collect implements prometheus.Collector.
func (g *Gate) Collect(out chan<- prometheus.Metric) {
	g.open.Collect(out)
	g.refused.Collect(out)
}

// Wrap returns the listener of what the gate lets through. Where the PROXY
// protocol is on, the address of a connection is the one that its header names;
// a connection whose header is missing, malformed or late fails at its first read.
func (g *Gate) Wrap(l net.Listener) net.Listener {
	counted := &counting{l, g}
	if len(g.options.Senders) == 0 {
		return counted
	}
	return &proxyproto.Listener{
		Listener: counted, ConnPolicy: g.policy, ValidateHeader: validate, ReadHeaderTimeout: g.options.HeaderTimeout,
	}
}

// policy lets nobody speak without a header, and nobody but senders at all: as
// the protocol has it, no receiver guesses.
func (g *Gate) policy(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
	peer := addressOf(o.Upstream)
	if slices.ContainsFunc(g.options.Senders, func(p netip.Prefix) bool { return p.Contains(peer) }) {
		return proxyproto.REQUIRE, nil
	}
	g.refused.WithLabelValues(untrustedPeer).Inc()
	return proxyproto.REJECT, fmt.Errorf("%w: not one of server.trusted_proxies", proxyproto.ErrInvalidUpstream)
}

// validate takes headers about TCP, and those about nobody: health checks of the
// balancer itself, which keep its own address.
func validate(h *proxyproto.Header) error {
	if h.Command.IsLocal() {
		return nil
	}
	if a := addressOf(h.SourceAddr); !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return proxyproto.ErrInvalidAddress
	}
	return nil
}

// counting closes what is over the limit as it comes, before anything of it is
// read.
type counting struct {
	net.Listener

	gate *Gate
}

// Accept implements net.Listener.
func (l *counting) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // http.Server looks at its type
		}
		leave, ok := l.gate.enter(addressOf(conn.RemoteAddr()))
		if ok {
			return &counted{Conn: conn, leave: sync.OnceFunc(leave)}, nil
		}
		_ = conn.Close()
	}
}

// enter counts a connection until leave is called.
func (g *Gate) enter(address netip.Addr) (leave func(), ok bool) {
	limited := g.options.PerAddress > 0 && (g.options.Exempt == nil || !g.options.Exempt(address))
	if !limited {
		g.open.Inc()
		return g.open.Dec, true
	}
	key := network(address)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts[key] >= g.options.PerAddress {
		g.refused.WithLabelValues(perAddress).Inc()
		return nil, false
	}
	g.counts[key]++
	g.open.Inc()
	return func() {
		g.open.Dec()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.counts[key]--; g.counts[key] == 0 {
			delete(g.counts, key)
		}
	}, true
}

// network is the address, or in IPv6 the network that one subscriber has whole.
func network(address netip.Addr) netip.Addr {
	const subscriber = 64
	if address.Is6() {
		if p, err := address.Prefix(subscriber); err == nil {
			return p.Addr()
		}
	}
	return address
}

// addressOf is the zero value for what is not TCP.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

type counted struct {
	net.Conn

	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close() //nolint:wrapcheck // as of the connection itself
}
