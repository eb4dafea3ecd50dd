package job

import (
	"testing"
	"time"
)

// TestPauses has the pauses of a kind with no wishes of its own: each about
// four times the one before, never twice the same, and a day in all.
func TestPauses(t *testing.T) {
	t.Parallel()
	var total time.Duration
	want := 15 * time.Second
	for attempt := 1; attempt < 8; attempt++ {
		var sum time.Duration
		seen := map[time.Duration]bool{}
		const n = 2000
		for range n {
			p := pause(15*time.Second, attempt)
			if p < want*3/4 || p > want*5/4 {
				t.Fatalf("after attempt %d: %s", attempt, p)
			}
			sum += p
			seen[p] = true
		}
		if mean := sum / n; mean < want*97/100 || mean > want*103/100 || len(seen) < n*9/10 {
			t.Errorf("after attempt %d: %s in the mean, %d of %d are different", attempt, mean, len(seen), n)
		}
		total += want
		want *= 4
	}
	if total < 22*time.Hour || total > 24*time.Hour {
		t.Errorf("%s in all", total)
	}
	if p := pause(time.Hour, 1000); p < 22*24*time.Hour || p > 38*24*time.Hour {
		t.Errorf("after a thousand: %s", p)
	}
}
