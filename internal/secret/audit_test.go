package secret_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/secret"
)

// deeds are everything that is written down, done to a secret with two versions.
func (v *vault) deeds() map[string]error {
	ctx := v.t.Context()
	_, set := v.Set(ctx, nobody, global("NEW"), secret.Input{Value: "x"})
	_, again := v.Set(ctx, nobody, global("OLD"), secret.Input{Value: "x"})
	_, restored := v.Restore(ctx, nobody, global("OLD"), 1)
	return map[string]error{
		"set": set, "set again": again, "restored": restored,
		"deleted": v.Delete(ctx, nobody, global("OLD"), false), "purged": v.Delete(ctx, nobody, global("OLD"), true),
	}
}

// unchanged expects that none of the deeds has been done.
func (v *vault) unchanged(records int) {
	v.t.Helper()
	v.reads(global("OLD"), 0, "two")
	v.reads(global("OLD"), 1, "one")
	v.refuses(global("NEW"), 0, "secret_not_found")
	if n := v.count(`select count(*) from auth.secret_versions`); n != 2 {
		v.t.Errorf("%d versions", n)
	}
	if n := v.count(`select count(*) from auth.audit_log where action in ('secret.set', 'secret.deleted', 'secret.purged', 'secret.restored')`); n != records {
		v.t.Errorf("%d records", n)
	}
	v.whole()
}

// TestNoDeedWithoutItsRecord, nor the other way round.
func TestNoDeedWithoutItsRecord(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.set(global("OLD"), "one")
	v.set(global("OLD"), "two")

	v.db.Exec(t, `alter table auth.audit_log add constraint broken check (action not like 'secret.%') not valid`)
	for deed, err := range v.deeds() {
		if err == nil {
			t.Errorf("%s without a record", deed)
		}
	}
	v.refuses(global("OLD"), 0, "database_error")
	v.db.Exec(t, `alter table auth.audit_log drop constraint broken`)
	v.unchanged(2)

	// A transaction that fails when it commits.
	v.db.Exec(t, `create function public.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
		create constraint trigger refuse after insert or update or delete on auth.secrets deferrable initially deferred
			for each row execute function public.refuse()`)
	for deed, err := range v.deeds() {
		if err == nil {
			t.Errorf("%s although nothing has been written", deed)
		}
	}
	v.db.Exec(t, `drop trigger refuse on auth.secrets`)
	v.unchanged(2)
}

// TestRecords reads what has been written down, word for word.
func TestRecords(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	ctx := t.Context()
	by := audit.Actor{Kind: "key", ID: id.UUID{7}, RequestID: "the request"}
	kept, err := v.Set(ctx, by, of(acme, "KEY"), secret.Input{Value: "one"})
	if err != nil {
		t.Fatal(err)
	}
	v.set(of(acme, "KEY"), "two")
	for _, version := range []int{1, 0} {
		if _, err := v.Reveal(ctx, by, of(acme, "KEY"), version); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Restore(ctx, by, of(acme, "KEY"), 1); err != nil {
		t.Fatal(err)
	}
	for _, purge := range []bool{false, true} {
		if err := v.Delete(ctx, by, of(acme, "KEY"), purge); err != nil {
			t.Fatal(err)
		}
	}
	// What reads no value, and what fails, is not a read.
	v.refuses(of(acme, "KEY"), 0, "secret_not_found")
	var records string
	v.db.Scan(t, `select string_agg(concat_ws(' ', action, details->>'version', actor_kind, left(actor_id::text, 2), request_id), '; ' order by at) || '; ' || count(distinct details->>'sub_tenant_id') || ' ' || min(details->>'sub_tenant_id')
		from auth.audit_log where target_kind = 'secret' and target_id = $1 and outcome = 'success' and details->>'name' = 'KEY'`, []any{kept.ID}, &records)
	if records != "secret.set 1 key 07 the request; secret.set 2 system; secret.read 1 key 07 the request; secret.read 2 key 07 the request; "+
		"secret.restored 3 key 07 the request; secret.deleted 3 key 07 the request; secret.purged 3 key 07 the request; 1 "+acme.String() {
		t.Error(records)
	}
	v.set(global("KEY"), "of everybody")
	if n := v.count(`select count(*) from auth.audit_log where action = 'secret.set' and not details ? 'sub_tenant_id'`); n != 1 {
		t.Errorf("%d records of a secret of the whole installation", n)
	}
}
