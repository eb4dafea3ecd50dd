package secret_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/secret"
)

func TestTenantsFallBackToTheWholeInstallation(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.refuses(of(acme, "KEY"), 0, "secret_not_found")
	v.set(global("KEY"), "of all")
	v.set(global("KEY"), "of all, too")
	v.reads(of(acme, "KEY"), 0, "of all, too")
	v.reads(of(acme, "KEY"), 1, "of all")

	// Its own comes first: with its own versions, time, and end.
	at := v.now.Add(time.Minute)
	v.setInput(of(acme, "KEY"), secret.Input{Value: "of acme", ExpiresAt: &at})
	v.reads(of(acme, "KEY"), 0, "of acme")
	v.refuses(of(acme, "KEY"), 2, "secret_not_found")
	v.reads(of(umbra, "KEY"), 0, "of all, too")
	v.reads(global("KEY"), 0, "of all, too")
	v.now = at
	v.refuses(of(acme, "KEY"), 0, "secret_expired")
	v.remove(of(acme, "KEY"), false)
	v.reads(of(acme, "KEY"), 0, "of all, too")
	v.remove(global("KEY"), false)
	v.refuses(of(acme, "KEY"), 0, "secret_not_found")
}

// TestTenantsDoNotMeet has two sub-tenants and the whole installation keep a
// secret of one name, and do to each what must not reach the others.
func TestTenantsDoNotMeet(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := t.Context()
	names := map[string]secret.Name{"acme": of(acme, "KEY"), "umbra": of(umbra, "KEY"), "all": global("KEY")}
	for who, n := range names {
		v.set(n, who)
	}
	v.set(of(umbra, "OTHER"), "umbra")
	v.refuses(of(acme, "OTHER"), 0, "secret_not_found")
	v.refuses(global("OTHER"), 0, "secret_not_found")
	for _, n := range []secret.Name{of(acme, "OTHER"), global("OTHER")} {
		_, err := v.Get(ctx, n)
		v.is(err, "secret_not_found")
		_, err = v.History(ctx, n)
		v.is(err, "secret_not_found")
		_, err = v.Restore(ctx, nobody, n, 1)
		v.is(err, "secret_not_found")
		v.is(v.Delete(ctx, nobody, n, true), "secret_not_found")
	}
	// What is not a value does not fall back: a sub-tenant changes only its own.
	_, err := v.Get(ctx, of(id.Tenant{3}, "KEY"))
	v.is(err, "secret_not_found")
	v.is(v.Delete(ctx, nobody, of(id.Tenant{3}, "KEY"), true), "secret_not_found")

	for who, n := range names {
		page, err := v.List(ctx, n.Tenant, "", 10)
		if err != nil || len(page.Items) == 0 || page.Items[0].Name != "KEY" {
			t.Errorf("%s: %+v, %v", who, page, err)
		}
		for _, kept := range page.Items {
			if (kept.SubTenantID == nil) != n.Tenant.IsZero() || kept.SubTenantID != nil && *kept.SubTenantID != n.Tenant {
				t.Errorf("%s sees %+v", who, kept)
			}
		}
	}
	v.set(names["acme"], "acme, changed")
	v.remove(names["acme"], true)
	v.reads(names["umbra"], 0, "umbra")
	v.reads(names["all"], 0, "all")
	v.remove(names["all"], true)
	v.reads(names["umbra"], 0, "umbra")
	v.whole()
}

func TestListGoesPageByPage(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for i := range 7 {
		v.set(global(fmt.Sprint("KEY_", i)), "x")
		v.set(of(acme, fmt.Sprint("KEY_", i, "_OF_ACME")), "x")
	}
	v.remove(global("KEY_3"), false)
	var got, after string
	pages := 0
	for {
		page, err := v.List(t.Context(), id.Tenant{}, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, kept := range page.Items {
			got += kept.Name + " "
		}
		if page.NextCursor == nil {
			break
		}
		after = *page.NextCursor
	}
	if got != "KEY_0 KEY_1 KEY_2 KEY_4 KEY_5 KEY_6 " || pages != 3 {
		t.Errorf("%s on %d pages", got, pages)
	}
	if empty, err := v.List(t.Context(), id.Tenant{}, "ZZZ", 2); err != nil || empty.Items == nil || len(empty.Items) != 0 {
		t.Errorf("%+v, %v", empty, err)
	}
}
