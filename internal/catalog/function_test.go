package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

func describe(f *catalog.Function) string {
	var in []string
	for _, a := range f.Arguments {
		text := a.Name + " " + a.Type.SQL
		if a.Default {
			text += "?"
		}
		if a.Variadic {
			text += "..."
		}
		in = append(in, text)
	}
	out := [...]string{"void", "scalar " + f.Type.SQL, "row"}[f.Returns]
	if f.Result != nil {
		var columns []string
		for _, c := range f.Result.Columns {
			columns = append(columns, c.Name+" "+c.Type)
		}
		out = fmt.Sprintf("row of %s(%s)", f.Result.Name, strings.Join(columns, ", "))
	}
	if f.Set {
		out = "set of " + out
	}
	return fmt.Sprintf("(%s) %s %s", strings.Join(in, ", "), out, f.Volatility)
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.t (id int, name text); create type public.pair as (x int, y text); create domain public.short as varchar(3);
		create domain public.shorter as public.short;
		create type public.mood as enum ('sad', 'happy');
		create schema hidden; create table hidden.h (z int);
		create function public.f() returns int language sql immutable as 'select 1';
		create function public.f(a int, b text default 'x', c public.shorter default null) returns text language sql stable as 'select b';
		create function public.f(a int, variadic b text[]) returns void language sql as 'select';
		create function public.unnamed(json) returns json language sql as 'select $1';
		create function public.some() returns setof int language sql as 'select 1';
		create function public.rows(m public.mood) returns setof public.t language sql as 'select * from public.t';
		create function public.one() returns public.t language sql as 'select * from public.t';
		create function public.pair() returns public.pair language sql as 'select 1, null::text';
		create function public.far() returns setof hidden.h language sql as 'select * from hidden.h';
		create function public.tab(n int) returns table (a int, "b;" text) language sql as 'select 1, null::text';
		create function public.outs(n int, out a int, inout b text) language sql as 'select 1, null::text';
		create function public.out1(n int, out a int) language sql as 'select 1';
		create function public.rec() returns record language sql as 'select 1, 2';
		create function public.any(anyelement) returns int language sql as 'select 1';
		create function public.trig() returns trigger language plpgsql as 'begin return new; end';
		create function public.event() returns event_trigger language plpgsql as 'begin end';
		create procedure public.proc() language sql as 'select';
		create aggregate public.agg(int) (sfunc = int4pl, stype = int);
		create function hidden.f() returns int language sql as 'select 1'`)
	for name, want := range map[string][]string{
		"f": {
			"() scalar pg_catalog.int4 immutable",
			"(a pg_catalog.int4, b pg_catalog.text?, c public.shorter?) scalar pg_catalog.text stable",
			"(a pg_catalog.int4, b pg_catalog._text...) void volatile",
		},
		"unnamed": {"( pg_catalog.json) scalar pg_catalog.json volatile"},
		"some":    {"() set of scalar pg_catalog.int4 volatile"},
		"rows":    {"(m public.mood) set of row of t(id pg_catalog.int4, name pg_catalog.text) volatile"},
		"one":     {"() row of t(id pg_catalog.int4, name pg_catalog.text) volatile"},
		"pair":    {"() row of pair(x pg_catalog.int4, y pg_catalog.text) volatile"},
		"far":     {"() set of row of far(z pg_catalog.int4) volatile"},
		"tab":     {"(n pg_catalog.int4) set of row of tab(a pg_catalog.int4, b; pg_catalog.text) volatile"},
		"outs":    {"(n pg_catalog.int4, b pg_catalog.text) row of outs(a pg_catalog.int4, b pg_catalog.text) volatile"},
		"out1":    {"(n pg_catalog.int4) scalar pg_catalog.int4 volatile"},
		"rec":     {"() scalar pg_catalog.record volatile"},
		"any":     nil, "trig": nil, "event": nil, "proc": nil, "agg": nil, "missing": nil,
	} {
		var got []string
		for _, f := range l.Snapshot().Function("public", name) {
			got = append(got, describe(f))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := l.Snapshot().Function("hidden", "f"); got != nil {
		t.Errorf("of a schema that is not exposed: %v", describe(got[0]))
	}
	if f := l.Snapshot().Function("public", "rows")[0]; !f.OfTable || f.Result != l.table(t, "t") || !cmp.Equal(f.Arguments[0].Type.Enum, []string{"sad", "happy"}) {
		t.Errorf("%+v", f)
	}
	if c := l.Snapshot().Function("public", "f")[1].Arguments[2].Type; c.Base != `pg_catalog."varchar"` || c.Label != "shorter" {
		t.Errorf("%+v", c)
	}
}

func TestExtensionsAreNotCallable(t *testing.T) {
	t.Parallel()
	l := load(t, "create function public.own() returns int language sql as 'select 1'")
	admin(t, l.db, `create extension pgcrypto schema public`)
	l.poll(t)
	if l.Snapshot().Function("public", "digest") != nil || l.Snapshot().Function("public", "own") == nil {
		t.Error("a member of an extension can be called, or the positive control cannot")
	}
}

func TestComputedColumns(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create schema other; create table public.t (id int, name text); create view public.v as select * from public.t; create table other.o (id int);
		create function public.shout(public.t) returns text language sql as 'select upper($1.name)';
		create function public.shout(public.v) returns int language sql as 'select 1';
		create function public.nothing(public.t) returns void language sql as 'select';
		create function public.many(public.t) returns setof int language sql as 'select 1';
		create function public.two(public.t, int) returns int language sql as 'select 1';
		create function public.foreign_row(other.o) returns int language sql as 'select 1';
		create function other.elsewhere(public.t) returns int language sql as 'select 1'`, "public", "other")
	names := func(table *catalog.Table) (list []string) {
		for _, f := range table.ComputedColumns {
			list = append(list, f.Name+" "+f.Type.Label)
		}
		return list
	}
	for table, want := range map[string][]string{"t": {"shout text"}, "v": {"shout integer"}} {
		if diff := cmp.Diff(want, names(l.table(t, table))); diff != "" {
			t.Errorf("%s: %s", table, diff)
		}
	}
	if got := names(l.Snapshot().Table("other", "o")); got != nil {
		t.Errorf("from another schema: %q", got)
	}
	if f := l.table(t, "t").ComputedColumn("shout"); f == nil || l.table(t, "t").ComputedColumn("two") != nil {
		t.Errorf("%+v", f)
	}
}

func TestDefinersAndComments(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.t (id int generated always as identity, d int default 7, n int not null, twice int generated always as (d * 2) stored,
			own int generated by default as identity);
		comment on table public.t is 'things'; comment on column public.t.d is 'seven';
		create function public.safe() returns int language sql security definer set search_path = '' as 'select 1';
		create function public.loose() returns int language sql security definer set work_mem = '4MB' as 'select 1';
		create function public.plain() returns int language sql as 'select 1'; comment on function public.plain() is 'one'`)
	for name, want := range map[string][2]bool{"safe": {true, true}, "loose": {true, false}, "plain": {false, false}} {
		if f := l.Snapshot().Function("public", name)[0]; [2]bool{f.Definer, f.PathFixed} != want {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if c := l.Snapshot().Function("public", "plain")[0].Comment; c != "one" {
		t.Errorf("%q", c)
	}
	table := l.table(t, "t")
	if d, _ := table.Column("d"); table.Comment != "things" || d.Comment != "seven" {
		t.Errorf("%+v", table)
	}
	for name, want := range map[string][3]bool{ // nullable, default, generated
		"id": {false, true, true}, "d": {true, true, false}, "n": {false, false, false}, "twice": {true, true, true}, "own": {false, true, false},
	} {
		if c, _ := table.Column(name); [3]bool{c.Nullable, c.Default, c.Generated} != want {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// The fingerprint alone must notice what relations and functions hang on.
func TestPollNoticesRelationsAndFunctions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a foreign key": "alter table public.u add foreign key (t) references public.t",
		"a function":    "create function public.g() returns int language sql as 'select 1'",
		"volatility":    "alter function public.f() stable",
		"a label":       "alter type public.mood add value 'wild'",
		"a hidden key":  "alter table hidden.u add foreign key (t) references public.t",
		"a drop":        "drop function public.f()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := load(t, `create table public.t (id int primary key); create table public.u (t int); create type public.mood as enum ('sad');
				create schema hidden; create table hidden.u (t int); create view public.v as select * from hidden.u;
				create function public.f() returns int language sql as 'select 1'`)
			before := l.Snapshot()
			l.poll(t)
			if l.Snapshot() != before {
				t.Fatal("changed by itself")
			}
			l.db.Exec(t, change)
			l.poll(t)
			if l.Snapshot() == before {
				t.Error("not noticed")
			}
		})
	}
}
