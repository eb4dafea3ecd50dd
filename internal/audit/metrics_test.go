package audit_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestUnsealedAge is that of the first record that waits, not of the newest; looks
// are five seconds apart.
func TestUnsealedAge(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	at := time.Now()
	l.Now = func() time.Time { return at }
	m := l.Metrics()
	if age := testutil.ToFloat64(m); age != 0 {
		t.Errorf("of an empty log: %v", age)
	}
	l.at(2, "now() - interval '10 minutes'")
	l.write(3)
	if age := testutil.ToFloat64(m); age != 0 {
		t.Errorf("it looked again at once: %v", age)
	}
	at = at.Add(5 * time.Second)
	if age := testutil.ToFloat64(m); age < 600 || age > 660 {
		t.Errorf("ten minutes are %v", age)
	}
	l.seal()
	at = at.Add(5 * time.Second)
	if age := testutil.ToFloat64(m); age != 0 {
		t.Errorf("when all are sealed: %v", age)
	}
}
