package plan_test

import (
	"context"
	"encoding/json"
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
	db := pgtest.New(t)
	db.Exec(t, `create schema "my schema"; create type "my schema"."mood;" as enum ('sad', 'happy');
		create domain "my schema"."short" as varchar(3);
		create table public.todos (id int8 primary key, title text, done bool, mood "my schema"."mood;",
			tags text[], price numeric(10,2), code char(2), at timestamptz default now(), doc jsonb, short "my schema"."short", "from" uuid);
		create table public.`+plan.Quote(evilTable)+` ("a""b" int4, "c' -- /*" text, "é;$1" text, "\" text, "*" text, """" text, primary key ("é;$1", "a""b"));
		insert into public.todos (id, title, done, mood) values (1, 'a', true, 'sad'), (2, 'b,c', false, 'happy'), (3, null, null, null), (4, 'NULL', true, 'sad'), (5, '{"x"}\', false, null)`)
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
			full.Select = append(full.Select, query.Item{Column: c.Name, Alias: c.Name + `"; drop table t; --`})
			full.Order = append(full.Order, query.Term{Column: c.Name, Descending: true, Nulls: "last"})
			full.Filters = append(full.Filters, query.Filter{Column: c.Name, Op: query.Neq})
			if c.Name != "tags" { // PostgreSQL compares no array with the members of another
				full.Filters = append(full.Filters, query.Filter{Column: c.Name, Op: query.In, Negated: true})
			}
		}
		full.Filters = append(full.Filters, query.Filter{Column: all[0], Op: query.Is, Value: "not_null"})
		for _, q := range []query.Query{{}, full} {
			statements := []plan.Statement{must(t)(plan.Read(table, q, 0)), must(t)(plan.Read(table, q, 10))}
			for _, r := range []plan.Returning{plan.Nothing, plan.Keys, plan.Rows} {
				statements = append(statements,
					must(t)(plan.Insert(table, q, all, "[]", r)), must(t)(plan.Insert(table, q, nil, "[]", r)),
					must(t)(plan.Update(table, q, all, "{}", r)), must(t)(plan.Update(table, q, all[:1], "{}", r)),
					must(t)(plan.Delete(table, q, r)))
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
		"":                                   "1 2 3 4 5",
		"id=eq.2":                            "2",
		"id=neq.2":                           "1 3 4 5",
		"id=gt.2&id=lte.4":                   "3 4",
		"id=gte.2&id=lt.4":                   "2 3",
		"id=in.(5,1,9)":                      "1 5",
		"id=in.()":                           "",
		"id=not.in.()":                       "1 2 3 4 5",
		"title=in.(%22b,c%22,NULL)":          "2 4", // the text NULL, not the absence of one
		`title=eq.{"x"}\`:                    "5",
		`title=in.("{\"x\"}\\")`:             "5",
		"title=eq.NULL":                      "4",
		"title=is.null":                      "3",
		"title=not.is.null":                  "1 2 4 5",
		"title=is.not_null":                  "1 2 4 5",
		"done=is.true":                       "1 4",
		"done=not.is.true":                   "2 3 5",
		"done=is.unknown":                    "3",
		"done=not.eq.true":                   "2 5",
		"mood=eq.sad":                        "1 4",
		"mood=in.(happy)":                    "2",
		"title=eq.'%20or%20'1'='1":           "",
		"order=id.desc":                      "5 4 3 2 1",
		"order=mood.desc.nullslast,id.desc":  "2 4 1 5 3",
		"order=mood.nullsfirst,id":           "3 5 1 4 2",
		"order=id&limit=2&offset=1":          "2 3",
		"limit=0":                            "",
		"offset=100":                         "",
		"id=eq.1&id=eq.2":                    "",
		"done=is.true&order=id.desc&limit=1": "4",
	} {
		if !strings.Contains(raw, "order") {
			raw = strings.TrimPrefix(raw+"&order=id", "&")
		}
		var ids []string
		for _, row := range b.run(t, must(t)(plan.Read(table, parse(t, raw), 0))) {
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
	got := b.run(t, must(t)(plan.Read(b.table(t, "todos"), parse(t, `select=what:title,%22x%5C%22y%22:id&id=eq.2`), 0)))
	if diff := cmp.Diff([]map[string]any{{"what": "b,c", `x"y`: 2.0}}, got); diff != "" {
		t.Error(diff)
	}
	if got := b.run(t, must(t)(plan.Read(b.table(t, "todos"), parse(t, "id=lt.5"), 3))); len(got) != 3 {
		t.Errorf("%d rows of at most 3", len(got))
	}
}

func TestWritesReturnWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, "todos")
	insert := func(q, rows string, r plan.Returning, columns ...string) []map[string]any {
		return b.run(t, must(t)(plan.Insert(table, parse(t, q), columns, rows, r)))
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
	got = b.run(t, must(t)(plan.Read(table, parse(t, "select=title&id=eq.11"), 0)))
	if diff := cmp.Diff([]map[string]any{{"title": nil}}, got); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Update(table, parse(t, "select=id,done&id=gte.10&order=id.desc"), []string{"done"}, `{"done":true,"id":99}`, plan.Rows)))
	if diff := cmp.Diff([]map[string]any{{"id": 11.0, "done": true}, {"id": 10.0, "done": true}}, got); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Delete(table, parse(t, "id=in.(10,1)&order=id"), plan.Keys)))
	if diff := cmp.Diff([]map[string]any{{"id": 1.0}, {"id": 10.0}}, got); diff != "" {
		t.Error(diff)
	}
	b.run(t, must(t)(plan.Delete(table, parse(t, "id=eq.11"), plan.Nothing)))
	if left := b.run(t, must(t)(plan.Read(table, query.Query{}, 0))); len(left) != 4 {
		t.Errorf("%d rows are left", len(left))
	}
}

// The evil table keeps its rows to itself, and todos is still there.
func TestHostileTable(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, evilTable)
	columns := []string{`a"b`, `é;$1`, `"`, `\`}
	b.run(t, must(t)(plan.Insert(table, query.Query{}, columns, `[{"a\"b":1,"é;$1":"k","\"":"q","\\":"s"}]`, plan.Nothing)))
	q := query.Query{Filters: []query.Filter{{Column: `a"b`, Op: query.Eq, Value: "1"}, {Column: `"`, Op: query.In, List: []string{"q"}}}}
	got := b.run(t, must(t)(plan.Update(table, q, []string{`c' -- /*`}, `{"c' -- /*":"new"}`, plan.Rows)))
	if diff := cmp.Diff([]map[string]any{{`a"b`: 1.0, `é;$1`: "k", `"`: "q", `\`: "s", `c' -- /*`: "new", "*": nil}}, got); diff != "" {
		t.Error(diff)
	}
	got = b.run(t, must(t)(plan.Delete(table, q, plan.Keys)))
	if diff := cmp.Diff([]map[string]any{{`a"b`: 1.0, `é;$1`: "k"}}, got); diff != "" {
		t.Error(diff)
	}
	if rows := b.run(t, must(t)(plan.Read(b.table(t, "todos"), query.Query{}, 0))); len(rows) != 5 {
		t.Errorf("%d todos are left", len(rows))
	}
}
