package plan

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

var update = flag.Bool("update", false, "write the golden files anew")

func todos() *catalog.Table {
	return catalog.NewTable(catalog.Table{
		Schema: "public", Name: "todos", PrimaryKey: []string{"id"},
		Columns: []catalog.Column{
			{Name: "id", Type: "pg_catalog.int8"},
			{Name: "title", Type: "pg_catalog.text"},
			{Name: "done", Type: "pg_catalog.bool"},
			{Name: "mood", Type: `"my schema"."mood;"`},
			{Name: "doc", Type: "pg_catalog.jsonb"},
			{Name: "raw", Type: "pg_catalog.json"},
			{Name: "words", Type: "pg_catalog.tsvector"},
			{Name: "tags", Type: "pg_catalog._text"},
		},
	})
}

// hostile is a table that somebody named with care.
func hostile() *catalog.Table {
	return catalog.NewTable(catalog.Table{
		Schema: `s"; drop schema s; --`, Name: `t" where 1=1 or "x`, PrimaryKey: []string{`a"b`, `é;$1`},
		Columns: []catalog.Column{
			{Name: `a"b`, Type: "pg_catalog.int4"},
			{Name: `é;$1`, Type: "pg_catalog.text"},
			{Name: `c' -- /*`, Type: "pg_catalog.text"},
			{Name: `\`, Type: "pg_catalog.text"},
			{Name: "*", Type: "pg_catalog.text"},
			{Name: `""`, Type: "pg_catalog.text"},
		},
	})
}

func leaf(f query.Filter) query.Cond { return query.Cond{Filter: &f} }

func leaves(filters []query.Filter) []query.Cond {
	var list []query.Cond
	for _, f := range filters {
		list = append(list, leaf(f))
	}
	return list
}

func parsed(tb testing.TB, raw string) query.Query {
	tb.Helper()
	q, err := query.Parse(raw)
	if err != nil {
		tb.Fatalf("%s: %v", raw, err)
	}
	return q
}

// golden compares statements with testdata/NAME.golden.
func golden(t *testing.T, name string, statements ...Statement) {
	t.Helper()
	var text strings.Builder
	for _, st := range statements {
		fmt.Fprintf(&text, "%s\nargs %#v, returns %v\n\n", st.SQL, st.Args, st.Returns)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew): %s", path, diff)
	}
	for _, st := range statements {
		checkPlaceholders(t, st)
	}
}

func must(tb testing.TB) func(Statement, error) Statement {
	tb.Helper()
	return func(st Statement, err error) Statement {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return st
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raw string
		max int64
	}{
		"read-all":            {"", 0},
		"read-select":         {"select=id,what:title,*", 0},
		"read-operators":      {"id=eq.1&id=neq.2&id=gt.3&id=gte.4&id=lt.5&id=lte.6", 0},
		"read-is":             {"done=is.null&done=is.not_null&done=is.true&done=is.false&done=is.unknown", 0},
		"read-in":             {`title=in.(a,"b,c","d\"e","f\\g",,null)&id=in.()`, 0},
		"read-not":            {"id=not.eq.1&title=not.in.(a)&done=not.is.null", 0},
		"read-order":          {"order=id,title.desc,done.asc.nullsfirst,mood.desc.nullslast", 0},
		"read-patterns":       {"title=like.*a*&title=not.ilike.b%25&title=match.^c&title=imatch.d&title=isdistinct.e&title=not.isdistinct.f", 0},
		"read-containers":     {"tags=cs.{a}&tags=cd.{b}&tags=ov.{c}&tags=not.ov.{d}", 0},
		"read-ranges":         {"mood=sl.[1,2]&mood=sr.[1,2]&mood=nxr.[1,2]&mood=nxl.[1,2]&mood=adj.[1,2]", 0},
		"read-quantifiers":    {"id=eq(any).{1,2}&id=not.gt(all).{3}&title=like(any).{a*,*b}&title=imatch(all).{c}", 0},
		"read-search":         {"title=fts.a&title=plfts(english).b&words=phfts(german).c&words=not.wfts.d&doc->>t=fts(simple).e", 0},
		"read-logic":          {"or=(id.eq.1,and(id.gt.2,not.title.is.null),not.or(done.is.true,title.in.(a,b)))&not.and=(id.eq.3,doc->a.eq.4)&id=lt.5", 0},
		"read-paths":          {"select=doc->a,x:doc->a->0->>b,raw->c,tags->0,mood->>d&doc->a->>b=eq.1&raw->c=eq.2&tags->>-1=is.null&order=doc->a.desc,raw->>b", 0},
		"read-casts":          {"select=id::text,x:doc->>a::numeric(10,2),title::varchar(3)[],mood::%22S%22.%22t;%22&order=id", 0},
		"read-page":           {"limit=10&offset=20", 0},
		"read-page-cut":       {"limit=10", 5},
		"read-page-within":    {"limit=5", 10},
		"read-page-bound":     {"offset=7", 1000},
		"read-everything":     {"select=a:id,title&id=gt.0&done=not.is.true&order=title.desc&limit=3&offset=4", 100},
		"read-hostile-values": {`title=eq.'%3B+drop+table+todos%3B--&title=in.("'%3B--","{}")&select=%22x%5C%22%3B--%22:title`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name, must(t)(Read(todos(), parsed(t, c.raw), c.max, Answer{})))
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	q := parsed(t, "select=id,what:title,%22x,%5C%22y%22:id,*,doc->k&id=gt.1&limit=2&offset=1")
	csv := must(t)(Read(todos(), q, 0, Answer{CSV: true}))
	if want := `id,what,"x,""y",id,title,done,mood,doc,raw,words,tags,k` + "\n"; csv.Header != want {
		t.Errorf("the header is %s", csv.Header)
	}
	golden(t, "answers", csv, must(t)(Read(todos(), q, 0, Answer{Stripped: true})), must(t)(Read(todos(), q, 5, Answer{Count: true})),
		must(t)(Delete(todos(), q, Answer{Returning: Rows, CSV: true, Count: true})),
		must(t)(Delete(todos(), q, Answer{Returning: Keys, CSV: true})),
		must(t)(Delete(todos(), q, Answer{Returning: Rows, Stripped: true})))
}

func TestWrites(t *testing.T) {
	t.Parallel()
	q := parsed(t, "select=id,what:title&id=eq.1&done=is.true&order=id.desc&limit=1&offset=1")
	const rows = `[{"title":"'; drop table todos; --","mood":"sad"}]`
	for i, name := range []string{"nothing", "keys", "rows"} {
		returning := Returning(i)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "write-"+name,
				must(t)(Insert(todos(), q, []string{"title", "mood"}, rows, Answer{Returning: returning})),
				must(t)(Insert(todos(), q, nil, "[{}]", Answer{Returning: returning})),
				must(t)(Update(todos(), q, []string{"done", "mood"}, `{"done":true,"mood":"happy"}`, Answer{Returning: returning})),
				must(t)(Update(todos(), query.Query{}, []string{"done"}, `{"done":true}`, Answer{Returning: returning})),
				must(t)(Delete(todos(), q, Answer{Returning: returning})),
				must(t)(Delete(todos(), query.Query{}, Answer{Returning: returning})),
			)
		})
	}
}

func TestUpserts(t *testing.T) {
	t.Parallel()
	upsert := func(table *catalog.Table, raw string, merge bool, r Returning, columns ...string) Statement {
		return must(t)(Upsert(table, parsed(t, raw), columns, "[]", merge, Answer{Returning: r}))
	}
	without := catalog.NewTable(catalog.Table{Schema: "public", Name: "log", Columns: []catalog.Column{{Name: "new", Type: "pg_catalog.text"}}})
	golden(t, "upsert",
		upsert(todos(), "", true, Nothing, "id", "title"), upsert(todos(), "", true, Keys, "id", "title"),
		upsert(todos(), "select=id,*&order=id&id=eq.1", true, Rows, "id", "title"), upsert(todos(), "on_conflict=title,done", false, Nothing, "title"),
		upsert(todos(), "", true, Nothing), upsert(without, "", true, Rows, "new"), upsert(without, "", false, Nothing, "new"))
	for _, q := range []query.Query{{OnConflict: []string{`id" do nothing; --`}}, {OnConflict: []string{}, Select: []query.Item{{Field: query.Field{Column: "new"}}}}} {
		wantUnknown(t, "upsert")(Upsert(todos(), q, []string{"id"}, "[]", true, Answer{Returning: Rows}))
	}
}

func TestTableWithoutKeyReturnsNoKeys(t *testing.T) {
	t.Parallel()
	table := catalog.NewTable(catalog.Table{Schema: "public", Name: "log", Columns: []catalog.Column{{Name: "line", Type: "pg_catalog.text"}}})
	golden(t, "write-without-key", must(t)(Insert(table, query.Query{}, []string{"line"}, `[{"line":"x"}]`, Answer{Returning: Keys})))
}

func TestHostileIdentifiersAreQuoted(t *testing.T) {
	t.Parallel()
	table := hostile()
	var columns []string
	q := query.Query{}
	for _, c := range table.Columns {
		columns = append(columns, c.Name)
		q.Select = append(q.Select, query.Item{Field: query.Field{Column: c.Name}, Alias: c.Name + `" from pg_authid; --`})
		q.Order = append(q.Order, query.Term{Field: query.Field{Column: c.Name}, Descending: true})
		q.Where = append(q.Where, leaf(query.Filter{Field: query.Field{Column: c.Name}, Op: query.Eq, Value: c.Name}))
	}
	golden(t, "hostile",
		must(t)(Read(table, q, 10, Answer{})),
		must(t)(Insert(table, q, columns, "[]", Answer{Returning: Rows})),
		must(t)(Update(table, q, columns, "{}", Answer{Returning: Keys})),
		must(t)(Delete(table, q, Answer{Returning: Rows})))
}

// Names that the catalog does not have never reach SQL, wherever they stand.
func TestUnknownColumnsAreRefused(t *testing.T) {
	t.Parallel()
	table := todos()
	const bad = `id" from pg_authid --`
	for name, q := range map[string]query.Query{
		"select":          {Select: []query.Item{{Field: query.Field{Column: bad}}}},
		"select, aliased": {Select: []query.Item{{Field: query.Field{Column: "id"}}, {Field: query.Field{Column: bad}, Alias: "id"}}},
		"aliased star":    {Select: []query.Item{{Field: query.Field{Column: "*"}, Alias: "x"}}},
		"order":           {Order: []query.Term{{Field: query.Field{Column: "id"}}, {Field: query.Field{Column: bad}}}},
		"order by alias":  {Select: []query.Item{{Field: query.Field{Column: "id"}, Alias: "x"}}, Order: []query.Term{{Field: query.Field{Column: "x"}}}},
		"eq":              {Where: leaves([]query.Filter{{Field: query.Field{Column: bad}, Op: query.Eq}})},
		"in":              {Where: leaves([]query.Filter{{Field: query.Field{Column: bad}, Op: query.In}})},
		"is":              {Where: leaves([]query.Filter{{Field: query.Field{Column: bad}, Op: query.Is, Value: "null"}})},
		"case variant":    {Where: leaves([]query.Filter{{Field: query.Field{Column: "ID"}, Op: query.Eq}})},
		"system column":   {Where: leaves([]query.Filter{{Field: query.Field{Column: "ctid"}, Op: query.Eq}})},
		"empty":           {Where: leaves([]query.Filter{{Op: query.Eq}})},
		"star in order":   {Order: []query.Term{{Field: query.Field{Column: "*"}}}},
		"qualified":       {Where: leaves([]query.Filter{{Field: query.Field{Column: "todos.id"}, Op: query.Eq}})},
		"cast":            {Where: leaves([]query.Filter{{Field: query.Field{Column: "id::text"}, Op: query.Eq}})},
	} {
		wantUnknown(t, name+": read")(Read(table, q, 0, Answer{}))
		wantUnknown(t, name+": delete")(Delete(table, q, Answer{Returning: Rows}))
		wantUnknown(t, name+": update")(Update(table, q, []string{"title"}, "{}", Answer{Returning: Rows}))
	}
	for _, name := range []string{bad, "ID", "xmin", "", `title"`, "title "} {
		wantUnknown(t, "insert")(Insert(table, query.Query{}, []string{"id", name}, "[]", Answer{Returning: Nothing}))
		wantUnknown(t, "update")(Update(table, query.Query{}, []string{name}, "{}", Answer{Returning: Nothing}))
	}
	if _, err := Read(table, parsed(t, "select=id,title&order=title&id=eq.1"), 0, Answer{}); err != nil {
		t.Errorf("known columns: %v", err)
	}
}

func wantUnknown(t *testing.T, what string) func(Statement, error) {
	t.Helper()
	return func(st Statement, err error) {
		t.Helper()
		var e *UnknownColumnError
		if !errors.As(err, &e) || e.Table != "todos" || st.SQL != "" || st.Args != nil {
			t.Errorf("%s: %+v, %v", what, st, err)
		}
	}
}

func TestFirstUnknownColumnIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Read(todos(), parsed(t, "select=nope&order=nada&id=eq.1"), 0, Answer{})
	if err == nil || err.Error() != "column todos.nope does not exist" {
		t.Error(err)
	}
}

func TestArrayLiteral(t *testing.T) {
	t.Parallel()
	for want, list := range map[string][]string{
		`{}`: nil, `{""}`: {""}, `{"a","b"}`: {"a", "b"}, `{"NULL"}`: {"NULL"}, `{"a\"b","c\\d"}`: {`a"b`, `c\d`},
		`{"{x,y}"," "}`: {"{x,y}", " "}, `{"é","` + "\n" + `"}`: {"é", "\n"},
	} {
		if got := arrayLiteral(list); got != want {
			t.Errorf("%q: %s, want %s", list, got, want)
		}
	}
}

// A plan does not touch what it was made from: tables are shared by requests.
func TestPlanningChangesNothing(t *testing.T) {
	t.Parallel()
	table, q := todos(), parsed(t, "select=id&id=in.(1,2)&order=id&limit=100")
	before, list := *q.Limit, slices.Clone(q.Where[0].Filter.List)
	first := must(t)(Read(table, q, 10, Answer{}))
	if *q.Limit != before || !slices.Equal(q.Where[0].Filter.List, list) {
		t.Errorf("the query is now %+v", q)
	}
	if diff := cmp.Diff(first, must(t)(Read(table, q, 10, Answer{})), cmp.AllowUnexported(Statement{}, mark{})); diff != "" {
		t.Errorf("the second plan differs: %s", diff)
	}
}
