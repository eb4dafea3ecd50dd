package catalog_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

// The snapshot is made from functions, indexes and types as well, and the
// fingerprint must follow them where no event trigger does.
func TestPollNoticesFunctionsKeysAndTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, change string
		seen         func(*catalog.Snapshot) bool
	}{
		{
			"a function beneath a view runs as its owner", "alter function public.mine() security definer",
			func(s *catalog.Snapshot) bool { return !s.Table("public", "over_function").Protected },
		},
		{
			"a primary key dropped", "alter table public.keyed drop constraint keyed_pkey",
			func(s *catalog.Snapshot) bool { return len(s.Table("public", "keyed").PrimaryKey) == 0 },
		},
		{
			"a primary key over what is indexed", "alter table public.indexed add primary key (id)",
			func(s *catalog.Snapshot) bool { return len(s.Table("public", "indexed").PrimaryKey) == 1 },
		},
		{
			"a type renamed", "alter type public.mood rename to humour",
			func(s *catalog.Snapshot) bool { return s.Table("public", "moods").Columns[0].Type == "public.humour" },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := load(t, base+`;
				create function public.mine() returns setof public.guarded language sql as 'select * from public.guarded';
				create view public.over_function with (security_invoker = true) as select id from public.mine();
				create table public.keyed (id int primary key);
				create table public.indexed (id int not null); create index on public.indexed (id);
				create type public.mood as enum ('sad'); create table public.moods (mood public.mood)`)
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
