package catalog_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// loaded is a database after some SQL and the service that has read it.
type loaded struct {
	*catalog.Service

	db *pgtest.Database
}

func load(t testing.TB, sql string, schemas ...string) *loaded {
	t.Helper()
	db := pgtest.New(t)
	db.Exec(t, sql)
	if schemas == nil {
		schemas = []string{"public"}
	}
	s := &catalog.Service{DB: db.DB, Schemas: schemas, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &loaded{s, db}
}

func (l *loaded) table(t testing.TB, name string) *catalog.Table {
	t.Helper()
	table := l.Snapshot().Table("public", name)
	if table == nil {
		t.Fatalf("no table %s", name)
	}
	return table
}

func (l *loaded) poll(t *testing.T) {
	t.Helper()
	if err := l.Poll(t.Context(), l.db.Single()); err != nil {
		t.Fatal(err)
	}
}

func TestColumnsAndTypes(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create schema "other; schema";
		create type "other; schema"."mood""y" as enum ('a');
		create domain "other; schema".short as varchar(3);
		create table public.pair (x int);
		create table public.t (id int8, gone text, name varchar(20), price numeric(10,2), tags text[], mood "other; schema"."mood""y",
			moods "other; schema"."mood""y"[], short "other; schema".short, p public.pair, "char" "char", "Wei""rd; é" timestamptz, late int,
			twice int generated always as (late * 2) stored);
		alter table public.t drop column gone;
		alter table public.t add column added uuid`)
	want := &catalog.Table{Schema: "public", Name: "t", Insertable: true, Updatable: true, Deletable: true, Columns: []catalog.Column{
		{Name: "id", Type: "pg_catalog.int8"},
		{Name: "name", Type: `pg_catalog."varchar"`},
		{Name: "price", Type: `pg_catalog."numeric"`},
		{Name: "tags", Type: "pg_catalog._text"},
		{Name: "mood", Type: `"other; schema"."mood""y"`},
		{Name: "moods", Type: `"other; schema"."_mood""y"`},
		{Name: "short", Type: `"other; schema".short`},
		{Name: "p", Type: "public.pair"},
		{Name: "char", Type: `pg_catalog."char"`},
		{Name: `Wei"rd; é`, Type: "pg_catalog.timestamptz"},
		{Name: "late", Type: "pg_catalog.int4"},
		{Name: "twice", Type: "pg_catalog.int4"},
		{Name: "added", Type: "pg_catalog.uuid"},
	}, PrimaryKey: []string{}}
	got := l.table(t, "t")
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(catalog.Table{}), cmpopts.IgnoreFields(catalog.Column{}, "Info", "Nullable", "Default", "Generated")); diff != "" {
		t.Error(diff)
	}
	for _, c := range got.Columns {
		if found, ok := got.Column(c.Name); !ok || found != c {
			t.Errorf("Column(%q) = %+v, %v", c.Name, found, ok)
		}
		// The type is safe to put into SQL, and means the same there.
		l.db.Exec(t, "select null::"+c.Type)
	}
	for _, name := range []string{"gone", "........pg.dropped.2........", "ID", "ctid", "xmin", "tableoid", "", "late "} {
		if c, ok := got.Column(name); ok {
			t.Errorf("Column(%q) = %+v", name, c)
		}
	}
}

func TestPrimaryKeyInItsOwnOrder(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create table public.one (v int, id int primary key);
		create table public.two (a int, b int, c int, primary key (c, a));
		create table public.odd (a int, gone int, "B""c" int);
		alter table public.odd drop column gone;
		alter table public.odd add primary key ("B""c", a);
		create table public.none (a int unique not null);
		create table public.parts (a int, b int, primary key (b, a)) partition by list (b);
		create view public.v as select * from public.two`)
	for name, want := range map[string][]string{
		"one": {"id"}, "two": {"c", "a"}, "odd": {`B"c`, "a"}, "none": {}, "parts": {"b", "a"}, "v": {"c", "a"},
	} {
		if diff := cmp.Diff(want, l.table(t, name).PrimaryKey); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOnlyExposedSchemasAndRelations(t *testing.T) {
	t.Parallel()
	l := load(t, `
		create schema shop; create schema hidden;
		create table public.t (id serial primary key); create index on public.t (id);
		create type public.composite as (a int);
		create table shop.t (id int); create table shop.u (id int); create table hidden.h (id int)`, "public", "shop")
	s := l.Snapshot()
	for _, c := range []struct {
		schema, name string
		want         bool
	}{
		{"public", "t", true},
		{"shop", "t", true},
		{"shop", "u", true},
		{"public", "u", false},
		{"hidden", "h", false},
		{"public", "h", false},
		{"auth", "users", false},
		{"public", "users", false},
		{"pg_catalog", "pg_authid", false},
		{"public", "t_id_seq", false},
		{"public", "t_pkey", false},
		{"public", "composite", false},
		{"", "t", false},
		{"public", "T", false},
		{"public.t", "", false},
	} {
		if got := s.Table(c.schema, c.name); (got != nil) != c.want || got != nil && (got.Schema != c.schema || got.Name != c.name) {
			t.Errorf("%s.%s: %+v", c.schema, c.name, got)
		}
	}
}

func TestFindLooksAgain(t *testing.T) {
	t.Parallel()
	l := load(t, "create table public.old (id int)")
	before := l.Snapshot()
	l.db.Exec(t, "create table public.young (id int primary key)")
	if before.Table("public", "young") != nil {
		t.Fatal("the snapshot knows what came after it")
	}
	for name, want := range map[string]bool{"young": true, "old": true, "missing": false} {
		table, err := l.Find(t.Context(), "public", name)
		if err != nil || (table != nil) != want {
			t.Errorf("%s: %+v, %v", name, table, err)
		}
	}
	if before.Table("public", "young") != nil || before.Table("public", "old") == nil {
		t.Error("the old snapshot has changed")
	}
}

// A known table costs no look at the database, and a missing one at most one
// for each caller.
func TestFindOfAKnownTableAsksNobody(t *testing.T) {
	t.Parallel()
	l := load(t, "create table public.t (id int)")
	l.DB = broken{}
	if table, err := l.Find(t.Context(), "public", "t"); err != nil || table == nil {
		t.Errorf("%+v, %v", table, err)
	}
	if table, err := l.Find(t.Context(), "public", "missing"); !errors.Is(err, errBroken) || table != nil {
		t.Errorf("a broken look is not a missing table: %+v, %v", table, err)
	}
	if l.Snapshot().Table("public", "t") == nil {
		t.Error("the snapshot is lost")
	}
}

func TestFindStopsWaitingWithItsRequest(t *testing.T) {
	t.Parallel()
	l := load(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Find(ctx, "public", "missing"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestConcurrentFinds(t *testing.T) {
	t.Parallel()
	l := load(t, "create table public.t (id int)")
	l.db.Exec(t, "create table public.young (id int)")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for name, want := range map[string]bool{"t": true, "young": true, "missing": false} {
				if table, err := l.Find(context.Background(), "public", name); err != nil || (table != nil) != want {
					t.Errorf("%s: %+v, %v", name, table, err)
				}
			}
		})
	}
	wg.Go(func() {
		l.Notified("")
		if err := l.Poll(context.Background(), l.db.Single()); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
}

// The fingerprint alone must do, for databases where no event trigger could be
// installed.
func TestPollNotices(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, change string
		seen         func(*catalog.Snapshot) bool
	}{
		{"RLS switched on", "alter table public.open enable row level security", func(s *catalog.Snapshot) bool { return s.Table("public", "open").Protected }},
		{"RLS switched off", "alter table public.guarded disable row level security", func(s *catalog.Snapshot) bool { return !s.Table("public", "guarded").Protected }},
		{"a view's base switched off", "alter table public.guarded disable row level security", func(s *catalog.Snapshot) bool { return !s.Table("public", "invoker").Protected }},
		{"security_invoker taken away", "alter view public.invoker set (security_invoker = false)", func(s *catalog.Snapshot) bool { return !s.Table("public", "invoker").Protected }},
		{"security_invoker reset", "alter view public.invoker reset (security_invoker)", func(s *catalog.Snapshot) bool { return !s.Table("public", "invoker").Protected }},
		{"a view over something else", "create or replace view public.invoker with (security_invoker = true) as select id from public.open", func(s *catalog.Snapshot) bool {
			return !s.Table("public", "invoker").Protected
		}},
		{"rename", "alter table public.open rename to renamed", func(s *catalog.Snapshot) bool {
			return s.Table("public", "open") == nil && s.Table("public", "renamed") != nil
		}},
		{"drop", "drop table public.open", func(s *catalog.Snapshot) bool { return s.Table("public", "open") == nil }},
		{"create", "create table public.made (id int)", func(s *catalog.Snapshot) bool { return s.Table("public", "made") != nil }},
		{"moved away", "create schema attic; alter table public.open set schema attic", func(s *catalog.Snapshot) bool { return s.Table("public", "open") == nil }},
		{"drop and create of the same name", "drop table public.open; create table public.open (other int)", func(s *catalog.Snapshot) bool {
			_, ok := s.Table("public", "open").Column("other")
			return ok
		}},
		{"a column more", "alter table public.open add column more int", func(s *catalog.Snapshot) bool {
			_, ok := s.Table("public", "open").Column("more")
			return ok
		}},
		{"a primary key", "alter table public.open add primary key (id)", func(s *catalog.Snapshot) bool { return len(s.Table("public", "open").PrimaryKey) == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := load(t, base)
			if c.seen(l.Snapshot()) {
				t.Fatal("it was so before")
			}
			l.db.Exec(t, c.change)
			if c.seen(l.Snapshot()) {
				t.Fatal("the snapshot is not immutable")
			}
			l.poll(t)
			if !c.seen(l.Snapshot()) {
				t.Error("not noticed")
			}
		})
	}
}

// base is a guarded and an open table, and a view over the guarded one.
const base = `
	create table public.open (id int); create table public.guarded (id int, name text, gone int);
	alter table public.guarded enable row level security;
	create view public.invoker with (security_invoker = true) as select id from public.guarded`

func TestPollWithoutChangeKeepsTheSnapshot(t *testing.T) {
	t.Parallel()
	l := load(t, base)
	before := l.Snapshot()
	l.db.Exec(t, "insert into public.open values (1); analyze public.open")
	l.poll(t)
	if l.Snapshot() != before {
		t.Error("rows count as a change of the schema")
	}
	l.Notified("")
	l.poll(t)
	if l.Snapshot() == before {
		t.Error("a notification was not heeded")
	}
	after := l.Snapshot()
	l.poll(t)
	if l.Snapshot() != after {
		t.Error("one notification is heeded twice")
	}
}

func TestPollThatFailsKeepsTheSnapshot(t *testing.T) {
	t.Parallel()
	l := load(t, base)
	before := l.Snapshot()
	l.Notified("")
	if err := l.Poll(t.Context(), broken{}.Single()); !errors.Is(err, errBroken) || l.Snapshot() != before {
		t.Errorf("%v", err)
	}
}

// The trigger tells of changes that the owner makes, whoever it is.
func TestTriggerAnnouncesChanges(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	conn := connect(t, db.OwnerURL)
	if _, err := conn.Exec(t.Context(), "listen "+catalog.Channel); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"create table public.t (id int)", "alter table public.t rename column id to di", "drop table public.t"} {
		db.Exec(t, change)
		if n, err := conn.WaitForNotification(t.Context()); err != nil || n.Channel != catalog.Channel {
			t.Errorf("%s: %+v, %v", change, n, err)
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

var errBroken = errors.New("broken")

// broken is a database that does not answer.
type broken struct{}

func (broken) InTx(context.Context, func(postgres.Querier) error) error { return errBroken }

func (broken) Single() postgres.Querier { return brokenQuerier{} }

type brokenQuerier struct{ postgres.Querier }

func (brokenQuerier) QueryRow(context.Context, string, ...any) pgx.Row { return brokenRow{} }

func (brokenQuerier) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errBroken }

type brokenRow struct{}

func (brokenRow) Scan(...any) error { return errBroken }
