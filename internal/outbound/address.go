package outbound

import (
	"net/netip"
	"slices"
)

// The address spaces of the IANA special-purpose registries (RFC 6890) and of
// transition mechanisms, in which one address may stand for another.
var (
	special4 = prefixes(
		"0.0.0.0/8",       // this network; 0.0.0.0 reaches this machine
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // carrier-grade NAT
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, and there the metadata of clouds
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and broadcast
	)
	// global6 is all that is assigned for global unicast. Outside it are the
	// loopback and unspecified addresses, fc00::/7, fe80::/10, ff00::/8, IPv4-compatible
	// addresses, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48) and what is not assigned yet.
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes(
		"2001::/23",     // protocol assignments, and there Teredo
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4
		"3fff::/20",     // documentation
	)
)

// public says that an address is one of the public Internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("") // ::ffff:10.0.0.1 is 10.0.0.1
	if a.Is4() {
		return !within(a, special4)
	}
	return global6.Contains(a) && !within(a, special6)
}

func within(a netip.Addr, spaces []netip.Prefix) bool {
	return slices.ContainsFunc(spaces, func(p netip.Prefix) bool { return p.Contains(a) })
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}
