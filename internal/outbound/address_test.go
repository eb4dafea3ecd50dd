package outbound

import (
	"errors"
	"net/netip"
	"testing"
)

// TestAddresses has the edges of each space that is refused, and beside it the
// nearest addresses that are not.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space            string
		refused, reached []string
	}{
		{"this network", []string{"0.0.0.0", "0.255.255.255"}, []string{"1.0.0.0"}},
		{"private 10/8", []string{"10.0.0.0", "10.255.255.255"}, []string{"9.255.255.255", "11.0.0.0"}},
		{"carrier-grade NAT", []string{"100.64.0.0", "100.127.255.255"}, []string{"100.63.255.255", "100.128.0.0"}},
		{"loopback", []string{"127.0.0.1", "127.255.255.255"}, []string{"126.255.255.255", "128.0.0.0"}},
		{"link-local", []string{"169.254.169.254", "169.254.0.0", "169.254.255.255"}, []string{"169.253.255.255", "169.255.0.0"}},
		{"private 172.16/12", []string{"172.16.0.0", "172.31.255.255"}, []string{"172.15.255.255", "172.32.0.0"}},
		{"protocol assignments", []string{"192.0.0.1", "192.0.0.255"}, []string{"191.255.255.255", "192.0.1.0"}},
		{"documentation", []string{"192.0.2.1", "198.51.100.1", "203.0.113.255"}, []string{"192.0.3.0", "198.51.101.0", "203.0.114.0"}},
		{"6to4 relays", []string{"192.88.99.1"}, []string{"192.88.98.255", "192.88.100.0"}},
		{"private 192.168/16", []string{"192.168.0.0", "192.168.255.255"}, []string{"192.167.255.255", "192.169.0.0"}},
		{"benchmarks", []string{"198.18.0.0", "198.19.255.255"}, []string{"198.17.255.255", "198.20.0.0"}},
		{"multicast", []string{"224.0.0.1", "239.255.255.255"}, []string{"223.255.255.255"}},
		{"reserved and broadcast", []string{"240.0.0.0", "255.255.255.255"}, []string{"8.8.8.8"}},
		{
			"IPv4 in IPv6",
			[]string{"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:100.64.0.1"},
			[]string{"::ffff:8.8.8.8"},
		},
		{"IPv4-compatible", []string{"::127.0.0.1", "::8.8.8.8"}, nil},
		{"IPv4-translated", []string{"::ffff:0:127.0.0.1"}, nil},
		{"unspecified and loopback", []string{"::", "::1", "::2"}, nil},
		{"NAT64", []string{"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::1", "64:ff9b:1:ffff::a00:1"}, nil},
		{"discard", []string{"100::1"}, nil},
		{"below and above global unicast", []string{"1fff:ffff::", "4000::"}, []string{"2000::1", "3ffe::1"}},
		{"protocol assignments and Teredo", []string{"2001::7f00:1", "2001:10::1", "2001:1ff::"}, []string{"2001:200::1"}},
		{"documentation", []string{"2001:db8::1", "3fff::1", "3fff:fff::1"}, []string{"2001:db9::1", "3fff:1000::1"}},
		{"6to4", []string{"2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"}, []string{"2003::1"}},
		{"segment routing", []string{"5f00::1"}, nil},
		{"unique local", []string{"fc00::1", "fd00:ec2::254", "fdff::1"}, nil},
		{"link-local", []string{"fe80::1", "fe80::1%eth0", "febf::1"}, nil},
		{"site-local", []string{"fec0::1"}, nil},
		{"multicast", []string{"ff02::1", "ff0e::1"}, nil},
		{"control", nil, []string{"1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"}},
	} {
		for _, text := range c.refused {
			if public(netip.MustParseAddr(text)) {
				t.Errorf("%s: %s is reached", c.space, text)
			}
			if err := control(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(text), 443).String(), nil); !errors.Is(err, ErrAddress) {
				t.Errorf("%s: %s is dialled: %v", c.space, text, err)
			}
		}
		for _, text := range c.reached {
			if !public(netip.MustParseAddr(text)) {
				t.Errorf("%s: %s is refused", c.space, text)
			}
			if err := control(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(text), 443).String(), nil); err != nil {
				t.Errorf("%s: %s is not dialled: %v", c.space, text, err)
			}
		}
	}
	for _, text := range []string{"", "127.0.0.1", "localhost:80", "/run/postgresql", "127.0.0.1:x"} {
		if err := control(t.Context(), "tcp", text, nil); !errors.Is(err, ErrAddress) {
			t.Errorf("%q is dialled: %v", text, err)
		}
	}
}
