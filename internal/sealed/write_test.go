package sealed_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

var tenant, other = id.Tenant{1}, id.Tenant{2}

// TestTenantsBind takes a value of one sub-tenant, of another, and of none, and
// says that it is somebody else's.
func TestTenantsBind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, from := range []id.Tenant{{}, tenant, other} {
		for _, to := range []id.Tenant{{}, tenant, other} {
			kept, err := s.PutFor(t.Context(), s.db.Single(), from, "test", fmt.Sprint(from, to), []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			s.db.Exec(t, `update auth.sealed_values set sub_tenant_id = $2 where id = $1`, kept, to.Nullable())
			got, err := s.Open(t.Context(), s.db.Single(), kept)
			if opened := err == nil && string(got) == "x"; opened != (from == to) || err != nil && !errors.Is(err, keyring.ErrNotOpened) {
				t.Errorf("of %q, said to be of %q: %q, %v", from, to, got, err)
			}
		}
	}
}

// TestOpenFor refuses a value that is whole and where it belongs, and is not the
// one that was meant.
func TestOpenFor(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	mine, err := s.PutFor(ctx, s.db.Single(), tenant, "test", "mine", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		tenant           id.Tenant
		purpose, subject string
	}
	for place, want := range map[place]error{
		{tenant, "test", "mine"}: nil, {other, "test", "mine"}: keyring.ErrNotOpened, {id.Tenant{}, "test", "mine"}: keyring.ErrNotOpened,
		{tenant, "other", "mine"}: keyring.ErrNotOpened, {tenant, "test", "other"}: keyring.ErrNotOpened, {tenant, "", ""}: keyring.ErrNotOpened,
	} {
		got, err := s.OpenFor(ctx, s.db.Single(), mine, place.tenant, place.purpose, place.subject)
		if !errors.Is(err, want) || (err == nil) != (string(got) == "x") {
			t.Errorf("%+v: %q, %v", place, got, err)
		}
	}
	if _, err := s.OpenFor(ctx, s.db.Single(), id.Sealed{1}, tenant, "test", "mine"); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("no such value: %v", err)
	}
}

// TestRowsBind puts the envelope of a value that has been deleted in the place of
// one of the same purpose and subject that came after it.
func TestRowsBind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	old := s.put("a", "old")
	var envelope []byte
	s.db.Scan(t, `select envelope from auth.sealed_values where id = $1`, []any{old}, &envelope)
	if err := s.Delete(ctx, s.db.Single(), old); err != nil {
		t.Fatal(err)
	}
	kept := s.put("a", "new")
	s.holds(kept, 1, "new")
	s.db.Exec(t, `update auth.sealed_values set envelope = $2 where id = $1`, kept, envelope)
	if got, err := s.Open(ctx, s.db.Single(), kept); !errors.Is(err, keyring.ErrNotOpened) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestProves has a key shown to be the one that values are under, or not.
func TestProves(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.put("a", "x")
	wrong, err := keyring.New(1, map[uint32][]byte{1: material(9), 7: material(9)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ring    *keyring.Keyring
		version uint32
		want    bool
	}{{ring(t, 1, 1), 1, true}, {wrong, 1, false}, {wrong, 7, true}} {
		if got, err := sealed.Proves(t.Context(), s.db.Single(), c.ring, c.version); err != nil || got != c.want {
			t.Errorf("version %d: %v, %v", c.version, got, err)
		}
	}
}

func TestReplaceAndDelete(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	kept, err := s.PutFor(ctx, s.db.Single(), tenant, "test", "a", []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	stays := s.put("b", "stays")
	var before, after []byte
	s.db.Scan(t, `select envelope from auth.sealed_values where id = $1`, []any{kept}, &before)
	if err := s.Replace(ctx, s.db.Single(), kept, []byte("new")); err != nil {
		t.Fatal(err)
	}
	s.holds(kept, 1, "new")
	s.db.Scan(t, `select envelope from auth.sealed_values where id = $1 and sub_tenant_id is not null and updated_at > created_at`, []any{kept}, &after)
	if bytes.Equal(before[:keyring.HeadSize], after[:keyring.HeadSize]) {
		t.Error("the nonce was used again")
	}
	if err := s.Replace(ctx, s.db.Single(), id.Sealed{1}, []byte("x")); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("no such value: %v", err)
	}
	s.activate(2)
	if err := s.Replace(ctx, s.db.Single(), kept, []byte("newer")); err != nil {
		t.Fatal(err)
	}
	s.holds(kept, 2, "newer")

	if err := s.Delete(ctx, s.db.Single(), kept, id.Sealed{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(ctx, s.db.Single(), kept); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	if err := s.Replace(ctx, s.db.Single(), kept, []byte("x")); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("a deleted value is replaced: %v", err)
	}
	if err := s.Delete(ctx, s.db.Single()); err != nil {
		t.Errorf("nothing: %v", err)
	}
	s.holds(stays, 1, "stays")
}

// TestReplaceAndMoveAtOnce changes values while they are moved: no change is
// lost.
func TestReplaceAndMoveAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	var values []id.Sealed
	for i := range 40 {
		values = append(values, s.put(fmt.Sprint(i), "old"))
	}
	s.activate(2)
	b := s.batch()
	var wg sync.WaitGroup
	for _, kept := range values[:20] {
		wg.Go(func() {
			if err := s.Replace(ctx, s.db.Single(), kept, []byte("new")); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			if _, err := s.Move(ctx, s.db.Single(), b, 2); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, kept := range values {
		s.holds(kept, 2, map[bool]string{true: "new", false: "old"}[i < 20])
	}
}
