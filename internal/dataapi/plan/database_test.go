package plan_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// base is a database with tables, and one connection to it.
type base struct {
	conn   *pgx.Conn
	tables *catalog.Snapshot
}

const evilTable = `t"; drop table public.todos; --`

func open(t *testing.T) *base {
	t.Helper()
	return openWith(t, `create schema "my schema"; create type "my schema"."mood;" as enum ('sad', 'happy');
		create domain "my schema"."short" as varchar(3);
		create table public.todos (id int8 primary key, title text, done bool, mood "my schema"."mood;",
			tags text[], price numeric(10,2), code char(2), at timestamptz default now(), doc jsonb, short "my schema"."short", "from" uuid,
			raw json, words tsvector, span int4range);
		create table public.`+postgres.Quote(evilTable)+` ("a""b" int4, "c' -- /*" text, "é;$1" text, "\" text, "*" text, """" text, primary key ("é;$1", "a""b"));
		insert into public.todos (id, title, done, mood) values (1, 'a', true, 'sad'), (2, 'b,c', false, 'happy'), (3, null, null, null), (4, 'NULL', true, 'sad'), (5, '{"x"}\', false, null);
		update public.todos set tags = array['t' || id, 'all'], span = int4range(id::int, id::int + 2), words = to_tsvector('english', 'running ' || id),
			doc = jsonb_build_object('n', id, 'deep', jsonb_build_array(jsonb_build_object('k', 'v' || id))), raw = json_build_object('n', id)`)
}

func openWith(t *testing.T, sql string) *base {
	t.Helper()
	db := pgtest.New(t)
	db.Exec(t, sql)
	conn, err := pgx.Connect(context.Background(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	c := &catalog.Service{DB: db.DB, Schemas: []string{"public"}, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &base{conn, c.Snapshot()}
}

func (b *base) table(t *testing.T, name string) *catalog.Table {
	t.Helper()
	table := b.tables.Table("public", name)
	if table == nil {
		t.Fatalf("no table %s", name)
	}
	return table
}

func must(t *testing.T) func(plan.Statement, error) plan.Statement {
	t.Helper()
	return func(st plan.Statement, err error) plan.Statement {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
}

func leaf(f query.Filter) query.Cond { return query.Cond{Filter: &f} }

func leaves(filters []query.Filter) []query.Cond {
	var list []query.Cond
	for _, f := range filters {
		list = append(list, leaf(f))
	}
	return list
}

func parse(t *testing.T, raw string) query.Query {
	t.Helper()
	q, err := query.Parse(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return q
}

// run returns the rows of an answer.
func (b *base) run(t *testing.T, st plan.Statement) []map[string]any {
	t.Helper()
	if !st.Returns {
		if _, err := b.conn.Exec(t.Context(), st.SQL, st.Args...); err != nil {
			t.Fatalf("%s: %v", st.SQL, err)
		}
		return nil
	}
	var body string
	var count int
	if err := b.conn.QueryRow(t.Context(), st.SQL, st.Args...).Scan(&body, &count); err != nil {
		t.Fatalf("%s %v: %v", st.SQL, st.Args, err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != count {
		t.Fatalf("%s: %v, %d rows counted in %s", st.SQL, err, count, body)
	}
	return rows
}

// PostgreSQL reads every form of statement, for tables of any name.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	b := open(t)
	prepared := 0
	for _, name := range []string{"todos", evilTable} {
		table := b.table(t, name)
		var all []string
		full := query.Query{Limit: new(int64), Offset: new(int64)}
		for _, c := range table.Columns {
			all = append(all, c.Name)
			if c.Name == "raw" { // PostgreSQL compares and sorts no json
				continue
			}
			full.Select = append(full.Select, query.Item{Field: query.Field{Column: c.Name}, Alias: c.Name + `"; drop table t; --`})
			full.Order = append(full.Order, query.Term{Field: query.Field{Column: c.Name}, Descending: true, Nulls: "last"})
			full.Where = append(full.Where, leaf(query.Filter{Field: query.Field{Column: c.Name}, Op: query.Neq}))
			if c.Name != "tags" { // PostgreSQL compares no array with the members of another
				full.Where = append(full.Where, leaf(query.Filter{Field: query.Field{Column: c.Name}, Op: query.In, Negated: true}))
			}
		}
		full.Where = append(full.Where, leaf(query.Filter{Field: query.Field{Column: all[0]}, Op: query.Is, Value: "not_null"}))
		for _, q := range []query.Query{{}, full} {
			statements := []plan.Statement{must(t)(plan.Read(table, q, 0, plan.Answer{})), must(t)(plan.Read(table, q, 10, plan.Answer{}))}
			for _, r := range []plan.Returning{plan.Nothing, plan.Keys, plan.Rows} {
				statements = append(statements,
					must(t)(plan.Insert(table, q, all, "[]", plan.Answer{Returning: r})), must(t)(plan.Insert(table, q, nil, "[]", plan.Answer{Returning: r})),
					must(t)(plan.Update(table, q, all, "{}", plan.Answer{Returning: r})), must(t)(plan.Update(table, q, all[:1], "{}", plan.Answer{Returning: r})),
					must(t)(plan.Delete(table, q, plan.Answer{Returning: r})))
			}
			for _, st := range statements {
				described, err := b.conn.Prepare(t.Context(), "", st.SQL)
				if err != nil {
					t.Errorf("%s: %v", st.SQL, err)
					continue
				}
				prepared++
				if len(described.ParamOIDs) != len(st.Args) || st.Returns != (len(described.Fields) == 2) {
					t.Errorf("%s: %d parameters for %d, %d columns", st.SQL, len(st.Args), len(described.ParamOIDs), len(described.Fields))
				}
			}
		}
	}
	if prepared != 68 {
		t.Errorf("%d statements prepared", prepared)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, "todos")
	for raw, want := range map[string]string{
		"":                                        "1 2 3 4 5",
		"id=eq.2":                                 "2",
		"id=neq.2":                                "1 3 4 5",
		"id=gt.2&id=lte.4":                        "3 4",
		"id=gte.2&id=lt.4":                        "2 3",
		"id=in.(5,1,9)":                           "1 5",
		"id=in.()":                                "",
		"id=not.in.()":                            "1 2 3 4 5",
		"title=in.(%22b,c%22,NULL)":               "2 4", // the text NULL, not the absence of one
		`title=eq.{"x"}\`:                         "5",
		`title=in.("{\"x\"}\\")`:                  "5",
		"title=eq.NULL":                           "4",
		"title=is.null":                           "3",
		"title=not.is.null":                       "1 2 4 5",
		"title=is.not_null":                       "1 2 4 5",
		"done=is.true":                            "1 4",
		"done=not.is.true":                        "2 3 5",
		"done=is.unknown":                         "3",
		"done=not.eq.true":                        "2 5",
		"mood=eq.sad":                             "1 4",
		"mood=in.(happy)":                         "2",
		"title=eq.'%20or%20'1'='1":                "",
		"title=like.b*":                           "2",
		"title=ilike.*B*":                         "2",
		"title=like.*B*":                          "",
		"title=not.like.*":                        "",
		"title=match.^[ab]":                       "1 2",
		"title=imatch.^null$":                     "4",
		"title=isdistinct.a":                      "2 3 4 5",
		"title=not.isdistinct.a":                  "1",
		"id=eq(any).{1,3}":                        "1 3",
		"id=not.eq(any).{1,3}":                    "2 4 5",
		"id=gt(all).{1,3}":                        "4 5",
		"title=like(any).{a*,*c}":                 "1 2",
		"title=ilike(all).{*B*,*C*}":              "2",
		"tags=cs.{t2}":                            "2",
		"tags=cd.{t2,all,x}":                      "2",
		"tags=ov.{t2,t3}":                         "2 3",
		"tags=eq.{t2,all}":                        "2",
		"tags->>0=eq.t4":                          "4",
		`doc=cs.{"n":3}`:                          "3",
		"doc->n=eq.3":                             "3",
		"doc->>n=in.(3,4)":                        "3 4",
		"doc->n=gt.3":                             "4 5",
		"doc->deep->0->>k=eq.v5":                  "5",
		"doc->deep->-1->>k=like.*1":               "1",
		"doc->none=is.null":                       "1 2 3 4 5",
		"raw->n=eq.2":                             "2",
		"raw->>n=eq.2":                            "2",
		"span=cs.[3,3]":                           "2 3",
		"span=ov.[1,3)":                           "1 2",
		"span=sl.[4,9)":                           "1 2",
		"span=sr.[1,3)":                           "3 4 5",
		"span=nxr.[1,4)":                          "1 2",
		"span=nxl.[4,9)":                          "4 5",
		"span=adj.[3,4)":                          "1 4",
		"words=fts(english).run%20%26%202":        "2",
		"words=plfts(english).runs":               "1 2 3 4 5",
		"words=not.wfts(english).-2":              "2",
		"title=phfts(simple).b%20c":               "2",
		"title=fts.a":                             "",
		"doc->>n=fts(simple).3":                   "3",
		"or=(id.eq.1,id.eq.2)":                    "1 2",
		"or=(id.eq.1,and(id.gt.2,id.lt.4))":       "1 3",
		"not.or=(id.eq.1,id.eq.2)":                "3 4 5",
		"not.and=(id.gt.1,id.lt.5)":               "1 5",
		`or=(title.eq."b,c",not.id.lt.5)`:         "2 5",
		"or=(id.in.(1,2),title.is.null)&id=neq.2": "1 3",
		"or=(tags.cs.{t1},doc->>n.eq.4)":          "1 4",
		"order=doc->n.desc&limit=2":               "5 4",
		"order=raw->>n.desc&limit=1":              "5",
		"order=id.desc":                           "5 4 3 2 1",
		"order=mood.desc.nullslast,id.desc":       "2 4 1 5 3",
		"order=mood.nullsfirst,id":                "3 5 1 4 2",
		"order=id&limit=2&offset=1":               "2 3",
		"limit=0":                                 "",
		"offset=100":                              "",
		"id=eq.1&id=eq.2":                         "",
		"done=is.true&order=id.desc&limit=1":      "4",
	} {
		if !strings.Contains(raw, "order") {
			raw = strings.TrimPrefix(raw+"&order=id", "&")
		}
		var ids []string
		for _, row := range b.run(t, must(t)(plan.Read(table, parse(t, raw), 0, plan.Answer{}))) {
			ids = append(ids, string(rune('0'+int(row["id"].(float64)))))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestSelectedColumnsOnly(t *testing.T) {
	t.Parallel()
	b := open(t)
	got := b.run(t, must(t)(plan.Read(b.table(t, "todos"), parse(t, `select=what:title,%22x%5C%22y%22:id&id=eq.2`), 0, plan.Answer{})))
	if diff := cmp.Diff([]map[string]any{{"what": "b,c", `x"y`: 2.0}}, got); diff != "" {
		t.Error(diff)
	}
	if got := b.run(t, must(t)(plan.Read(b.table(t, "todos"), parse(t, "id=lt.5"), 3, plan.Answer{}))); len(got) != 3 {
		t.Errorf("%d rows of at most 3", len(got))
	}
}

func TestSelectedPlaces(t *testing.T) {
	t.Parallel()
	b := open(t)
	got := b.run(t, must(t)(plan.Read(b.table(t, "todos"),
		parse(t, `select=id::text,doc->deep->0->k,n:doc->>n::numeric(4,1),raw->n,tags->0,tags->>1,mood::text,title::varchar(1),at:id::int4&id=eq.2`), 0, plan.Answer{})))
	want := map[string]any{"id": "2", "k": "v2", "n": 2.0, "tags": "all", "mood": "happy", "title": "b", "at": 2.0}
	if len(got) != 1 {
		t.Fatal(got)
	}
	for name, value := range want {
		if got[0][name] != value {
			t.Errorf("%s is %v, want %v", name, got[0][name], value)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	b := open(t)
	st := must(t)(plan.Read(b.table(t, "todos"), parse(t, "select=t:title,id,done,tags&order=id&id=lt.6&id=not.in.(3)"), 0, plan.Answer{CSV: true, Count: true}))
	var lines string
	var count, total int
	if err := b.conn.QueryRow(t.Context(), st.SQL, st.Args...).Scan(&lines, &count, &total); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(strings.NewReader(st.Header + lines)).ReadAll()
	want := [][]string{
		{"t", "id", "done", "tags"},
		{"a", "1", "t", "{t1,all}"},
		{"b,c", "2", "f", "{t2,all}"},
		{"NULL", "4", "t", "{t4,all}"},
		{`{"x"}\`, "5", "f", "{t5,all}"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || count != 4 || total != 4 {
		t.Errorf("%v, %d of %d: %s", err, count, total, diff)
	}
}

// An error of PostgreSQL is about the column that the words before it named.
func TestBlame(t *testing.T) {
	t.Parallel()
	b := open(t)
	for raw, want := range map[string]string{
		"title=eq.a&id=like.1*&done=is.true": "id",
		"id=eq.1&done=eq.perhaps&id=eq.2":    "done",
		"title=is.true&id=eq.1":              "title",
		"id=eq.1&id=fts.x&title=eq.1":        "id",
		"select=id,title::nothing":           "title",
		"order=id,doc->a,tags&doc=sl.1":      "doc",
		"doc->a=eq.{":                        "doc",
		"title=fts(klingon).x":               "title",
		"or=(id.eq.1,span.eq.x)":             "span",
		"limit=1&order=raw":                  "raw",
	} {
		st := must(t)(plan.Read(b.table(t, "todos"), parse(t, raw), 0, plan.Answer{}))
		args := [][]byte{}
		for _, arg := range st.Args {
			args = append(args, []byte(fmt.Sprint(arg)))
		}
		err := b.conn.PgConn().ExecParams(t.Context(), st.SQL, args, nil, nil, nil).Read().Err
		report := postgres.Report(err)
		if report == nil || st.Blame(report.Position, report.Context) != want {
			t.Errorf("%s: %+v, %v", raw, report, err)
		}
	}
	st := must(t)(plan.Read(b.table(t, "todos"), parse(t, "id=eq.1"), 0, plan.Answer{}))
	for _, position := range []int{-1, 0, 1, 1 << 40} {
		if got := st.Blame(position, "in $1, parameter $0, parameter $"); got != "" && position < 2 {
			t.Errorf("position %d is of %q", position, got)
		}
	}
}

func TestWritesReturnWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, "todos")
	insert := func(q, rows string, r plan.Returning, columns ...string) []map[string]any {
		return b.run(t, must(t)(plan.Insert(table, parse(t, q), columns, rows, plan.Answer{Returning: r})))
	}
	const evil = `'); drop table todos; --`
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	got := insert("select=id,title,mood,price,code,tags,doc", `[{"id":10,"title":`+string(quoted)+`,"mood":"sad","price":1.005,"code":"x","tags":["a",null],"doc":{"k":[1]}}]`,
		plan.Rows, "id", "title", "mood", "price", "code", "tags", "doc")
	want := []map[string]any{{
		"id": 10.0, "title": evil, "mood": "sad", "price": 1.01, "code": "x ", "tags": []any{"a", nil}, "doc": map[string]any{"k": []any{1.0}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A member that is not among the columns is not written.
	if diff := cmp.Diff([]map[string]any{{"id": 11.0}}, insert("", `[{"id":11,"title":"x"}]`, plan.Keys, "id")); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Read(table, parse(t, "select=title&id=eq.11"), 0, plan.Answer{})))
	if diff := cmp.Diff([]map[string]any{{"title": nil}}, got); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Update(table, parse(t, "select=id,done&id=gte.10&order=id.desc"), []string{"done"}, `{"done":true,"id":99}`, plan.Answer{Returning: plan.Rows})))
	if diff := cmp.Diff([]map[string]any{{"id": 11.0, "done": true}, {"id": 10.0, "done": true}}, got); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Delete(table, parse(t, "id=in.(10,1)&order=id"), plan.Answer{Returning: plan.Keys})))
	if diff := cmp.Diff([]map[string]any{{"id": 1.0}, {"id": 10.0}}, got); diff != "" {
		t.Error(diff)
	}
	b.run(t, must(t)(plan.Delete(table, parse(t, "id=eq.11"), plan.Answer{Returning: plan.Nothing})))
	if left := b.run(t, must(t)(plan.Read(table, query.Query{}, 0, plan.Answer{}))); len(left) != 4 {
		t.Errorf("%d rows are left", len(left))
	}
}

// The evil table keeps its rows to itself, and todos is still there.
func TestHostileTable(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, evilTable)
	columns := []string{`a"b`, `é;$1`, `"`, `\`}
	b.run(t, must(t)(plan.Insert(table, query.Query{}, columns, `[{"a\"b":1,"é;$1":"k","\"":"q","\\":"s"}]`, plan.Answer{Returning: plan.Nothing})))
	q := query.Query{Where: leaves([]query.Filter{{Field: query.Field{Column: `a"b`}, Op: query.Eq, Value: "1"}, {Field: query.Field{Column: `"`}, Op: query.In, List: []string{"q"}}})}
	got := b.run(t, must(t)(plan.Update(table, q, []string{`c' -- /*`}, `{"c' -- /*":"new"}`, plan.Answer{Returning: plan.Rows})))
	if diff := cmp.Diff([]map[string]any{{`a"b`: 1.0, `é;$1`: "k", `"`: "q", `\`: "s", `c' -- /*`: "new", "*": nil}}, got); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Delete(table, q, plan.Answer{Returning: plan.Keys})))
	if diff := cmp.Diff([]map[string]any{{`a"b`: 1.0, `é;$1`: "k"}}, got); diff != "" {
		t.Error(diff)
	}
	if rows := b.run(t, must(t)(plan.Read(b.table(t, "todos"), query.Query{}, 0, plan.Answer{}))); len(rows) != 5 {
		t.Errorf("%d todos are left", len(rows))
	}
}
