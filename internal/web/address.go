package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientAddress returns the address of the client. X-Forwarded-For is read
// from the right, for as long as what stands there was added by a trusted
// proxy; whatever the client itself wrote to the left of that is ignored.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	if len(trusted) == 0 {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(address, trusted); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
	}
	return address
}

// forwarding are the fields by which proxies say for whom they ask.
var forwarding = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"}

// sharedAddress says whether an address is one behind which there may be anybody:
// of a proxy that is trusted and has not said for whom it asks, of one that is
// not and has, or of what forwards connections without a word. That is a gateway
// of containers, a TCP balancer or address translation, all of which show an
// address that is nobody's on the Internet; local says that these are somebody's
// own all the same, as on the machine of a developer.
func sharedAddress(r *http.Request, address netip.Addr, trusted []netip.Prefix, local bool) bool {
	if within(address, trusted) || !local && !Global(address) {
		return true
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && within(peer.Addr().Unmap().WithZone(""), trusted) {
		return false
	}
	for _, name := range forwarding {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	return false
}

// carrierGrade is shared between a provider and its customers (RFC 6598).
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

// Global says whether an address is neither of this machine nor of a network
// that has addresses of its own.
func Global(address netip.Addr) bool {
	return address.IsGlobalUnicast() && !address.IsPrivate() && !carrierGrade.Contains(address)
}

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(address) {
			return true
		}
	}
	return false
}
