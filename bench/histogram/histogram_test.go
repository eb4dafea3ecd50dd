package histogram

import (
	"math"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	var h Histogram
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{
		0: time.Microsecond, 0.5: 500 * time.Microsecond, 0.95: 950 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond,
	} {
		got := h.Quantile(q)
		if got < want || float64(got) > float64(want)*(1+1.0/steps) {
			t.Errorf("Quantile(%g) = %s, want %s and at most 1/64 above it", q, got, want)
		}
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	var h Histogram
	if got := h.Quantile(0.5); got != 0 || h.Count() != 0 {
		t.Errorf("an empty histogram has median %s and count %d", got, h.Count())
	}
}

func TestNegativeIsZero(t *testing.T) {
	t.Parallel()
	var h Histogram
	h.Record(-time.Second)
	if got := h.Quantile(1); got != 0 || h.Count() != 1 {
		t.Errorf("got %s, %d; want 0s, 1", got, h.Count())
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	var a, b Histogram
	a.Record(time.Millisecond)
	b.Record(time.Second)
	b.Record(time.Second)
	a.Merge(&b)
	if a.Count() != 3 || a.Quantile(1) != time.Second || a.Quantile(0.3) > 1100*time.Microsecond {
		t.Errorf("count %d, max %s, low %s", a.Count(), a.Quantile(1), a.Quantile(0.3))
	}
}

// Every duration lies in the bucket that claims it, and buckets join up.
func TestBuckets(t *testing.T) {
	t.Parallel()
	for i := 1; i < buckets; i++ {
		low := upper(i-1) + 1
		if bucket(low) != i || bucket(upper(i)) != i {
			t.Fatalf("bucket %d: %d is in %d, %d is in %d", i, low, bucket(low), upper(i), bucket(upper(i)))
		}
	}
	if got := bucket(math.MaxInt64); got != buckets-1 {
		t.Errorf("the longest duration is in bucket %d of %d", got, buckets)
	}
}
