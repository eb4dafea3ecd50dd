package catalog_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

// Whatever is not certainly guarded is not served to people, so doubt must
// come out as false. Each row stands beside one that differs by the rule alone.
func TestProtected(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create schema private;
		create table public.plain (id int);
		create table public.guarded (id int);                  alter table public.guarded enable row level security;
		create table public.forced (id int);                   alter table public.forced force row level security;
		create table public.off (id int);                      alter table public.off enable row level security; alter table public.off disable row level security;
		create table private.plain (id int);
		create table private.guarded (id int);                 alter table private.guarded enable row level security;

		create view public.owner_view as select * from public.guarded;
		create view public.invoker with (security_invoker = true) as select * from public.guarded;
		create view public.invoker_on with (security_invoker = on) as select * from public.guarded;
		create view public.invoker_bare with (security_invoker) as select * from public.guarded;
		create view public.invoker_off with (security_invoker = false) as select * from public.guarded;
		create view public.barrier with (security_barrier = true) as select * from public.guarded;
		create view public.invoker_barrier with (security_barrier = true, security_invoker = true) as select * from public.guarded;
		create view public.invoker_plain with (security_invoker = true) as select * from public.plain;
		create view public.invoker_elsewhere with (security_invoker = true) as select * from private.guarded;
		create view public.invoker_plain_elsewhere with (security_invoker = true) as select * from private.plain;
		create view public.invoker_join with (security_invoker = true) as select g.id from public.guarded g join private.guarded h using (id);
		create view public.invoker_join_plain with (security_invoker = true) as select g.id from public.guarded g join public.plain p using (id);
		create view public.invoker_subquery with (security_invoker = true) as select id, exists (select from public.plain p where p.id = g.id) as x from public.guarded g;
		create view public.invoker_union with (security_invoker = true) as select id from public.guarded union all select id from public.plain;
		create view public.invoker_cte with (security_invoker = true) as with x as (select id from public.plain) select g.id from public.guarded g, x;

		create view public.invoker_over_invoker with (security_invoker = true) as select * from public.invoker;
		create view public.invoker_over_owner with (security_invoker = true) as select * from public.owner_view;
		create view public.owner_over_invoker as select * from public.invoker;
		create view private.hop1 with (security_invoker = true) as select * from public.plain;
		create view private.hop2 with (security_invoker = true) as select * from private.hop1;
		create view public.three_deep with (security_invoker = true) as select * from private.hop2;

		create materialized view public.materialized as select * from public.guarded;
		create view public.invoker_over_materialized with (security_invoker = true) as select * from public.materialized;

		create table public.parted (id int) partition by list (id);     alter table public.parted enable row level security;
		create table public.parted_1 partition of public.parted for values in (1);
		create table public.parted_plain (id int) partition by list (id);
		create table public.parted_plain_1 partition of public.parted_plain for values in (1);
		alter table public.parted_plain_1 enable row level security;
		create table public.parent (id int);                   alter table public.parent enable row level security;
		create table public.child () inherits (public.parent)`)
	for name, want := range map[string]bool{
		"plain": false, "guarded": true, "off": false,
		"forced":     false, // FORCE without ENABLE does nothing
		"owner_view": false, "invoker": true, "invoker_on": true, "invoker_bare": true, "invoker_off": false,
		"barrier": false, "invoker_barrier": true, "invoker_plain": false,
		"invoker_elsewhere": true, "invoker_plain_elsewhere": false,
		"invoker_join": true, "invoker_join_plain": false, "invoker_subquery": false, "invoker_union": false, "invoker_cte": false,
		"invoker_over_invoker": true, "invoker_over_owner": false, "owner_over_invoker": false, "three_deep": false,
		"materialized": false, "invoker_over_materialized": false,
		"parted":   true,
		"parted_1": false, // read by itself, only its own policies count
		"parent":   true, "child": false,
		"parted_plain": false, "parted_plain_1": true,
	} {
		if got := l.table(t, name).Protected; got != want {
			t.Errorf("%s: protected %v, want %v", name, got, want)
		}
	}
}

// A view is as guarded as what lies beneath it at any depth, also after the
// tables beneath have changed.
func TestProtectedFollowsTheBase(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.t (id int); alter table public.t enable row level security;
		create view public.a with (security_invoker = true) as select * from public.t;
		create view public.b with (security_invoker = true) as select * from public.a`)
	for _, step := range []struct {
		change string
		want   bool
	}{
		{"select", true},
		{"alter table public.t disable row level security", false},
		{"alter table public.t enable row level security", true},
		{"alter view public.a reset (security_invoker)", false},
	} {
		l.db.Exec(t, step.change)
		l.poll(t)
		if got := l.table(t, "b").Protected; got != step.want {
			t.Errorf("after %s: protected %v", step.change, got)
		}
	}
}

func TestForeignTableIsUnprotected(t *testing.T) {
	t.Parallel()
	l := load(t, "")
	admin(t, l.db, `
		create foreign data wrapper nowhere; create server nowhere foreign data wrapper nowhere;
		create foreign table public.far (id int) server nowhere;
		create view public.over_far with (security_invoker = true) as select * from public.far`)
	l.poll(t)
	for _, name := range []string{"far", "over_far"} {
		if l.table(t, name).Protected {
			t.Errorf("%s counts as protected", name)
		}
	}
}

// admin runs statements as a superuser.
func admin(t *testing.T, db *pgtest.Database, sql string) {
	t.Helper()
	conn := connect(t, db.AdminURL)
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestTableOfATest(t *testing.T) {
	t.Parallel()
	table := catalog.NewTable(catalog.Table{Name: "t", Columns: []catalog.Column{{Name: "a", Type: "x"}, {Name: "b", Type: "y"}}})
	if c, ok := table.Column("b"); !ok || c.Type != "y" {
		t.Errorf("%+v, %v", c, ok)
	}
	if _, ok := table.Column("c"); ok {
		t.Error("a column that is not there")
	}
}
