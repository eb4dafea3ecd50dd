package ratelimit

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/web"
)

// rooms are for the charges of requests; no store keeps them.
var rooms = sync.Pool{New: func() any { return new([MaxCharges]Charge) }}

// Arrive implements web.Limits: the cheap protection against floods, by address
// alone, before anything is looked at.
func (l *Limiter) Arrive(ctx context.Context, h http.Header, c *web.Call) error {
	if l.rates[Arrival].None() {
		return nil
	}
	room := rooms.Get().(*[MaxCharges]Charge)
	defer rooms.Put(room)
	charges := append(room[:0], Charge{Arrival, Network(c.Address), l.rates[Arrival]})
	admitted, levels, err := l.arrivals.Spend(ctx, charges)
	if err != nil || admitted {
		return err //nolint:wrapcheck // a store says what it was doing
	}
	l.describe(h, charges, &levels, false)
	return l.refuse(ctx, c, Arrival, l.rates[Arrival].Wait(levels[0]))
}

// Spend implements web.Limits.
func (l *Limiter) Spend(ctx context.Context, h http.Header, c *web.Call, name web.LimitGroup, subject string) error {
	room := rooms.Get().(*[MaxCharges]Charge)
	defer rooms.Put(room)
	charges := l.charges(room[:0], c, name, subject)
	if len(charges) == 0 {
		return nil
	}
	admitted, levels, err := l.store.Spend(ctx, charges)
	if err != nil {
		return err //nolint:wrapcheck // a store says what it was doing
	}
	l.describe(h, charges, &levels, admitted)
	if admitted {
		return nil
	}
	full, wait := charges[0].Bucket, time.Duration(-1)
	for i, c := range charges {
		if w := c.Rate.Wait(levels[i]); w > wait && !c.Rate.Room(levels[i]) {
			full, wait = c.Bucket, w
		}
	}
	return l.refuse(ctx, c, full, wait)
}

// describe sets the fields RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-10 (q: the quota, w: its window in
// seconds; r: what remains, t: in how many seconds all of it does), and those
// that came before them, of the bucket with the least left. X-RateLimit-Reset is
// in seconds from now.
func (l *Limiter) describe(h http.Header, charges []Charge, levels *Levels, admitted bool) {
	var room [192]byte
	state, policies := room[:0], ""
	least, limit, reset := -1, 0, 0
	for i := range charges {
		c := &charges[i]
		level := levels[i]
		if admitted {
			level += c.Rate.Interval()
		}
		if policies == "" {
			policies = l.policies[c.Bucket]
		} else {
			policies += ", " + l.policies[c.Bucket]
		}
		remaining, full := c.Rate.Remaining(level), seconds(level)
		state = append(append(list(state, `"`), names[c.Bucket]...), `";r=`...)
		state = append(strconv.AppendInt(state, int64(remaining), 10), ";t="...)
		state = strconv.AppendInt(state, int64(full), 10)
		if least < 0 || remaining < least {
			least, limit, reset = remaining, c.Rate.Limit, full
		}
	}
	set(h, policies, state, [3]int{limit, max(least, 0), reset})
}

// set sets the fields by their canonical names. Their values are pieces of one
// text, since this is done in every answer.
func set(h http.Header, policies string, state []byte, older [3]int) {
	var ends [3]int
	end := len(state)
	for i, n := range older {
		state = strconv.AppendInt(state, int64(n), 10)
		ends[i] = len(state)
	}
	text := string(state)
	values := []string{policies, text[:end], text[end:ends[0]], text[ends[0]:ends[1]], text[ends[1]:ends[2]]}
	for i, field := range [...]string{"Ratelimit-Policy", "Ratelimit", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		h[field] = values[i : i+1 : i+1]
	}
}

func list(to []byte, item string) []byte {
	if len(to) > 0 {
		to = append(to, ", "...)
	}
	return append(to, item...)
}

func policy(b Bucket, r Rate) string {
	return `"` + b.String() + `";q=` + strconv.Itoa(r.Limit) + ";w=" + strconv.Itoa(seconds(r.Window))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
