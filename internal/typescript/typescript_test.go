package typescript_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/typescript"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var update = flag.Bool("update", false, "write the golden files anew")

func generate(t *testing.T, sql string, schemas ...string) string {
	t.Helper()
	db := pgtest.New(t)
	db.Exec(t, sql)
	text, err := (&typescript.Service{DB: db.DB, Schemas: []string{"public"}}).Generate(t.Context(), schemas)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The file is compiled, and used, by the SDK's test/types.
func TestModule(t *testing.T) {
	t.Parallel()
	sql, err := os.ReadFile(filepath.Join("testdata", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	got := generate(t, string(sql), "public", "shop", "public")
	path := filepath.Join("testdata", "database.ts")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew): %s", path, diff)
	}
}

// The same schema has the same text, in whatever order it was made.
func TestOrder(t *testing.T) {
	t.Parallel()
	statements := []string{
		"create table public.a (id int primary key, b int)",
		"create table public.b (z text, id int primary key, a int)",
		"create type public.x as enum ('1')",
		"create type public.y as (p int)",
		"create function public.f(a int) returns int language sql as 'select 1'",
		"create function public.f(a text) returns text language sql as 'select a'",
		"create function public.f(a numeric) returns int language sql as 'select 1'; comment on function public.f(numeric) is 'Says.'",
		"create function public.e() returns int language sql as 'select 1'",
	}
	keys := []string{
		"alter table public.a add constraint k foreign key (b) references public.b",
		"alter table public.b add constraint k foreign key (a) references public.a",
		"alter table public.b add constraint j foreign key (a) references public.b",
	}
	var forth, back string
	for _, part := range [][]string{statements, keys} {
		forth += strings.Join(part, ";\n") + ";\n"
		for i := range part {
			back += part[len(part)-1-i] + ";\n"
		}
	}
	if diff := cmp.Diff(generate(t, forth), generate(t, back)); diff != "" {
		t.Error(diff)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `create schema "other one"; create table "other one".t (id int); create table public.p (id int)`)
	s := &typescript.Service{DB: db.DB, Schemas: []string{"other one"}}
	text, err := s.Generate(t.Context(), nil)
	if err != nil || !strings.Contains(text, `type DefaultSchema = Database["other one"]`) || strings.Contains(text, "public") {
		t.Errorf("the exposed ones: %v\n%s", err, text)
	}
	text, err = s.Generate(t.Context(), []string{"public"})
	if err != nil || !strings.Contains(text, `type DefaultSchema = Database["public"]`) || strings.Contains(text, "other one") {
		t.Errorf("another one: %v\n%s", err, text)
	}
	for _, name := range []string{"missing", "pg_catalog", "information_schema", "PUBLIC", ""} {
		_, err := s.Generate(t.Context(), []string{"public", name})
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), fmt.Sprintf("no schema %q. There are: auth, other one, public", name)) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The type of a column is that of its values in JSON.
func TestValues(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	examples := map[string]string{ // by type
		"int2": "1", "int4": "1", "int8": "9007199254740993", "float4": "1.5", "float8": "1e300", "numeric": "12345678901234567890.5", "bool": "t",
		"json": `{"a": 1}`, "jsonb": `{"a": 1}`, "text": "1", "varchar": "1", "bpchar": "1", "name": "1", `"char"`: "1", "uuid": "01000000-0000-7000-8000-000000000000",
		"bytea": `\x01`, "date": "2026-01-01", "time": "10:00", "timetz": "10:00Z", "timestamp": "2026-01-01", "timestamptz": "2026-01-01", "interval": "1 day",
		"inet": "::1", "cidr": "::1", "macaddr": "00:00:00:00:00:01", "int4range": "[1,2)", "int4multirange": "{[1,2)}", "tsrange": "empty", "tsvector": "a",
		"tsquery": "a", "money": "1", "xml": "<a/>", "bit": "1", "varbit": "1", "oid": "1", "regclass": "pg_class", "point": "(1,2)", "box": "((1,2),(3,4))",
		"jsonpath": "$", "pg_lsn": "0/1", "xid8": "1", "int4[]": "{1}", "int4[][]": "{{1}}", "int2vector": "1 2",
	}
	for name, example := range examples {
		db.Exec(t, `create table public.t (c `+name+`)`)
		var got string
		db.Scan(t, "select coalesce(jsonb_typeof(to_jsonb($1::text::"+name+")), '')", []any{example}, &got)
		text, err := (&typescript.Service{DB: db.DB, Schemas: []string{"public"}}).Generate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, column, _ := strings.Cut(text, "          c: ")
		column, _, _ = strings.Cut(column, " | null")
		want := map[string]string{"Json": "object", "number[]": "array"}[column]
		if want == "" {
			want = column
		}
		if got != want {
			t.Errorf("%s is %s, and in JSON %s", name, column, got)
		}
		db.Exec(t, "drop table public.t")
	}
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	text := generate(t, "create extension citext schema public; create extension hstore schema public; create table public.t (a citext, b hstore, c hstore[])")
	for _, want := range []string{"a: string | null", "b: unknown | null", "c: unknown[] | null"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}
