package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/internal/fault"
)

func newService(t *testing.T, workers, queue int) *Service {
	t.Helper()
	s, err := NewService(NewPool(workers, queue), Policy{MinLength: 8}, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPolicyCountsCodePointsAndBytes(t *testing.T) {
	t.Parallel()
	p := Policy{MinLength: 8}
	for password, ok := range map[string]bool{
		"1234567": false, "12345678": true, "äöüäöüä": false, "äöüäöüäö": true, "🔑🔑🔑🔑🔑🔑🔑🔑": true,
		strings.Repeat("x", 72): true, strings.Repeat("x", 73): false, strings.Repeat("ä", 36): true, strings.Repeat("ä", 37): false,
		"\xff2345678": false, "        ": true,
	} {
		err := p.Check("/password", password)
		if (err == nil) != ok {
			t.Errorf("%q: %v", password, err)
		}
		if f := fault.From(err); err != nil && (f.Code != "weak_password" || f.Fields[0].Pointer != "/password") {
			t.Errorf("%q: %+v", password, f)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newService(t, 2, 8)
	digest, err := s.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ctx, digest, "correct horse"); err != nil {
		t.Errorf("control: %v", err)
	}
	longest, err := s.Hash(ctx, strings.Repeat("x", 72))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"another password": {digest, "correct horsf"}, "nobody's": {"", "correct horse"},
		"the dummy's":     {"", "nobody has this password"},
		"cut to 72 bytes": {longest, strings.Repeat("x", 73)},
	} {
		if err := s.Verify(ctx, c[0], c[1]); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Verify(ctx, "not a digest", "x"); err == nil || errors.Is(err, ErrMismatch) {
		t.Errorf("a broken digest: %v", err)
	}
}

// TestUnknownUsersCostTheSame looks at what a password of nobody's is compared
// with, and that it takes a worker like any other.
func TestUnknownUsersCostTheSame(t *testing.T) {
	t.Parallel()
	s, err := NewService(NewPool(1, 0), Policy{}, bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost(s.dummy); err != nil || cost != s.Cost {
		t.Errorf("the dummy costs %d, others %d (%v)", cost, s.Cost, err)
	}
	release := occupy(t, s.Pool)
	defer release()
	if err := s.Verify(context.Background(), "", "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("no worker was needed: %v", err)
	}
}

func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	p := NewPool(1, 1)
	release := occupy(t, p)
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan error)
	ran := false
	go func() { waiting <- p.Do(ctx, func() { ran = true }) }()
	for len(p.jobs) == 0 { // until it waits in the queue
	}
	if err := p.Do(context.Background(), func() {}); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the queue: %v", err)
	}
	cancel()
	release()
	if err := <-waiting; !errors.Is(err, context.Canceled) || ran {
		t.Errorf("somebody who has left: %v, ran %v", err, ran)
	}
	if err := p.Do(context.Background(), func() { ran = true }); err != nil || !ran {
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
			err := p.Do(context.Background(), func() { close(started); <-end })
			if !errors.Is(err, ErrBusy) { // the worker may not be there yet
				return
			}
		}
	})
	<-started
	return func() { close(end); wg.Wait() }
}
