package catalog_test

import (
	"testing"
)

// manySQL makes 5,000 tables of ten columns, of which each refers to the one
// before it, 500 views and 500 functions.
const manySQL = `do $$ begin
	for i in 1..5000 loop
		execute format('create table public.t%s (id int8 primary key, owner uuid not null, title text, done bool default false, due date, rank numeric,
			tags text[], data jsonb, made timestamptz default now(), parent int8 %s)', i, case when i > 1 then format('references public.t%s', i - 1) end);
		if i % 10 = 0 then
			execute format('create view public.v%s with (security_invoker = true) as select id, owner, title, parent from public.t%s where done', i, i);
			execute format('create function public.f%s(a int, b text default null) returns setof public.t%s language sql stable as ''select * from public.t%s''', i, i, i);
		end if;
		if i % 500 = 0 then commit; end if;
	end loop; end $$`

// BenchmarkLoad reads a catalog of 5,000 tables, and BenchmarkPoll looks whether
// it has changed.
func BenchmarkLoad(b *testing.B) {
	l := many(b)
	for b.Loop() {
		if err := l.Load(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPoll(b *testing.B) {
	l := many(b)
	for b.Loop() {
		if err := l.Poll(b.Context(), l.db.Single()); err != nil {
			b.Fatal(err)
		}
	}
}

func many(b *testing.B) *loaded {
	b.Helper()
	l := load(b, "")
	l.db.Exec(b, manySQL)
	l.db.Exec(b, "analyze")
	if err := l.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	if n := len(l.Snapshot().Table("public", "v10").Relations); n != 2 {
		b.Fatalf("%d relations", n)
	}
	return l
}
