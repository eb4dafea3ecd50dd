package session

import "net/netip"

// Place is where somebody comes in from, as far as it is told apart: by the
// program and the system that the user agent names, and by the network address,
// of which in IPv6 the first 64 bits count, since the rest changes by itself
// (RFC 8981). Without an address it is no known one.
type Place struct {
	Device      string     // "" if the user agent names none
	First, Last netip.Addr // of the addresses that count as one
}

// Place returns where a request came from.
func (o Origin) Place() Place {
	p := Place{First: o.Address, Last: o.Address}
	if device := Device(&o.UserAgent); device != nil {
		p.Device = *device
	}
	if o.Address.Is6() {
		first, last := o.Address.As16(), o.Address.As16()
		for i := 8; i < len(first); i++ {
			first[i], last[i] = 0, 0xff
		}
		p.First, p.Last = netip.AddrFrom16(first), netip.AddrFrom16(last)
	}
	return p
}
