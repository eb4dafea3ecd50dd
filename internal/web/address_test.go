package web

import (
	"cmp"
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	const proxy, far = "10.0.0.1:4711", "198.51.100.9:4711"
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("fe80::/10")}
	for _, c := range []struct {
		name    string
		peer    string
		trusted []netip.Prefix
		headers []string // X-Forwarded-For, one field each
		want    string
	}{
		{"directly", far, nil, nil, "198.51.100.9"},
		{"nobody is trusted", far, nil, []string{"1.1.1.1"}, "198.51.100.9"},
		{"nobody is trusted, private peer", proxy, nil, []string{"1.1.1.1"}, "10.0.0.1"},
		{"peer is not trusted", far, private, []string{"1.1.1.1"}, "198.51.100.9"},
		{"peer is not trusted, names a proxy", far, private, []string{"1.1.1.1, 10.0.0.1"}, "198.51.100.9"},
		{"behind a proxy", proxy, private, []string{"203.0.113.7"}, "203.0.113.7"},
		{"client made a list up", proxy, private, []string{"1.1.1.1, 2.2.2.2, 203.0.113.7"}, "203.0.113.7"},
		{"client made a field up", proxy, private, []string{"1.1.1.1", "203.0.113.7"}, "203.0.113.7"},
		{"client names a trusted address", proxy, private, []string{"1.1.1.1, 10.9.9.9, 203.0.113.7"}, "203.0.113.7"},
		{"behind two proxies", proxy, private, []string{"1.1.1.1, 203.0.113.7, 10.2.3.4"}, "203.0.113.7"},
		{"behind two proxies, two fields", proxy, private, []string{"1.1.1.1, 203.0.113.7", "10.2.3.4"}, "203.0.113.7"},
		{"all are proxies", proxy, private, []string{"10.3.0.1, 10.2.3.4"}, "10.3.0.1"},
		{"no field", proxy, private, nil, "10.0.0.1"},
		{"empty field", proxy, private, []string{""}, "10.0.0.1"},
		{"garbage", proxy, private, []string{"1.1.1.1, unknown"}, "10.0.0.1"},
		{"garbage further left", proxy, private, []string{"garbage, 203.0.113.7"}, "203.0.113.7"},
		{"garbage behind a proxy", proxy, private, []string{"1.1.1.1, garbage, 10.2.3.4"}, "10.2.3.4"},
		{"empty member", proxy, private, []string{"1.1.1.1,,10.2.3.4"}, "10.2.3.4"},
		{"host name", proxy, private, []string{"localhost"}, "10.0.0.1"},
		{"octal", proxy, private, []string{"0177.0.0.1"}, "10.0.0.1"},
		{"short form", proxy, private, []string{"127.1"}, "10.0.0.1"},
		{"with a port", proxy, private, []string{"203.0.113.7:80"}, "10.0.0.1"},
		{"spaces", proxy, private, []string{" \t203.0.113.7  "}, "203.0.113.7"},
		{"IPv6", "[2001:db8:1::5]:443", private, []string{"2001:db8:2::7"}, "2001:db8:2::7"},
		{"IPv6, not trusted", "[2001:db8:2::5]:443", private, []string{"1.1.1.1"}, "2001:db8:2::5"},
		{"mapped peer", "[::ffff:10.0.0.1]:443", private, []string{"203.0.113.7"}, "203.0.113.7"},
		{"mapped peer, not trusted", "[::ffff:198.51.100.9]:443", private, []string{"1.1.1.1"}, "198.51.100.9"},
		{"mapped hop", proxy, private, []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"mapped hop that is a proxy", proxy, private, []string{"203.0.113.7, ::ffff:10.2.3.4"}, "203.0.113.7"},
		{"zone is the client's word", proxy, private, []string{"fe80::1%eth0"}, "fe80::1"},
		{"no peer", "", private, []string{"1.1.1.1"}, "invalid IP"},
		{"peer of a socket", "@", private, []string{"1.1.1.1"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		for _, h := range c.headers {
			r.Header.Add("X-Forwarded-For", h)
		}
		for _, other := range []string{"X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X_forwarded_for"} {
			r.Header.Set(other, "9.9.9.9") // none of them is read
		}
		if got := clientAddress(r, c.trusted).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSharedAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name    string
		peer    string
		trusted []netip.Prefix
		field   string // with the value client, or 203.0.113.7
		client  string
		want    bool
		local   bool // what is wanted where local addresses are somebody's own
	}{
		{name: "directly", peer: "198.51.100.9:1"},
		{name: "a proxy that nobody has listed", peer: "198.51.100.9:1", field: "X-Forwarded-For", want: true, local: true},
		{name: "another that says so otherwise", peer: "198.51.100.9:1", trusted: trusted, field: "Forwarded", want: true, local: true},
		{name: "one more", peer: "198.51.100.9:1", trusted: trusted, field: "Via", want: true, local: true},
		{name: "a trusted proxy", peer: "10.0.0.1:1", trusted: trusted, field: "X-Forwarded-For"},
		{name: "a trusted proxy that says nothing", peer: "10.0.0.1:1", trusted: trusted, want: true, local: true},
		{name: "IPv6", peer: "[2001:db8::1]:1"},
		{name: "rootless containers", peer: "127.0.0.1:1", want: true},
		{name: "IPv6 loopback", peer: "[::1]:1", want: true},
		{name: "mapped loopback", peer: "[::ffff:127.0.0.1]:1", want: true},
		{name: "a gateway of containers", peer: "172.17.0.1:1", want: true},
		{name: "a balancer", peer: "10.0.0.1:1", want: true},
		{name: "a balancer, in IPv6", peer: "[fd00::1]:1", want: true},
		{name: "link-local", peer: "169.254.1.1:1", want: true},
		{name: "link-local, in IPv6", peer: "[fe80::1%eth0]:1", want: true},
		{name: "carrier-grade NAT", peer: "100.64.0.1:1", want: true},
		{name: "just beside it", peer: "100.128.0.1:1"},
		{name: "a trusted proxy that has it from a gateway", peer: "10.0.0.1:1", trusted: trusted, field: "X-Forwarded-For", client: "172.17.0.1", want: true},
		{name: "no address", peer: "@", want: true},
	} {
		for _, local := range []bool{false, true} {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
			if c.field != "" {
				r.Header.Set(c.field, cmp.Or(c.client, "203.0.113.7"))
			}
			want := c.want
			if local {
				want = c.local
			}
			if got := sharedAddress(r, clientAddress(r, c.trusted), c.trusted, local); got != want {
				t.Errorf("%s, local %t: %t", c.name, local, got)
			}
		}
	}
}
