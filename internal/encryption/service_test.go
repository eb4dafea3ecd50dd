package encryption_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// hanging is a key management service that does not answer.
type hanging struct{ failing }

func (h *hanging) Unwrap(ctx context.Context, w keyring.Wrapped, b map[string]string) ([]byte, error) {
	if h.err != nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.failing.Unwrap(ctx, w, b)
}

// An instance whose service hangs is there, without the new key: no key becomes
// active that it does not have.
func TestHangingServiceMakesNobodyGone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	with := func(w keyring.Wrapper) *encryption.Service {
		s := service(db, 0, configured(1)...)
		s.Provider = "vault"
		s.Wrapper = func(context.Context, string) (keyring.Wrapper, error) { return w, nil }
		return s
	}
	kms, stuck := &failing{}, &hanging{}
	a, b := open(t, with(kms)), open(t, with(stuck))
	stuck.err = errors.New("hangs")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, s := range []*encryption.Service{a, b} {
		running.Go(func() { s.Run(ctx, func(context.Context) {}) })
	}
	version, err := a.Generate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Notified("")
	db.Exec(t, `update auth.instances set seen_at = now() - interval '16 seconds' where id = $1`, b.Instance())
	db.Exec(t, `update auth.instances set steady_since = now() - interval '1 hour'`)
	time.Sleep(6 * time.Second) // one beat, while the service hangs for longer
	if lacking, err := a.Lacking(t.Context(), version); err != nil || len(lacking) != 1 {
		t.Errorf("lacking: %v, %v", lacking, err)
	}
	stop()
	running.Wait()
}

// What comes after a rollback from a key of a service is for the operator to say.
func TestRollBackFromAService(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	kms := &failing{}
	with := func() *encryption.Service {
		s := service(db, 0, configured(1)...)
		s.Provider = "vault"
		s.Wrapper = func(context.Context, string) (keyring.Wrapper, error) { return kms, nil }
		return s
	}
	s := open(t, with())
	if s.ActiveVersion() != 2 {
		t.Fatalf("version %d", s.ActiveVersion())
	}
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		_, err := s.RollBack(t.Context(), q, 1, "the test")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if again := open(t, with()); again.ActiveVersion() != 1 {
		t.Errorf("version %d became active by itself", again.ActiveVersion())
	}
	var keys int
	db.Scan(t, `select count(*) from auth.encryption_keys`, nil, &keys)
	if keys != 2 {
		t.Errorf("%d keys", keys)
	}
}

// failing is a key management service that can be switched off.
type failing struct {
	keyring.Wrapper
	calls int
	err   error
}

func (f *failing) Wrap(ctx context.Context, k []byte, b map[string]string) (keyring.Wrapped, error) {
	if f.calls++; f.err != nil {
		return keyring.Wrapped{}, f.err
	}
	return keyring.Wrapped{KeyID: "kms key", Ciphertext: append(bytes.Clone(k), b["fluxbase_key_version"]...)}, nil
}

func (f *failing) Unwrap(_ context.Context, w keyring.Wrapped, b map[string]string) ([]byte, error) {
	if f.calls++; f.err != nil {
		return nil, f.err
	}
	return bytes.TrimSuffix(w.Ciphertext, []byte(b["fluxbase_key_version"])), nil
}

func TestKeyManagementService(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	kms := &failing{}
	with := func(active uint32, keys ...encryption.Configured) *encryption.Service {
		s := service(db, active, keys...)
		s.Provider = "aws_kms"
		s.Wrapper = func(context.Context, string) (keyring.Wrapper, error) { return kms, nil }
		return s
	}
	first := open(t, with(2, configured(1)...))
	if first.ActiveVersion() != 2 {
		t.Errorf("version %d", first.ActiveVersion())
	}
	asked := kms.calls
	for i := range 20 {
		put(t, db, first, fmt.Sprint(i))
		get(t, db, first, fmt.Sprint(i))
	}
	if err := first.Reload(t.Context()); err != nil || kms.calls != asked {
		t.Errorf("asked %d times for values that were sealed and opened, %v", kms.calls-asked, err)
	}
	second := open(t, with(2, configured(1)...))
	get(t, db, second, "1")
	if kms.calls != asked+1 {
		t.Errorf("asked %d times to open one key", kms.calls-asked)
	}
	kms.err = errors.New("unreachable")
	wantRefused(t, with(2, configured(1)...), "version 2 is missing", "20 sealed values", "unreachable")
	get(t, db, second, "2")
	if err := second.Reload(t.Context()); err != nil {
		t.Errorf("a service that is away matters to whoever has the key: %v", err)
	}
}
