package catalog_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// The fingerprint reads pg_class of the exposed schemas only. What makes a view
// safe may lie in another schema, and columns lie in pg_attribute.
func TestPollNoticesToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, change string
		seen         func(*catalog.Snapshot) bool
	}{
		{
			"RLS switched off beneath a view, in another schema", "alter table private.t disable row level security",
			func(s *catalog.Snapshot) bool { return !s.Table("public", "over_private").Protected },
		},
		{
			"security_invoker taken away beneath a view, in another schema", "alter view private.v reset (security_invoker)",
			func(s *catalog.Snapshot) bool { return !s.Table("public", "over_view").Protected },
		},
		{"a column renamed", "alter table public.guarded rename column name to title", func(s *catalog.Snapshot) bool {
			_, ok := s.Table("public", "guarded").Column("title")
			return ok
		}},
		{"a column dropped", "alter table public.guarded drop column gone", func(s *catalog.Snapshot) bool {
			_, ok := s.Table("public", "guarded").Column("gone")
			return !ok
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := load(t, base+`; create schema private; create table private.t (id int); alter table private.t enable row level security;
				create view private.v with (security_invoker = true) as select * from private.t;
				create view public.over_private with (security_invoker = true) as select * from private.t;
				create view public.over_view with (security_invoker = true) as select * from private.v`)
			if c.seen(l.Snapshot()) {
				t.Fatal("it was so before")
			}
			l.db.Exec(t, c.change)
			l.poll(t)
			if !c.seen(l.Snapshot()) {
				t.Error("not noticed")
			}
		})
	}
}

// A function that runs as its owner sees every row, so a view over it has
// nothing that guards it.
func TestViewOverDefinerFunctionIsUnprotected(t *testing.T) {
	t.Parallel()
	l := load(t, base+`;
		create function public.everything() returns setof public.guarded language sql security definer as 'select * from public.guarded';
		create function public.mine() returns setof public.guarded language sql as 'select * from public.guarded';
		create view public.over_definer with (security_invoker = true) as select * from public.everything();
		create view public.with_definer with (security_invoker = true) as select g.id, (select count(*) from public.everything()) from public.guarded g`)
	if !l.table(t, "invoker").Protected {
		t.Error("the positive control is not protected")
	}
	for _, name := range []string{"over_definer", "with_definer"} {
		if l.table(t, name).Protected {
			t.Errorf("%s counts as protected", name)
		}
	}
}

// Columns that an index only carries along are no part of the key.
func TestIncludedColumnsAreNoKey(t *testing.T) {
	t.Parallel()
	l := load(t, "create table public.t (a int, b int, c int, primary key (b, a) include (c))")
	if got := l.table(t, "t").PrimaryKey; !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%q", got)
	}
}

// A notification that could not be acted upon is not forgotten.
func TestNotificationSurvivesAFailedLoad(t *testing.T) {
	t.Parallel()
	l := load(t, base)
	before := l.Snapshot()
	l.Notified("")
	l.DB = half{l.db}
	if err := l.Poll(t.Context(), l.db.Single()); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	l.DB = l.db
	l.poll(t)
	if l.Snapshot() == before {
		t.Error("forgotten")
	}
}

// half is a database that breaks in the middle of a load.
type half struct{ *pgtest.Database }

func (h half) InTx(ctx context.Context, f func(postgres.Querier) error) error {
	return h.Database.InTx(ctx, func(q postgres.Querier) error { return f(halfQuerier{q}) })
}

type halfQuerier struct{ postgres.Querier }

func (halfQuerier) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errBroken }
