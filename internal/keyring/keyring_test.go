package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// material returns the bytes of a test key.
func material(seed byte) []byte { return bytes.Repeat([]byte{seed, ^seed}, KeySize/2) }

func ring(tb testing.TB, active uint32, keys map[uint32][]byte) *Keyring {
	tb.Helper()
	k, err := New(active, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func one(tb testing.TB) *Keyring {
	tb.Helper()
	return ring(tb, 1, map[uint32][]byte{1: material(1)})
}

var here = Binding{Table: "auth.sealed_values", Column: "envelope", Row: "r1", Purpose: "signing_key", Subject: "k1", Tenant: "t1"}

func wantOpens(t *testing.T, k *Keyring, b Binding, envelope []byte, want string) {
	t.Helper()
	got, err := k.Open(b, envelope)
	if err != nil || string(got) != want {
		t.Errorf("Open = %q, %v; want %q", got, err, want)
	}
}

func wantRefused(t *testing.T, k *Keyring, b Binding, envelope []byte, why error) {
	t.Helper()
	if got, err := k.Open(b, envelope); !errors.Is(err, why) || got != nil {
		t.Errorf("Open = %q, %v; want %v", got, err, why)
	}
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	t.Parallel()
	k := one(t)
	for _, plaintext := range []string{"", "x", "hunter2", strings.Repeat("\x00\xff", 1<<16)} {
		envelope := k.Seal(here, []byte(plaintext))
		if len(envelope) != len(plaintext)+Overhead {
			t.Errorf("an envelope of %d bytes for %d", len(envelope), len(plaintext))
		}
		wantOpens(t, k, here, envelope, plaintext)
	}
}

func TestEnvelopeHidesPlaintextAndNamesVersion(t *testing.T) {
	t.Parallel()
	k := ring(t, 0x01020304, map[uint32][]byte{0x01020304: material(1)})
	envelope := k.Seal(here, []byte("hunter2hunter2"))
	if bytes.Contains(envelope, []byte("hunter2")) {
		t.Error("the plaintext lies in the envelope")
	}
	if !bytes.HasPrefix(envelope, []byte{1, 1, 2, 3, 4}) || k.ActiveVersion() != 0x01020304 {
		t.Errorf("the envelope begins with % x", envelope[:5])
	}
}

// Each part is changed alone, so that one left out of the binding is noticed.
func TestEveryPartOfTheBindingBinds(t *testing.T) {
	t.Parallel()
	k := one(t)
	envelope := k.Seal(here, []byte("x"))
	wantOpens(t, k, here, envelope, "x")
	for i := range reflect.TypeFor[Binding]().NumField() {
		for _, change := range []func(string) string{
			func(s string) string { return s + "x" },
			func(s string) string { return s[1:] },
			strings.ToUpper,
			func(string) string { return "" },
			func(s string) string { return s + "\x00" },
		} {
			other := here
			field := reflect.ValueOf(&other).Elem().Field(i)
			field.SetString(change(field.String()))
			wantRefused(t, k, other, envelope, ErrNotOpened)
		}
	}
}

// Text that moves from one part to the next makes another place.
func TestPartsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	k := one(t)
	seen := map[string]Binding{}
	for _, b := range []Binding{
		{"ab", "c", "d", "e", "f", ""},
		{"a", "bc", "d", "e", "f", ""},
		{"a", "b", "cd", "e", "f", ""},
		{"a", "b", "c", "de", "f", ""},
		{"abcdef", "", "", "", "", ""},
		{"", "", "", "", "abcdef", ""},
		{"ab", "c", "d", "ef", "", ""},
		{"a", "\x00\x00\x00\x01b", "c", "d", "e", ""},
		{"ab", "c", "d", "e", "", "f"},
		{"ab", "c", "d", "e", "f", "\x00"},
		{"a\x00\x00\x00\x01b", "", "c", "d", "e", ""},
		{},
	} {
		data := string(b.associated(nil, 1))
		if twin, twice := seen[data]; twice {
			t.Errorf("%+v and %+v are one place", b, twin)
		}
		seen[data] = b
	}
	wantRefused(t, k, Binding{"a", "bc", "d", "e", "f", ""}, k.Seal(Binding{"ab", "c", "d", "e", "f", ""}, nil), ErrNotOpened)
}

// Both versions have one key, so only the binding tells them apart.
func TestVersionBinds(t *testing.T) {
	t.Parallel()
	k := ring(t, 1, map[uint32][]byte{1: material(1), 2: material(1)})
	envelope := k.Seal(here, []byte("x"))
	wantOpens(t, k, here, envelope, "x")
	binary.BigEndian.PutUint32(envelope[1:], 2)
	wantRefused(t, k, here, envelope, ErrNotOpened)
}

func TestOldVersionsOpenUnderANewActiveKey(t *testing.T) {
	t.Parallel()
	old := one(t)
	envelope := old.Seal(here, []byte("x"))
	rotated := ring(t, 2, map[uint32][]byte{1: material(1), 2: material(2)})
	wantOpens(t, rotated, here, envelope, "x")

	fresh := rotated.Seal(here, []byte("y"))
	wantOpens(t, rotated, here, fresh, "y")
	wantRefused(t, old, here, fresh, ErrNoKey)
}

func TestUnknownVersionIsNoKey(t *testing.T) {
	t.Parallel()
	k := one(t)
	for _, version := range []uint32{0, 2, 1 << 24, 1<<32 - 1} {
		envelope := k.Seal(here, []byte("x"))
		binary.BigEndian.PutUint32(envelope[1:], version)
		wantRefused(t, k, here, envelope, ErrNoKey)
	}
}

func TestOtherKeyMaterialDoesNotOpen(t *testing.T) {
	t.Parallel()
	envelope := one(t).Seal(here, []byte("x"))
	for i := range KeySize {
		key := material(1)
		key[i] ^= 1
		wantRefused(t, ring(t, 1, map[uint32][]byte{1: key}), here, envelope, ErrNotOpened)
	}
}

func TestTruncatedDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := one(t)
	for _, plaintext := range []string{"", "some plaintext of more than one block"} {
		envelope := k.Seal(here, []byte(plaintext))
		for n := range len(envelope) {
			wantRefused(t, k, here, envelope[:n], ErrNotOpened)
		}
		wantRefused(t, k, here, append(envelope, 0), ErrNotOpened)
		wantOpens(t, k, here, envelope, plaintext)
	}
	wantRefused(t, k, here, nil, ErrNotOpened)
}

func TestNoBitMayFlip(t *testing.T) {
	t.Parallel()
	k := one(t)
	envelope := k.Seal(here, []byte("plaintext"))
	for i := range len(envelope) * 8 {
		envelope[i/8] ^= 1 << (i % 8)
		why := ErrNotOpened
		if i/8 >= 1 && i/8 <= 4 {
			why = ErrNoKey
		}
		wantRefused(t, k, here, envelope, why)
		envelope[i/8] ^= 1 << (i % 8)
	}
	wantOpens(t, k, here, envelope, "plaintext")
}

// Two seals under one nonce would give both plaintexts away.
func TestNonceNeverRepeats(t *testing.T) {
	t.Parallel()
	k := one(t)
	const n = 20_000
	seen := make(map[[nonceSize]byte]bool, n)
	for range n {
		seen[[nonceSize]byte(k.Seal(here, nil)[headerSize:])] = true
	}
	if len(seen) != n {
		t.Errorf("%d different nonces in %d seals", len(seen), n)
	}
}

func TestNewRefusesWeakKeyrings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		active uint32
		keys   map[uint32][]byte
	}{
		"no keys":              {1, nil},
		"active is missing":    {2, map[uint32][]byte{1: material(1)}},
		"version 0":            {0, map[uint32][]byte{0: material(1)}},
		"a spare of version 0": {1, map[uint32][]byte{0: material(1), 1: material(1)}},
		"empty key":            {1, map[uint32][]byte{1: {}}},
		"AES-128":              {1, map[uint32][]byte{1: material(1)[:16]}},
		"AES-192":              {1, map[uint32][]byte{1: material(1)[:24]}},
		"one byte short":       {1, map[uint32][]byte{1: material(1)[:31]}},
		"one byte long":        {1, map[uint32][]byte{1: append(material(1), 0)}},
		"a spare too short":    {1, map[uint32][]byte{1: material(1), 2: material(2)[:16]}},
	} {
		k, err := New(c.active, c.keys)
		if err == nil || k != nil {
			t.Errorf("%s: New = %v, %v", name, k, err)
			continue
		}
		for _, key := range c.keys {
			if len(key) > 4 && strings.Contains(err.Error(), string(key[:4])) {
				t.Errorf("%s: the error holds key material: %v", name, err)
			}
		}
	}
	if _, err := New(2, map[uint32][]byte{1: material(1)}); !errors.Is(err, ErrNoKey) {
		t.Errorf("a missing active key is %v", err)
	}
}

// The caller may wipe its key afterwards.
func TestKeyringKeepsItsOwnCopy(t *testing.T) {
	t.Parallel()
	key := material(1)
	keys := map[uint32][]byte{1: key}
	k := ring(t, 1, keys)
	envelope := k.Seal(here, []byte("x"))
	clear(key)
	delete(keys, 1)
	wantOpens(t, k, here, envelope, "x")
	wantOpens(t, one(t), here, k.Seal(here, []byte("y")), "y")
}

// What was sealed before there were sub-tenants opens as a value of none.
func TestEnvelopesOfNoTenantKeepTheirBinding(t *testing.T) {
	t.Parallel()
	want := "\x01\x00\x00\x00\x07\x00\x00\x00\x01a\x00\x00\x00\x01b\x00\x00\x00\x01c\x00\x00\x00\x01d\x00\x00\x00\x01e"
	if got := string((&Binding{"a", "b", "c", "d", "e", ""}).associated(nil, 7)); got != want {
		t.Errorf("%q", got)
	}
}

func TestRewrapMovesToAnotherVersion(t *testing.T) {
	t.Parallel()
	both := ring(t, 1, map[uint32][]byte{1: material(1), 2: material(2)})
	old := both.Seal(here, []byte("x"))
	moved, err := both.Rewrap(here, old, 2)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := Version(moved); v != 2 || err != nil {
		t.Errorf("version %d, %v", v, err)
	}
	wantOpens(t, ring(t, 2, map[uint32][]byte{2: material(2)}), here, moved, "x")
	wantRefused(t, one(t), here, moved, ErrNoKey)
	again, err := both.Rewrap(here, moved, 2)
	if err != nil || bytes.Equal(again[:HeadSize], moved[:HeadSize]) {
		t.Errorf("the nonce was used again: %v", err)
	}

	elsewhere := here
	elsewhere.Row = "r2"
	for name, c := range map[string]struct {
		k  *Keyring
		b  Binding
		to uint32
		is error
	}{
		"to a version it lacks":   {both, here, 3, ErrNoKey},
		"from a version it lacks": {ring(t, 2, map[uint32][]byte{2: material(2)}), here, 2, ErrNoKey},
		"another place":           {both, elsewhere, 2, ErrNotOpened},
	} {
		if got, err := c.k.Rewrap(c.b, old, c.to); !errors.Is(err, c.is) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestKeyringSaysWhatItHolds(t *testing.T) {
	t.Parallel()
	k := ring(t, 7, map[uint32][]byte{7: material(1), 2: material(2)})
	if got := k.Versions(); len(got) != 2 || got[0] != 2 || got[1] != 7 || !k.Holds(2) || k.Holds(1) {
		t.Errorf("%v", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	k := one(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				wantOpens(t, k, here, k.Seal(here, []byte("x")), "x")
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	k := one(f)
	f.Add([]byte{}, "t", "c", "r", "p", "s", "n")
	f.Add(k.Seal(here, []byte("x")), here.Table, here.Column, here.Row, here.Purpose, here.Subject, here.Tenant)
	f.Add([]byte{1, 0, 0, 0, 1}, "", "", "", "", "", "")
	f.Add(make([]byte, Overhead), "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, envelope []byte, table, column, row, purpose, subject, tenant string) {
		b := Binding{table, column, row, purpose, subject, tenant}
		plaintext, err := k.Open(b, envelope)
		switch {
		case err == nil && (b != here || string(plaintext) != "x"):
			t.Fatalf("a forged envelope opens as %q", plaintext)
		case err != nil && plaintext != nil, err != nil && !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrNotOpened):
			t.Fatalf("Open = %q, %v", plaintext, err)
		}
		own := k.Seal(b, envelope)
		if got, err := k.Open(b, own); err != nil || !bytes.Equal(got, envelope) {
			t.Fatalf("Open of what was sealed = %q, %v", got, err)
		}
	})
}
