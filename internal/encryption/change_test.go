package encryption_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// A value that is being sealed while the key changes is under the old key
// before the change, or under the new one after it.
func TestSealingAndChangingKeysExcludeEachOther(t *testing.T) {
	t.Parallel()
	for name, seal := range map[string]func(t *testing.T, v *sealed.Service, q postgres.Querier, kept id.Sealed) error{
		"put": func(t *testing.T, v *sealed.Service, q postgres.Querier, _ id.Sealed) error {
			t.Helper()
			_, err := v.Put(t.Context(), q, "test", "a", []byte("x"))
			return err
		},
		"replace": func(t *testing.T, v *sealed.Service, q postgres.Querier, kept id.Sealed) error {
			t.Helper()
			return v.Replace(t.Context(), q, kept, []byte("x"))
		},
		"ensure": func(t *testing.T, v *sealed.Service, q postgres.Querier, _ id.Sealed) error {
			t.Helper()
			_, err := v.Ensure(t.Context(), q, "test", "b", func() []byte { return []byte("x") })
			return err
		},
		"move": func(t *testing.T, v *sealed.Service, q postgres.Querier, _ id.Sealed) error {
			t.Helper()
			batch, err := v.Read(t.Context(), q, 1, id.Sealed{}, 10, 1<<20)
			if err == nil {
				_, err = v.Move(t.Context(), q, batch, 2)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			s := open(t, service(db, 0, configured(1, 2, 3)...))
			values := &sealed.Service{Keys: s, Now: time.Now}
			kept, err := values.Put(t.Context(), db.Single(), "test", "kept", []byte("x"))
			if err == nil {
				err = s.Activate(t.Context(), 2)
			}
			if err != nil {
				t.Fatal(err)
			}
			changed := make(chan error, 1)
			err = db.InTx(t.Context(), func(q postgres.Querier) error {
				if err := seal(t, values, q, kept); err != nil {
					return err
				}
				go func() { changed <- s.Activate(context.WithoutCancel(t.Context()), 3) }()
				select {
				case err := <-changed:
					t.Errorf("the key changed under a transaction that seals: %v", err)
					changed <- err
				case <-time.After(300 * time.Millisecond):
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-changed; err != nil {
				t.Error(err)
			}
		})
	}
}

// A program that has not heard that another key is active seals under the active
// one all the same.
func TestStaleSealers(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	values := &sealed.Service{Keys: open(t, service(db, 0, configured(1, 2)...)), Now: time.Now}
	kept, err := values.Put(t.Context(), db.Single(), "test", "replaced", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for subject, seal := range map[string]func(v *sealed.Service) error{
		"put": func(v *sealed.Service) error {
			_, err := v.Put(t.Context(), db.Single(), "test", "put", []byte("x"))
			return err
		},
		"replaced": func(v *sealed.Service) error { return v.Replace(t.Context(), db.Single(), kept, []byte("y")) },
		"ensured": func(v *sealed.Service) error {
			_, err := v.Ensure(t.Context(), db.Single(), "test", "ensured", func() []byte { return []byte("x") })
			return err
		},
	} {
		db.Exec(t, `update auth.encryption_keys set state = 'standby', activated_at = null where version = 2`)
		db.Exec(t, `update auth.encryption_keys set state = 'active' where version = 1`)
		stale, other := open(t, service(db, 0, configured(1, 2)...)), open(t, service(db, 0, configured(1, 2)...))
		if err := other.Activate(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if stale.ActiveVersion() != 1 {
			t.Fatal("it has heard")
		}
		if err := seal(&sealed.Service{Keys: stale, Now: time.Now}); err != nil {
			t.Error(err)
		}
		if v := versionOf(t, db, subject); v != 2 {
			t.Errorf("%s under %d", subject, v)
		}
	}
}

// sealers keep values until stop is called, in transactions that overlap.
func sealers(t *testing.T, db *pgtest.Database, s *encryption.Service) (stop func()) {
	t.Helper()
	door, err := postgres.Open(t.Context(), postgres.Config{OwnerURL: db.OwnerURL, MaxConns: 20})
	if err != nil {
		t.Fatal(err)
	}
	values := &sealed.Service{Keys: s, Now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				err := door.InTx(context.WithoutCancel(ctx), func(q postgres.Querier) error {
					_, err := values.Put(context.WithoutCancel(ctx), q, "test", fmt.Sprint(n, " ", i), []byte("x"))
					time.Sleep(50 * time.Millisecond)
					return err
				})
				if err != nil {
					t.Errorf("keeping a value: %v", err)
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		door.Close()
	}
}

// Transactions that seal one after the other, so that there is no moment
// without one, do not keep a key from becoming active, nor a rollback.
func TestNoGapIsNeeded(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 0, configured(1, 2)...))
	stop := sealers(t, db, s)
	began := time.Now()
	time.Sleep(200 * time.Millisecond)
	if err := s.Activate(t.Context(), 2); err != nil {
		t.Error(err)
	}
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		_, err := s.RollBack(t.Context(), q, 1, "for the test")
		return err
	})
	if took := time.Since(began); err != nil || took > 3*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	stop()
}

// A transaction that has sealed something and does not end holds up a change
// of keys, and nobody else.
func TestTransactionThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 0, configured(1, 2)...))
	values := &sealed.Service{Keys: s, Now: time.Now}
	var opened *encryption.Service
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if _, err := values.Put(t.Context(), q, "test", "stuck", []byte("x")); err != nil {
			return err
		}
		changed := make(chan error, 1)
		go func() { changed <- s.Activate(context.WithoutCancel(t.Context()), 2) }()
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		put(t, db, s, "meanwhile")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("somebody else waited for %s", took)
		}
		if err := <-changed; !errors.Is(err, encryption.ErrBusy) {
			t.Errorf("the change ended with %v", err)
		}
		opened = open(t, service(db, 2, configured(1, 2)...))
		if v := opened.ActiveVersion(); v != 1 {
			t.Errorf("version %d is active", v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Reload(t.Context()); err != nil || opened.ActiveVersion() != 2 {
		t.Errorf("version %d is active, %v", opened.ActiveVersion(), err)
	}
}
