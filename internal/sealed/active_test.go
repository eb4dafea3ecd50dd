package sealed_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// TestNothingIsSealedUnderAnotherKey asks programs that have not heard, and
// never hear, which key is active.
func TestNothingIsSealedUnderAnotherKey(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	kept := s.put("kept", "old")
	for _, version := range []uint32{2, 3} { // on standby, rolled back
		stale := under(version)
		_, put := stale.Put(ctx, s.db.Single(), "test", "new", []byte("x"))
		_, ensured := stale.Ensure(ctx, s.db.Single(), "test", "new", func() []byte { return []byte("x") })
		for what, err := range map[string]error{"put": put, "ensured": ensured, "replaced": stale.Replace(ctx, s.db.Single(), kept, []byte("x"))} {
			if !errors.Is(err, sealed.ErrNotActive) || fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%s under version %d: %v", what, version, err)
			}
		}
		if got, err := stale.Ensure(ctx, s.db.Single(), "test", "kept", nil); err != nil || string(got) != "old" {
			t.Errorf("what is there is not read: %q, %v", got, err)
		}
	}
	s.holds(kept, 1, "old")
	var n int
	if s.db.Scan(t, `select count(*) from auth.sealed_values where purpose = 'test'`, nil, &n); n != 1 {
		t.Errorf("%d values", n)
	}
}

// learning are keys that change when they are asked for again.
type learning struct {
	mu      sync.Mutex
	rings   []*keyring.Keyring
	reloads int
}

func (l *learning) Keyring() *keyring.Keyring {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rings[0]
}

func (l *learning) Reload(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reloads++
	if len(l.rings) > 1 {
		l.rings = l.rings[1:]
	}
	return nil
}

func ring(t *testing.T, active uint32, versions ...uint32) *keyring.Keyring {
	t.Helper()
	keys := map[uint32][]byte{}
	for _, v := range versions {
		keys[v] = material(v)
	}
	k, err := keyring.New(active, keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestStaleKeysAreLearntAnew has a program meet a key that it has not heard of.
func TestStaleKeysAreLearntAnew(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	old := s.put("old", "old")
	s.activate(2)
	newer := s.put("newer", "newer")

	keys := &learning{rings: []*keyring.Keyring{ring(t, 1, 1), ring(t, 2, 1, 2)}}
	late := &sealed.Service{Keys: keys, Now: time.Now}
	kept, err := late.Put(ctx, s.db.Single(), "test", "late", []byte("late"))
	if err != nil || keys.reloads != 1 {
		t.Fatalf("%v after asking %d times", err, keys.reloads)
	}
	s.holds(kept, 2, "late")

	keys = &learning{rings: []*keyring.Keyring{ring(t, 1, 1), ring(t, 2, 1, 2)}}
	late = &sealed.Service{Keys: keys, Now: time.Now}
	for kept, want := range map[id.Sealed]string{newer: "newer", old: "old"} {
		if got, err := late.Open(ctx, s.db.Single(), kept); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if keys.reloads != 1 {
		t.Errorf("asked %d times", keys.reloads)
	}
	keys = &learning{rings: []*keyring.Keyring{ring(t, 1, 1)}}
	late = &sealed.Service{Keys: keys, Now: time.Now}
	if _, err := late.Open(ctx, s.db.Single(), newer); !errors.Is(err, keyring.ErrNoKey) || keys.reloads != 1 {
		t.Errorf("a key that nobody gives it: %v after asking %d times", err, keys.reloads)
	}
}

// TestActivationWaitsForWhatIsBeingSealed: whoever has counted nothing under an
// old key may rely on it.
func TestActivationWaitsForWhatIsBeingSealed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	activated := make(chan error, 1)
	err := s.db.InTx(ctx, func(q postgres.Querier) error {
		if _, err := s.Put(ctx, q, "test", "under way", []byte("x")); err != nil {
			return err
		}
		go func() {
			_, err := s.db.Single().Exec(ctx, `update auth.encryption_keys set state = 'retired' where state = 'active'`)
			activated <- err
		}()
		select {
		case err := <-activated:
			t.Error("the key was retired under a value that is being sealed")
			activated <- err
		case <-time.After(100 * time.Millisecond):
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-activated; err != nil {
		t.Error(err)
	}
}
