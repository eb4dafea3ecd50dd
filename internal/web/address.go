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

// sharedAddress says whether an address is that of a proxy, so that anybody may
// be behind it: one that is trusted and has not said for whom it asks, or one
// that is not and has.
func sharedAddress(r *http.Request, address netip.Addr, trusted []netip.Prefix) bool {
	if within(address, trusted) {
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

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(address) {
			return true
		}
	}
	return false
}
