package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fluxbase/fluxbase/internal/password/digest"
)

var cheap = digest.Scheme{Name: digest.Bcrypt, Cost: 4, Memory: 64, Iterations: 1, Parallelism: 1}

func newService(t *testing.T, workers, queue int) *Service {
	t.Helper()
	s, err := NewService(NewPool(workers, queue), Policy{MinLength: 8}, cheap)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerify(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newService(t, 2, 8)
	hash := func(password string) string {
		text, err := s.Hash(ctx, password)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	kept, longest := hash("correct horse"), hash(strings.Repeat("x", 72))
	if stale, err := s.Verify(ctx, kept, "correct horse"); err != nil || stale {
		t.Errorf("control: stale %v, %v", stale, err)
	}
	if _, err := s.Verify(ctx, longest, strings.Repeat("x", 72)); err != nil {
		t.Errorf("control: the longest: %v", err)
	}
	for name, c := range map[string][2]string{
		"another password": {kept, "correct horsf"}, "nobody's": {"", "correct horse"},
		"the dummy's":                          {"", "nobody has this password"},
		"cut to 72 bytes":                      {longest, strings.Repeat("x", 73)},
		"a key that bcrypt takes for the same": {kept, "correct horse\x00correct horse"},
		"an imported digest of nothing":        {"{SSHA}spXRFxNal2PaKC59rnOlyn0+WxFzYWx0", ""}, // base64 of sha1("salt") and "salt"
	} {
		if stale, err := s.Verify(ctx, c[0], c[1]); !errors.Is(err, ErrMismatch) || stale {
			t.Errorf("%s: stale %v, %v", name, stale, err)
		}
	}
	if _, err := s.Verify(ctx, "not a digest", "x"); !errors.Is(err, ErrScheme) {
		t.Errorf("a broken digest: %v", err)
	}
	if err := Recognize("not a digest"); !errors.Is(err, ErrScheme) {
		t.Errorf("a broken digest is recognized: %v", err)
	}
	if err := Recognize(kept); err != nil {
		t.Errorf("control: our own digest is not: %v", err)
	}
}

// TestStale has the same password under other schemes and costs than configured,
// and a wrong one, which says nothing.
func TestStale(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newService(t, 2, 8)
	argon, costly := cheap, cheap
	argon.Name, costly.Cost = digest.Argon2id, 5
	for name, scheme := range map[string]digest.Scheme{"argon2id": argon, "another cost": costly, "the same": cheap} {
		text, err := scheme.Hash("correct horse", func() {})
		if err != nil {
			t.Fatal(err)
		}
		if stale, err := s.Verify(ctx, text, "correct horse"); err != nil || stale != (scheme != cheap) {
			t.Errorf("%s: stale %v, %v", name, stale, err)
		}
		if stale, err := s.Verify(ctx, text, "wrong horse"); !errors.Is(err, ErrMismatch) || stale {
			t.Errorf("%s: a wrong password: stale %v, %v", name, stale, err)
		}
	}
}

// TestUnknownUsersCostTheSame looks at what a password of nobody's is compared
// with, and that it takes a worker like any other, as does one that nobody can
// have.
func TestUnknownUsersCostTheSame(t *testing.T) {
	t.Parallel()
	argon := cheap
	argon.Name = digest.Argon2id
	for _, scheme := range []digest.Scheme{cheap, argon} {
		s, err := NewService(NewPool(1, 0), Policy{}, scheme)
		if err != nil {
			t.Fatal(err)
		}
		if !scheme.Made(s.dummy) {
			t.Errorf("%s: the dummy is of another scheme or cost: %+v", scheme.Name, s.dummy)
		}
		kept, err := scheme.Hash("correct horse", func() {})
		if err != nil {
			t.Fatal(err)
		}
		release := occupy(t, s.Pool)
		defer release()
		for name, c := range map[string][2]string{
			"unknown": {"", "correct horse"}, "too long": {kept, strings.Repeat("x", 73)}, "empty": {kept, ""}, "known": {kept, "correct horse"},
		} {
			if _, err := s.Verify(context.Background(), c[0], c[1]); !errors.Is(err, ErrBusy) {
				t.Errorf("%s, %s: no worker was needed: %v", scheme.Name, name, err)
			}
		}
	}
}

func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	p := NewPool(1, 1)
	release := occupy(t, p)
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan error)
	ran := false
	go func() { waiting <- p.Do(ctx, func(func()) { ran = true }) }()
	for len(p.jobs) == 0 { // until it waits in the queue
	}
	if err := p.Do(context.Background(), func(func()) {}); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the queue: %v", err)
	}
	const want = `
# HELP fluxbase_hash_pool_pending Work that waits for a worker or is under way.
# TYPE fluxbase_hash_pool_pending gauge
fluxbase_hash_pool_pending 2
# HELP fluxbase_hash_pool_queue_max How much work may wait for a worker; what comes on top is refused.
# TYPE fluxbase_hash_pool_queue_max gauge
fluxbase_hash_pool_queue_max 1
# HELP fluxbase_hash_pool_workers Workers that hash passwords.
# TYPE fluxbase_hash_pool_workers gauge
fluxbase_hash_pool_workers 1
`
	if err := testutil.CollectAndCompare(p, strings.NewReader(want), "fluxbase_hash_pool_pending", "fluxbase_hash_pool_queue_max", "fluxbase_hash_pool_workers"); err != nil {
		t.Error(err)
	}
	if p.refused.Load() == 0 {
		t.Error("no refusal is counted")
	}
	cancel()
	release()
	if err := <-waiting; !errors.Is(err, context.Canceled) || ran {
		t.Errorf("somebody who has left: %v, ran %v", err, ran)
	}
	if err := p.Do(context.Background(), func(func()) { ran = true }); err != nil || !ran {
		t.Errorf("control: afterwards: %v, ran %v", err, ran)
	}
}

// occupy keeps a worker busy until release is called.
func occupy(t *testing.T, p *Pool) (release func()) {
	t.Helper()
	started, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			err := p.Do(context.Background(), func(func()) { close(started); <-end })
			if !errors.Is(err, ErrBusy) { // the worker may not be there yet
				return
			}
		}
	})
	<-started
	return func() { close(end); wg.Wait() }
}

// TestWorkPausesWhileOthersAreServed has work of a millisecond between two
// pauses, by a clock of the test's own.
func TestWorkPausesWhileOthersAreServed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy func(after time.Duration) bool
		want time.Duration // that 50 ms of work take
	}{
		"nobody":              {func(time.Duration) bool { return false }, 50 * time.Millisecond},
		"somebody for a time": {func(after time.Duration) bool { return after < 30*time.Millisecond }, 77 * time.Millisecond},
		"somebody all along":  {func(time.Duration) bool { return true }, 4*50*time.Millisecond + patience},
	} {
		began := time.Now()
		at := began
		pause := (&Pool{
			Busy: func() bool { return c.busy(at.Sub(began)) },
			now:  func() time.Time { return at }, sleep: func(d time.Duration) { at = at.Add(d) },
		}).pauses()
		for range 50 {
			at = at.Add(time.Millisecond)
			pause()
		}
		if took := at.Sub(began); took < c.want-5*time.Millisecond || took > c.want+5*time.Millisecond {
			t.Errorf("%s: 50 ms of work took %s, want about %s", name, took, c.want)
		}
	}
}
