package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
)

// wording is what an attacker may choose of a request, and of a table's names.
type wording struct {
	schema, table, a, b string // of the catalog
	alias, value        string // of the request
}

// plans returns one statement of each kind in the same words.
func plans(tb testing.TB, w wording) []Statement {
	tb.Helper()
	table := catalog.NewTable(catalog.Table{
		Schema: w.schema, Name: w.table, PrimaryKey: []string{w.a},
		Columns: []catalog.Column{{Name: w.a, Type: "pg_catalog.int4"}, {Name: w.b, Type: `"my schema"."a type"`}},
	})
	relate(table, w)
	path := []query.Step{{Key: w.alias}, {Index: 1, Element: true}, {Key: w.value, Text: true}}
	q := query.Query{
		Select: []query.Item{{Field: query.Field{Column: w.a}}, {Field: query.Field{Column: w.b}, Alias: w.alias}, {Field: query.Field{Column: w.a, Path: path}, Alias: w.alias, Cast: &query.Type{Schema: w.alias, Name: w.schema, Modifiers: []int{1, 2}, Array: true}}, {Field: query.Field{Column: "*"}}},
		Where: leaves([]query.Filter{
			{Field: query.Field{Column: w.a}, Op: query.Eq, Value: w.value},
			{Field: query.Field{Column: w.b}, Op: query.In, List: []string{w.value, "", w.alias}, Negated: true},
			{Field: query.Field{Column: w.b}, Op: query.Is, Value: "null"},
			{Field: query.Field{Column: w.a}, Op: query.Lte, Value: w.value},
			{Field: query.Field{Column: w.b, Path: path}, Op: query.ILike, Value: w.value, Quantifier: "any"},
			{Field: query.Field{Column: w.a, Path: path[:1]}, Op: query.WebSearch, Value: w.value, Language: w.alias},
		}),
		Order: []query.Term{{Field: query.Field{Column: w.b}, Descending: true, Nulls: "last"}, {Field: query.Field{Column: w.a, Path: path}}},
		Limit: new(int64), Offset: new(int64),
	}
	q.Where = append(q.Where, query.Cond{Or: true, Negated: true, Members: q.Where})
	for _, kind := range []string{"one", "many", "between", "function"} {
		within := query.Query{
			Select: []query.Item{{Field: query.Field{Column: w.b, Path: path}, Alias: w.alias}, {Field: query.Field{Column: w.a}, Aggregate: query.Max, Result: &query.Type{Name: w.alias}}},
			Where:  q.Where[:1], Order: q.Order[:1], Limit: new(int64),
		}
		for _, spread := range []bool{false, true} {
			q.Select = append(q.Select, query.Item{Alias: w.alias, Embed: &query.Embed{Relation: kind, Inner: true, Spread: spread, Query: within}})
		}
	}
	q.Select[4].Alias = "o"
	q.Order = append(q.Order, query.Term{Field: query.Field{Column: w.b}, Relation: "o"})
	columns, check := []string{w.b, w.a}, must(tb)
	statements := []Statement{
		check(Read(table, q, 10, Answer{Aggregates: true})), check(Read(table, query.Query{}, 0, Answer{Aggregates: true})),
		check(Read(table, q, 0, Answer{Aggregates: true, CSV: true, Count: true})), check(Read(table, q, 0, Answer{Aggregates: true, Stripped: true})),
	}
	for _, r := range []Returning{Nothing, Keys, Rows} {
		statements = append(statements, check(Insert(table, q, columns, w.value, Answer{Aggregates: true, Returning: r})), check(Insert(table, q, nil, w.value, Answer{Aggregates: true, Returning: r})),
			check(Upsert(table, q, columns, w.value, true, Answer{Aggregates: true, Returning: r})), check(Upsert(table, q, columns, w.value, false, Answer{Aggregates: true, Returning: r})),
			check(Update(table, q, columns, w.value, Answer{Aggregates: true, Returning: r})), check(Delete(table, q, Answer{Aggregates: true, Returning: r})))
	}
	f := &catalog.Function{Schema: w.schema, Name: w.table, Returns: catalog.Composite, Set: true, Result: table, Arguments: []catalog.Argument{
		{Name: w.a, Type: &catalog.Type{SQL: "pg_catalog.int4"}}, {Name: w.b, Type: &catalog.Type{SQL: "pg_catalog._text"}, Variadic: true},
	}}
	q.Columns = nil
	return append(statements, check(Call(f, Arguments{JSON: w.value, Names: []string{w.a, w.b}}, q, 10, Answer{Aggregates: true})),
		check(Call(f, Arguments{Texts: map[string][]string{w.a: {w.value}, w.b: {w.value, w.alias}}}, q, 10, Answer{Aggregates: true, Count: true, CSV: true})))
}

// relate gives a table a relation of each kind to itself.
func relate(t *catalog.Table, w wording) {
	one, between := []string{w.a}, &catalog.Junction{Table: t, Columns: []string{w.b}, Target: []string{w.a}}
	f := &catalog.Function{Schema: w.schema, Name: w.alias, Result: t, OfTable: true, Set: true}
	for name, r := range map[string]*catalog.Relation{
		"one":      {Cardinality: catalog.ManyToOne, Table: t, Constraint: "one", Columns: []string{w.b}, Target: one},
		"many":     {Cardinality: catalog.OneToMany, Table: t, Constraint: "many", Columns: one, Target: []string{w.b}},
		"between":  {Cardinality: catalog.ManyToMany, Table: t, Columns: one, Target: one, Junction: between},
		"function": {Cardinality: catalog.OneToMany, Table: t, Function: f},
	} {
		if r.Junction != nil || r.Function != nil { // which go by names that may be hostile here
			twin := *t
			twin.Name = name
			r.Table = catalog.NewTable(twin)
		}
		if r.Function != nil {
			r.Function.Name = name
		}
		t.Relations = append(t.Relations, r)
	}
}

// FuzzShape plans a request in hostile words and in plain ones: but for the
// names within quotes and the parameters, the statements must be the same.
func FuzzShape(f *testing.F) {
	plain := wording{"schema", "table", "a", "b", "alias", "value"}
	for _, evil := range []string{
		`"`, `""`, `x"; drop table t; --`, `' or '1'='1`, "$1", "$$", `\`, `\"`, "/*", "*/", "*", "{", `"}`, `",NULL,"`, "é", "\n", "select", "t", "written", "j",
		`"."`, "a) from pg_authid; --", strings.Repeat(`"`, 64), "U&\"", "e'", ".", ";", ",", "\u202e", "ﬀ", "",
	} {
		f.Add(evil, evil+"t", evil+"a", evil+"b", evil, evil)
		f.Add("public", "t", "a", evil, "x", evil)
	}
	f.Fuzz(func(t *testing.T, schema, table, a, b, alias, value string) {
		w := wording{schema, table, a, b, alias, value}
		if a == b || alias == a || alias == b || alias == "o" || a == "o" || b == "o" || a == "" || b == "" || a == "*" || alias == "" || slices.Contains([]string{"one", "many", "between", "function"}, table) || !utf8Names(schema, table, a, b, alias, value) {
			t.Skip() // the catalog and query.Parse yield none of these, or they plan otherwise
		}
		names := []string{schema, table, a, b, alias, "my schema", "a type", "new", "new_", "new__", "o", "max", "between", "function"}
		for i, st := range plans(t, w) {
			twin := plans(t, plain)[i]
			if diff := cmp.Diff(shape(t, twin.SQL), shape(t, st.SQL)); diff != "" {
				t.Fatalf("another shape: %s", diff)
			}
			for _, name := range identifiers(t, st.SQL) {
				if !slices.Contains(names, name) {
					t.Fatalf("the name %q in %s", name, st.SQL)
				}
			}
			checkPlaceholders(t, st)
			if len(st.Args) != len(twin.Args) || st.Returns != twin.Returns {
				t.Fatalf("%+v\n%+v", st, twin)
			}
		}
	})
}

// FuzzRequest plans whatever parses. No value that was sent may be in the SQL,
// and no name but the catalog's, the aliases and the types that it is cast to: in
// other values of the same kind a request is the same statement, byte by byte.
func FuzzRequest(f *testing.F) {
	for _, raw := range []string{
		"select=id,x:title&id=eq.7&title=not.in.(a,%22b%22)&order=id.desc&limit=5", "id=is.null&done=is.true", "select=%22%5C%22;--%22:id",
		"select=*&offset=1", "a=eq.1", "select=t:id&order=id", "title=in.(%22%5C%5C%22,%7B%7D)", "columns=id", "select=*,*:id",
		"select=id,count(),title.max()::text,x:one!inner(id)&x.id=eq.1&order=x(id)", "select=...one(id)&one=is.null", "select=id.count()&order=id",
		"select=doc->a->>0::numeric(1,2)[],x:raw->%22;--%22::%22s%22.%22t;--%22&or=(doc->>a.eq.1,not.and(tags.cs.{1},title.fts(x).y))", "title=like(any).{a}&order=doc->%22';%22",
		"select=id,many(id,title,one(doc->a))&many.order=id.desc&many.limit=3&many.one.title=eq.x", "select=...many(id),y:between!inner(id.sum())&y.or=(id.eq.1,title.is.null)",
		"select=function(*)&function.title=in.(a,b)&many=not.is.null", "select=id,many(count())&many.id=gt.1", "select=doc->%22%22", "on_conflict=id&columns=id,title", "title=match.(%5B",
		"select=%22count%22,title::%22text%22&title=eq(all).%7B%22%5C%22,%27%7D", "select=*&id=in.()&limit=0&offset=9223372036854775807", "title=isdistinct.null&tags=ov.%7Ba%7D",
	} {
		f.Add(raw, "v")
		f.Add(raw, `'"; drop table t; -- $1 \`)
	}
	w := wording{"public", "todos", "id", "title", "new", ""}
	table := todos()
	relate(table, w)
	f.Fuzz(func(t *testing.T, raw, value string) {
		q, err := query.Parse(raw)
		if err != nil {
			return
		}
		names := append(namesIn(&q), "public", "todos", "my schema", "mood;", "new", "new_", "new__", "one", "many", "between", "function")
		for _, c := range table.Columns {
			names = append(names, c.Name)
		}
		q.Where = append(q.Where, leaf(query.Filter{Field: query.Field{Column: "title"}, Op: query.Eq, Value: value}))
		statements, others := planned(t, table, q, value), planned(t, table, inOtherValues(q), "other")
		for i, st := range statements {
			if st.SQL != others[i].SQL {
				t.Fatalf("in other values another statement:\n%s\n%s", st.SQL, others[i].SQL)
			}
			if st.SQL == "" {
				continue
			}
			shape(t, st.SQL)
			checkPlaceholders(t, st)
			for _, name := range identifiers(t, st.SQL) {
				if !slices.Contains(names, name) {
					t.Fatalf("the name %q in %s", name, st.SQL)
				}
			}
		}
	})
}

// planned returns the statement of each kind, which is empty where there is none.
func planned(t *testing.T, table *catalog.Table, q query.Query, value string) []Statement {
	t.Helper()
	function := &catalog.Function{Schema: "public", Name: "function", Returns: catalog.Composite, Set: true, Result: table, Arguments: []catalog.Argument{
		{Name: "id", Type: &catalog.Type{SQL: "pg_catalog.int4"}}, {Name: "tags", Type: &catalog.Type{SQL: "pg_catalog._text"}, Variadic: true},
	}}
	all := make([]Statement, 0, 8)
	for _, plan := range []func() (Statement, error){
		func() (Statement, error) { return Read(table, q, 10, Answer{Aggregates: true}) },
		func() (Statement, error) { return Read(table, q, 0, Answer{Aggregates: true, Count: true, CSV: true}) },
		func() (Statement, error) { return Delete(table, q, Answer{Aggregates: true, Returning: Rows}) },
		func() (Statement, error) {
			return Update(table, q, []string{"done"}, value, Answer{Aggregates: true, Returning: Keys})
		},
		func() (Statement, error) {
			return Upsert(table, q, q.Columns, value, true, Answer{Aggregates: true, Returning: Rows})
		},
		func() (Statement, error) {
			return Insert(table, q, q.Columns, value, Answer{Aggregates: true, Returning: Rows})
		},
		func() (Statement, error) {
			return Call(function, Arguments{JSON: value, Names: []string{"id", "tags"}}, q, 10, Answer{Aggregates: true})
		},
		func() (Statement, error) {
			return Call(function, Arguments{Texts: map[string][]string{"id": {value}, "tags": {value, value}}}, q, 0, Answer{Aggregates: true, Count: true})
		},
	} {
		st, err := plan()
		if err != nil {
			switch err.(type) { //nolint:errorlint // the error itself, unwrapped, is the contract
			case *UnknownColumnError, *RelationError, *NotNullError, *NotToOneError, *query.NotEmbeddedError:
			default:
				if err != ErrTooLarge { //nolint:errorlint // as above
					t.Fatalf("%+v, %v", st, err)
				}
			}
			if st.SQL != "" {
				t.Fatalf("%+v, %v", st, err)
			}
		}
		all = append(all, st)
	}
	return all
}

// namesIn are the names that a request chooses.
func namesIn(q *query.Query) (names []string) {
	for _, item := range q.Select {
		names = append(names, item.Alias, item.Name(), item.Key())
		for _, as := range []*query.Type{item.Cast, item.Result} {
			if as != nil {
				names = append(names, as.Schema, as.Name)
			}
		}
		if item.Embed != nil {
			names = append(names, namesIn(&item.Embed.Query)...)
		}
	}
	return names
}

// inOtherValues is a query with another value in the place of each.
func inOtherValues(q query.Query) query.Query {
	number := func(n *int64) *int64 {
		if n == nil {
			return nil
		}
		return new(*n/2 + 1)
	}
	q.Limit, q.Offset, q.Where = number(q.Limit), number(q.Offset), others(q.Where)
	q.Select = slices.Clone(q.Select)
	for i, item := range q.Select {
		if item.Embed != nil {
			e := *item.Embed
			e.Query = inOtherValues(e.Query)
			q.Select[i].Embed = &e
		}
	}
	return q
}

func others(conditions []query.Cond) []query.Cond {
	changed := slices.Clone(conditions)
	for i, c := range conditions {
		changed[i].Members = others(c.Members)
		if c.Filter == nil || c.Filter.Op == query.Is {
			continue
		}
		f := *c.Filter
		if f.Value = "other"; len(f.List) > 0 {
			f.List = []string{"other", "others"}
		}
		if f.Language != "" {
			f.Language = "other"
		}
		changed[i].Filter = &f
	}
	return changed
}
