package sealed_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// material is the key of a version: the database's own, or one for the test.
func material(version uint32) []byte {
	if version == 1 {
		return pgtest.SecretKey()
	}
	key := sha256.Sum256(fmt.Append(nil, "test key ", version))
	return key[:]
}

// under seals under a version, and opens what is under 1, 2 and 3.
func under(active uint32) *sealed.Service {
	return pgtest.SealedUnder(active, map[uint32][]byte{1: material(1), 2: material(2), 3: material(3)})
}

// store is the sealed values of one database.
type store struct {
	*sealed.Service

	t  *testing.T
	db *pgtest.Database
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{under(1), t, pgtest.New(t)}
	s.db.Exec(t, `insert into auth.encryption_keys (version, source, check_value, state)
		values (2, 'configuration', '', 'standby'), (3, 'configuration', '', 'rolled_back')`)
	return s
}

// activate makes a version the active one.
func (s *store) activate(version uint32) {
	s.t.Helper()
	s.db.Exec(s.t, `update auth.encryption_keys set state = 'retired' where state = 'active'`)
	s.db.Exec(s.t, `update auth.encryption_keys set state = 'active' where version = $1`, version)
	s.Service = under(version)
}

func (s *store) put(subject, value string) id.Sealed {
	s.t.Helper()
	kept, err := s.Put(s.t.Context(), s.db.Single(), "test", subject, []byte(value))
	if err != nil {
		s.t.Fatal(err)
	}
	return kept
}

// holds expects a value under a key version.
func (s *store) holds(kept id.Sealed, version int, want string) {
	s.t.Helper()
	got, err := s.Open(s.t.Context(), s.db.Single(), kept)
	if err != nil || string(got) != want {
		s.t.Errorf("%q, %v; want %q", got, err, want)
	}
	var inColumn, inEnvelope int
	s.db.Scan(s.t, `select key_version, get_byte(envelope, 4) from auth.sealed_values where id = $1`, []any{kept}, &inColumn, &inEnvelope)
	if inColumn != version || inEnvelope != version {
		s.t.Errorf("%q is under version %d in the column and %d in the envelope; want %d", want, inColumn, inEnvelope, version)
	}
}

// batch reads what the test has put under version 1.
func (s *store) batch() sealed.Batch {
	s.t.Helper()
	s.db.Exec(s.t, `delete from auth.sealed_values where purpose = 'database_login'`)
	b, err := s.Read(s.t.Context(), s.db.Single(), 1, id.Sealed{}, 100, 1<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// moves moves a batch to version 2.
func (s *store) moves(b sealed.Batch, want string) {
	s.t.Helper()
	m, err := s.Move(s.t.Context(), s.db.Single(), b, 2)
	if got := fmt.Sprintf("%d moved, %d already, %d damaged", m.Moved, m.Already, len(m.Damaged)); err != nil || got != want {
		s.t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// TestMoveWritesOverNothing changes values between the reading and the writing
// of those that move them, in every way there is.
func TestMoveWritesOverNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	moved, replaced, again, deleted, remade, same := s.put("moved", "a"), s.put("replaced", "b"), s.put("again", "c"), s.put("deleted", "d"), s.put("remade", "e"), s.put("same", "f")
	s.activate(2)
	b := s.batch()
	if b.Len() != 6 {
		t.Fatalf("%d values", b.Len())
	}
	if err := s.Replace(ctx, s.db.Single(), replaced, []byte("new")); err != nil {
		t.Fatal(err)
	}
	s.activate(1) // as somebody who has not heard of the new version would
	for kept, value := range map[id.Sealed]string{again: "newer", same: "f"} {
		if err := s.Replace(ctx, s.db.Single(), kept, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(ctx, s.db.Single(), deleted, remade); err != nil {
		t.Fatal(err)
	}
	anew := s.put("remade", "anew")
	s.activate(2)
	s.moves(b, "1 moved, 1 already, 0 damaged")
	s.holds(moved, 2, "a")
	s.holds(replaced, 2, "new")
	s.holds(again, 1, "newer")
	s.holds(same, 1, "f")
	s.holds(anew, 1, "anew")
	for _, gone := range []id.Sealed{deleted, remade} {
		if got, err := s.Open(ctx, s.db.Single(), gone); !errors.Is(err, sealed.ErrNotFound) {
			t.Errorf("a deleted value is back: %q, %v", got, err)
		}
	}
	// What was written meanwhile is met by the next reading, and then it is done.
	s.moves(s.batch(), "3 moved, 0 already, 0 damaged")
	s.moves(b, "0 moved, 4 already, 0 damaged")
	s.holds(again, 2, "newer")
	s.holds(anew, 2, "anew")
	if s.batch().Len() != 0 {
		t.Error("something is left")
	}
}

// TestMoveNeedsTheActiveKey: what is moved to another one would have to be moved
// again, and nobody would know.
func TestMoveNeedsTheActiveKey(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	kept := s.put("a", "a")
	b := s.batch()
	for _, version := range []uint32{2, 3} {
		if m, err := s.Move(t.Context(), s.db.Single(), b, version); !errors.Is(err, sealed.ErrNotActive) || m.Moved != 0 {
			t.Errorf("to version %d: %+v, %v", version, m, err)
		}
	}
	s.holds(kept, 1, "a")
	for name, keys := range map[string]*sealed.Service{
		"without the new key": pgtest.Secrets(),
		"without the old key": pgtest.SealedUnder(2, map[uint32][]byte{2: material(2)}),
	} {
		if m, err := keys.Move(t.Context(), s.db.Single(), b, 2); !errors.Is(err, keyring.ErrNoKey) || m.Moved != 0 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	s.activate(2)
	s.moves(b, "1 moved, 0 already, 0 damaged")
	s.holds(kept, 2, "a")
}

// TestDamagedValuesStay moves what opens and touches nothing else.
func TestDamagedValuesStay(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	flipped, cut, good, elsewhere, mislabelled := s.put("flipped", "a"), s.put("cut", "b"), s.put("good", "c"), s.put("elsewhere", "d"), s.put("mislabelled", "e")
	s.db.Exec(t, `update auth.sealed_values set envelope = set_byte(envelope, 20, get_byte(envelope, 20) # 1) where id = $1`, flipped)
	s.db.Exec(t, `update auth.sealed_values set envelope = substr(envelope, 1, 10) where id = $1`, cut)
	s.db.Exec(t, `update auth.sealed_values set sub_tenant_id = gen_random_uuid() where id = $1`, elsewhere)
	s.db.Exec(t, `update auth.sealed_values set envelope = set_byte(envelope, 4, 9) where id = $1`, mislabelled)
	var before, after []byte
	const damaged = `select string_agg(envelope, '' order by id) from auth.sealed_values where id <> $1`
	s.activate(2)
	b := s.batch()
	s.db.Scan(t, damaged, []any{good}, &before)
	s.moves(b, "1 moved, 0 already, 4 damaged")
	s.holds(good, 2, "c")
	if s.db.Scan(t, damaged, []any{good}, &after); string(before) != string(after) {
		t.Error("what does not open was written")
	}
}
