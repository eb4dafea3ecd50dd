package ratelimit_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/ratelimit/memory"
	"github.com/fluxbase/fluxbase/internal/web"
)

// BenchmarkRequest is all that limits in memory do in one request of an
// anonymous caller: of a thousand who come again and again, and of a flood from
// ever new networks. BenchmarkOneRowRead of internal/server is what to compare it
// with.
func BenchmarkRequest(b *testing.B) {
	for name, networks := range map[string]uint32{"a thousand": 1000, "a flood": 1 << 24} {
		b.Run(name, func(b *testing.B) {
			var rates ratelimit.Rates
			rates.Set(ratelimit.Arrival, ratelimit.Rate{Limit: 1000000, Window: time.Second})
			rates.Set(ratelimit.Anonymous, ratelimit.Rate{Limit: 1000000, Window: time.Second})
			l := ratelimit.New(rates, memory.New(memory.Keys, time.Now), memory.New(memory.Keys, time.Now),
				func(context.Context, ratelimit.Violation) {}, slog.New(slog.DiscardHandler), time.Now)
			ctx, h := context.Background(), http.Header{}
			c := &web.Call{Principal: principal.Nobody()}
			b.ReportAllocs()
			for n := uint32(0); b.Loop(); n++ {
				at := n % networks
				c.Address = netip.AddrFrom4([4]byte{byte(at >> 16), byte(at >> 8), byte(at), 1})
				if l.Arrive(ctx, h, c) != nil || l.Spend(ctx, h, c, "", "") != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// TestRates holds the arithmetic at its edges: the limit is always reached, and
// never passed.
func TestRates(t *testing.T) {
	t.Parallel()
	for _, window := range []time.Duration{time.Second, time.Minute, 7 * time.Minute, 24 * time.Hour} {
		for _, limit := range []int{1, 2, 3, 7, 60, 99, 1000, 999983, 1000000} {
			r := ratelimit.Rate{Limit: limit, Window: window}
			if r.Remaining(0) != limit || r.Burst() < window || r.Burst() > window+time.Duration(limit)*time.Microsecond {
				t.Errorf("%v: %d at once in %v", r, r.Remaining(0), r.Burst())
			}
			last := r.Burst() - r.Interval()
			if !r.Room(last) || r.Room(last+1) || r.Remaining(last) != 1 || r.Wait(last) != 0 || r.Wait(last+1) != 1 || r.Remaining(r.Burst()) != 0 {
				t.Errorf("%v at its edge", r)
			}
			if r.Wait(r.Burst()) != r.Interval() || r.Level(-time.Hour, 0) != 0 || r.Level(100*r.Burst(), 0) != r.Burst() {
				t.Errorf("%v beyond its edge", r)
			}
		}
	}
	for _, none := range []ratelimit.Rate{{}, {Limit: 1}, {Window: time.Second}} {
		if !none.None() {
			t.Errorf("%v is a limit", none)
		}
	}
}

// TestNetwork has one key for what one caller has the addresses of.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"one /64", "2001:db8::1", "2001:db8::ffff:1", true},
		{"control: two of them", "2001:db8::1", "2001:db8:0:1::1", false},
		{"control: two of IPv4", "192.0.2.1", "192.0.2.2", false},
		{"6to4: whoever has an address of IPv4 has 65536 networks (RFC 3056)", "2002:c000:201::1", "2002:c000:201:ffff::1", true},
		{"6to4, and without", "2002:c000:201::1", "192.0.2.1", true},
		{"control: 6to4 of two", "2002:c000:201::1", "2002:c000:202::1", false},
		{"NAT64: a /96 is all of IPv4 (RFC 6052)", "64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false},
		{"NAT64, and without", "64:ff9b::192.0.2.1", "192.0.2.1", true},
		{"control: beside NAT64", "64:ff9b:0:0:0:1:c000:201", "64:ff9b:0:0:0:1:c000:202", true},
	} {
		if same := ratelimit.Network(netip.MustParseAddr(c.a)) == ratelimit.Network(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s: %s and %s are one: %v", c.name, c.a, c.b, same)
		}
	}
}
