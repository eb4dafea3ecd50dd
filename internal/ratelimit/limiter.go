package ratelimit

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
)

// The groups that a route can name in web.Route.Limits. What a group counts is in
// the table below.
const (
	SigningIn web.LimitGroup = "sign_in"
	SigningUp web.LimitGroup = "sign_up"
	Mailing   web.LimitGroup = "mail"
	Proving   web.LimitGroup = "mfa"
	Renewing  web.LimitGroup = "refresh"
)

// group is what the routes of one kind are counted by besides their caller. A
// subject is what a request is about, by its body. Requests that name none are
// about the user who makes them, if there is one. Where anybody can name it, it is
// counted together with the address, so that no stranger keeps its owner out: what
// all may do to it together is for the attempts that internal/password and
// internal/otp count.
type group struct {
	address, subject Bucket
	byAddress        bool
	bySubject        bool
	apart            bool // from address to address
}

var groups = map[web.LimitGroup]group{
	SigningIn: {address: SignIn, byAddress: true, subject: SignInAccount, bySubject: true, apart: true},
	SigningUp: {address: SignUp, byAddress: true},
	Mailing:   {address: Mail, byAddress: true, subject: MailRecipient, bySubject: true, apart: true},
	Proving:   {subject: MFA, bySubject: true},
	Renewing:  {subject: Refresh, bySubject: true},
}

// Known says whether there is a group.
func Known(g web.LimitGroup) bool {
	_, ok := groups[g]
	return ok || g == ""
}

// Rates are the rates of all buckets; the zero Rate is no limit.
type Rates [buckets]Rate

// Set sets the rate of a bucket.
func (r *Rates) Set(b Bucket, rate Rate) { r[b] = rate }

// ErrTooMany is the fault of a request over a limit.
var ErrTooMany = fault.New(fault.TooMany, "over_request_rate_limit", "There were too many requests. Wait, then try again.")

// Violation is a sample of requests that were refused.
type Violation struct {
	Bucket    Bucket
	Principal *principal.Principal
	Address   netip.Addr
	RequestID string
	Others    int64 // refused by the same bucket since the last sample
}

// sampling is how often a refusal by one bucket is logged and recorded.
const sampling = time.Minute

// Limiter implements web.Limits. Make one with New.
type Limiter struct {
	rates    Rates
	policies [buckets]string // as RateLimit-Policy has them
	arrivals Store           // of this instance
	store    Store
	logger   *slog.Logger
	now      func() time.Time

	// record writes the audit record of a sample.
	record func(context.Context, Violation)

	began   time.Time
	samples [buckets]struct {
		next   atomic.Int64 // in nanoseconds after began
		others atomic.Int64
	}
	hits *prometheus.CounterVec
}

// New returns a limiter. What comes is counted in arrivals, which is asked
// without a round trip, and what has been authenticated in store.
func New(rates Rates, arrivals, store Store, record func(context.Context, Violation), logger *slog.Logger, now func() time.Time) *Limiter {
	l := &Limiter{rates: rates, arrivals: arrivals, store: store, record: record, logger: logger, now: now, began: now()}
	l.hits = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fluxbase_rate_limit_hits_total", Help: "Requests that were refused by a rate limit, by bucket.",
	}, []string{"bucket"})
	for b := range buckets {
		l.policies[b] = policy(b, rates[b])
		l.hits.WithLabelValues(b.String())
	}
	return l
}

// Describe implements prometheus.Collector.
func (l *Limiter) Describe(ch chan<- *prometheus.Desc) { l.hits.Describe(ch) }

// Collect implements prometheus.Collector.
func (l *Limiter) Collect(ch chan<- prometheus.Metric) { l.hits.Collect(ch) }

// charges are what a request costs, at most one for each of caller, address and
// subject.
func (l *Limiter) charges(into []Charge, c *web.Call, name web.LimitGroup, subject string) []Charge {
	b, key := callerOf(c)
	into = l.add(into, b, key)
	g := groups[name]
	if g.byAddress {
		into = l.add(into, g.address, Network(c.Address))
	}
	switch {
	case !g.bySubject:
	case subject != "" && g.apart:
		network := Network(c.Address)
		into = l.add(into, g.subject, digest(subject+string(network[:])))
	case subject != "":
		into = l.add(into, g.subject, digest(subject))
	case c.Principal.SignedIn():
		into = l.add(into, g.subject, Key(c.Principal.User))
	}
	return into
}

func (l *Limiter) add(charges []Charge, b Bucket, k Key) []Charge {
	if l.rates[b].None() {
		return charges
	}
	return append(charges, Charge{b, k, l.rates[b]})
}

// callerOf is the bucket and the key of whoever makes a request: the user, with
// whichever of their credentials; else the key; else the network. The key of an
// application is no caller: all who use the application have it.
func callerOf(c *web.Call) (Bucket, Key) {
	p := c.Principal
	switch {
	case p.Role == principal.Service:
		return ServiceRole, Key(p.Key)
	case p.SignedIn():
		return Authenticated, Key(p.User)
	default:
		return Anonymous, Network(c.Address)
	}
}

// networkBits is how much of an IPv6 address is counted: who has one has the 64
// bits after it to choose from.
const networkBits = 64

// Prefixes behind which the addresses of IPv4 are, and where in them. Who has one
// of IPv4 has all of a /48 of the first (6to4, RFC 3056), and a /64 of the second
// has all there are (NAT64, RFC 6052).
var (
	sixToFour = netip.MustParsePrefix("2002::/16")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)

// Network is the key of an address: the address of IPv4 that it is or stands for,
// or the /64 that it is in.
func Network(a netip.Addr) Key {
	bytes := a.As16()
	switch {
	case !a.Is6() || a.Is4In6():
		return bytes
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(bytes[2:6])).As16()
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(bytes[12:])).As16()
	}
	p, err := a.Prefix(networkBits)
	if err != nil { // cannot be: an address of 128 bits has 64
		return bytes
	}
	return p.Addr().As16()
}

func digest(subject string) Key {
	sum := sha256.Sum256([]byte(subject))
	return Key(sum[:len(Key{})])
}

// refuse counts a refusal, and returns its fault.
func (l *Limiter) refuse(ctx context.Context, c *web.Call, b Bucket, wait time.Duration) error {
	l.hits.WithLabelValues(b.String()).Inc()
	s := &l.samples[b]
	elapsed, next := int64(l.now().Sub(l.began)), s.next.Load()
	if elapsed < next || !s.next.CompareAndSwap(next, elapsed+int64(sampling)) {
		s.others.Add(1)
	} else {
		v := Violation{b, c.Principal, c.Address, c.RequestID, s.others.Swap(0)}
		l.logger.WarnContext(ctx, "a rate limit refuses requests", slog.String("bucket", b.String()), slog.String("request_id", c.RequestID),
			slog.String("remote_addr", c.Address.String()), slog.Bool("behind_a_proxy", c.Shared), slog.Int64("others", v.Others))
		l.record(ctx, v)
	}
	f := *ErrTooMany
	f.RetryAfter = wait
	return &f
}
