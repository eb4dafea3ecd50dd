package secret_test

import (
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/secret"
)

func TestDeleteHidesAndRestoreBringsBack(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := t.Context()
	v.setInput(global("KEY"), secret.Input{Value: "one", Description: ptr("why")})
	v.set(global("KEY"), "two")
	v.remove(global("KEY"), false)

	for version := range 3 {
		v.refuses(global("KEY"), version, "secret_not_found")
	}
	page, err := v.List(ctx, id.Tenant{}, "", 10)
	if err != nil || len(page.Items) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	hidden, err := v.Get(ctx, global("KEY"))
	if err != nil || hidden.DeletedAt == nil || hidden.Version != 2 {
		t.Errorf("%+v, %v", hidden, err)
	}
	v.is(v.Delete(ctx, nobody, global("KEY"), false), "secret_not_found")

	back, err := v.Restore(ctx, nobody, global("KEY"), 0)
	if err != nil || back.DeletedAt != nil || back.Version != 2 || back.ID != hidden.ID || *back.Description != "why" {
		t.Errorf("%+v, %v", back, err)
	}
	v.reads(global("KEY"), 0, "two")
	v.reads(global("KEY"), 1, "one")
	_, err = v.Restore(ctx, nobody, global("KEY"), 0)
	v.is(err, "secret_not_deleted")

	// So does a set, which goes on counting: no version is given to two values.
	v.remove(global("KEY"), false)
	if kept := v.set(global("KEY"), "three"); kept.Version != 3 || kept.DeletedAt != nil || kept.ID != hidden.ID {
		t.Errorf("%+v", kept)
	}
	v.reads(global("KEY"), 0, "three")

	// What was deleted stays so, until it is restored by its number.
	for version := 1; version < 3; version++ {
		v.refuses(global("KEY"), version, "secret_not_found")
	}
	v.set(global("KEY"), "four")
	v.reads(global("KEY"), 3, "three")
	v.remove(global("KEY"), false)
	if _, err := v.Restore(ctx, nobody, global("KEY"), 0); err != nil {
		t.Error(err)
	}
	v.reads(global("KEY"), 3, "three")
	v.refuses(global("KEY"), 2, "secret_not_found")
	if _, err := v.Restore(ctx, nobody, global("KEY"), 2); err != nil {
		t.Error(err)
	}
	v.reads(global("KEY"), 0, "two")
	v.refuses(global("KEY"), 2, "secret_not_found")
	history, err := v.History(ctx, global("KEY"))
	if err != nil || len(history) != 5 {
		t.Errorf("%+v, %v", history, err)
	}
	for _, old := range history {
		if old.Deleted != (old.Version <= 2) {
			t.Errorf("version %d: deleted is %t", old.Version, old.Deleted)
		}
	}
	v.whole()
}

// TestRestoreAVersion makes an earlier value the newest: a version is never
// written over.
func TestRestoreAVersion(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := t.Context()
	at := v.now.Add(time.Hour)
	v.setInput(global("KEY"), secret.Input{Value: "one", ExpiresAt: &at})
	v.set(global("KEY"), "two")
	for range 2 { // the second time from among the deleted
		kept, err := v.Restore(ctx, nobody, global("KEY"), 1)
		if err != nil || kept.DeletedAt != nil || kept.ExpiresAt == nil || kept.ExpiresAt.Sub(at).Abs() > time.Microsecond {
			t.Errorf("%+v, %v", kept, err)
		}
		v.reads(global("KEY"), 0, "one")
		v.reads(global("KEY"), 2, "two")
		v.remove(global("KEY"), false)
	}
	if kept, err := v.Restore(ctx, nobody, global("KEY"), 4); err != nil || kept.Version != 4 || kept.DeletedAt != nil {
		t.Errorf("%+v, %v", kept, err)
	}
	for _, version := range []int{5, -1} {
		_, err := v.Restore(ctx, nobody, global("KEY"), version)
		v.is(err, "secret_not_found")
	}
	v.whole()
}

// TestAnExpiredVersionIsNotRestored leaves the good value where it is: an
// expired one in its place could not be read.
func TestAnExpiredVersionIsNotRestored(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	at := v.now.Add(time.Minute)
	v.setInput(global("KEY"), secret.Input{Value: "old", ExpiresAt: &at})
	v.set(global("KEY"), "good")
	v.now = at
	_, err := v.Restore(t.Context(), nobody, global("KEY"), 1)
	v.is(err, "secret_expired")
	v.reads(global("KEY"), 0, "good")

	v.remove(global("KEY"), false)
	_, err = v.Restore(t.Context(), nobody, global("KEY"), 1)
	v.is(err, "secret_expired")
	v.refuses(global("KEY"), 0, "secret_not_found")
	v.whole()
}

// TestPurgeDestroys leaves nothing of a secret but the records of what was done.
func TestPurgeDestroys(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := t.Context()
	var before int
	v.db.Scan(t, `select count(*) from auth.sealed_values`, nil, &before)
	for _, deleted := range []bool{false, true} {
		first := v.set(global("KEY"), "one")
		v.set(global("KEY"), "two")
		v.set(of(acme, "KEY"), "of acme")
		if deleted {
			v.remove(global("KEY"), false)
		}
		v.remove(global("KEY"), true)
		if n := v.count(`select count(*) from auth.sealed_values`); n != before+1 {
			t.Errorf("%d sealed values; before there were %d and that of acme", n, before)
		}
		if n := v.count(`select count(*) from auth.secret_versions where secret_id = $1`, first.ID); n != 0 {
			t.Errorf("%d versions", n)
		}
		v.refuses(global("KEY"), 0, "secret_not_found")
		_, err := v.Restore(ctx, nobody, global("KEY"), 0)
		v.is(err, "secret_not_found")
		_, err = v.Get(ctx, global("KEY"))
		v.is(err, "secret_not_found")
		_, err = v.History(ctx, global("KEY"))
		v.is(err, "secret_not_found")
		v.is(v.Delete(ctx, nobody, global("KEY"), true), "secret_not_found")

		again := v.set(global("KEY"), "anew")
		if again.ID == first.ID || again.Version != 1 {
			t.Errorf("%+v", again)
		}
		v.refuses(global("KEY"), 2, "secret_not_found")
		v.remove(global("KEY"), true)
		v.reads(of(acme, "KEY"), 0, "of acme")
		v.remove(of(acme, "KEY"), true)
	}
	v.whole()
}
