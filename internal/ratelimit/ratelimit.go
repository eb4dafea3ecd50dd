// Package ratelimit says how often callers may come: by the generic cell rate
// algorithm (GCRA), in arithmetic that is the same whatever keeps the counts.
//
// A Rate lets its whole limit through at once and then one request each
// interval, which is the window divided by the limit. What is kept for a key is
// one instant, up to which its allowance is used; a key of which nothing is kept
// has all of it. A request may cost several buckets, and is charged to all of
// them or to none: who is over one limit does not use up another, which may be
// somebody else's.
//
// The stores are in sub-packages. Every one is asked once a request, does it in
// one atomic operation, and reads one clock, whose jumps cost a caller at most
// one window.
package ratelimit

import (
	"context"
	"time"
)

// Bucket is one kind of limit. The names are part of metrics, answers and audit
// records.
type Bucket uint8

// The buckets, with what each is counted by.
const (
	Arrival       Bucket = iota // address; before authentication, in the memory of each instance
	Anonymous                   // address; callers without a credential, or with a bad one
	Authenticated               // user
	ServiceRole                 // service key
	SignIn                      // address
	SignInAccount               // account that is signed in to, whether or not there is one, and address
	SignUp                      // address
	Mail                        // address that asks for mail
	MailRecipient               // mailbox that is to get it, and address
	MFA                         // user, or the sign-in that waits for a second factor
	Refresh                     // session
	buckets                     // how many there are
)

var names = [buckets]string{
	"address", "anonymous", "authenticated", "service_role", "sign_in", "sign_in_account", "sign_up", "mail", "mail_recipient", "mfa", "refresh",
}

// String returns the name of the bucket.
func (b Bucket) String() string { return names[b] }

// Rate is a limit for each window. The zero value is no limit.
type Rate struct {
	Limit  int           // requests, at most one for each microsecond of the window
	Window time.Duration // at least a microsecond for each request
}

// None says that there is no limit.
func (r Rate) None() bool { return r.Limit <= 0 || r.Window <= 0 }

// Interval is the time in which a key gets one request back, in whole
// microseconds, rounded up.
func (r Rate) Interval() time.Duration {
	micros := r.Window.Microseconds()
	return time.Duration((micros+int64(r.Limit)-1)/int64(r.Limit)) * time.Microsecond
}

// Burst is the time in which a key gets its whole limit back, and how far ahead
// of the present its allowance can be used. It is the window, or less than a
// microsecond a request longer.
func (r Rate) Burst() time.Duration { return r.Interval() * time.Duration(r.Limit) }

// Key is what is counted: an identifier, a network, or a digest.
type Key [16]byte

// Charge is one request on one bucket.
type Charge struct {
	Bucket Bucket
	Key    Key
	Rate   Rate // not None
}

// Trial is a charge that refuses nobody, by which a store shows that it counts: one
// may answer and take no writes. Nothing else charges that bucket to a store which
// several instances share.
func Trial() []Charge {
	return []Charge{{Bucket: Arrival, Rate: Rate{Limit: 1_000_000, Window: time.Second}}}
}

// MaxCharges is how many buckets one request can cost.
const MaxCharges = 3

// Levels are, for each charge of a request, how far the allowance was used
// before it: 0 is all there, and Burst nothing left.
type Levels [MaxCharges]time.Duration

// Store keeps the counts. It is safe for concurrent use.
type Store interface {
	// Spend charges a request to all buckets, if each has room, and else to none.
	// There are at most MaxCharges, no two of one bucket.
	Spend(ctx context.Context, charges []Charge) (admitted bool, levels Levels, err error)
}

// Level is how far an allowance is used at an instant. What was written under a
// clock that ran ahead is taken for used up, and no more than that; a store writes
// it anew, so that it costs one window.
func (r Rate) Level(used, now time.Duration) time.Duration {
	return min(max(used-now, 0), r.Burst())
}

// Room says whether there is room for one more request.
func (r Rate) Room(level time.Duration) bool { return level+r.Interval() <= r.Burst() }

// Remaining is how many requests there is room for.
func (r Rate) Remaining(level time.Duration) int { return int((r.Burst() - level) / r.Interval()) }

// Wait is how long it takes until there is room for one request; 0 if there is.
func (r Rate) Wait(level time.Duration) time.Duration {
	return max(level+r.Interval()-r.Burst(), 0)
}

// Admits says whether every charge has room.
func Admits(charges []Charge, levels *Levels) bool {
	for i := range charges {
		if !charges[i].Rate.Room(levels[i]) {
			return false
		}
	}
	return true
}
