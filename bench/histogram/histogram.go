// Package histogram counts durations in buckets whose width grows with the
// value, so that a quantile is exact to within 1/64 of it whatever its size.
//
// Recording costs a few instructions and no memory. A Histogram is for one
// goroutine; those of several are merged at the end.
package histogram

import (
	"math/bits"
	"time"
)

// Each power of two is cut into this many buckets.
const (
	stepBits = 6
	steps    = 1 << stepBits
)

// buckets reach up to the longest duration.
const buckets = (64 - stepBits) * steps

// Histogram counts durations from 0 to 292 years. The zero value is empty and
// ready for use.
type Histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds everything that another histogram has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns a duration that a share q (0 to 1) of the recorded ones do
// not exceed, rounded up by at most 1/64. It is 0 if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	rank = min(max(rank, 1), h.total)
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// bucket returns the place of a duration: the position of its highest bit, and
// the stepBits below that.
func bucket(d time.Duration) int {
	v := uint64(d) //nolint:gosec // not negative, see Record
	if v < steps {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - stepBits
	return shift*steps + int(v>>shift) //nolint:gosec // below buckets
}

// upper returns the longest duration of a bucket.
func upper(i int) time.Duration {
	if i < 2*steps {
		return time.Duration(i)
	}
	shift := i/steps - 1
	return time.Duration((i-shift*steps+1)<<shift - 1)
}
