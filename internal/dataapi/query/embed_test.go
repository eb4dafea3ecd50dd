package query

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func column(name string) Item { return Item{Field: Field{Column: name}} }

func embedding(e Embed) Item {
	if e.Query.Select == nil {
		e.Query.Select = []Item{}
	}
	return Item{Embed: &e}
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	of := func(items ...Item) Query { return Query{Select: items} }
	for text, want := range map[string][]Item{
		"rel()":                {embedding(Embed{Relation: "rel"})},
		"id,rel(*)":            {column("id"), embedding(Embed{Relation: "rel", Query: of(column("*"))})},
		"rel ( )":              {embedding(Embed{Relation: "rel"})},
		"x:rel(a, b:c)":        {{Alias: "x", Embed: &Embed{Relation: "rel", Query: of(column("a"), Item{Field: Field{Column: "c"}, Alias: "b"})}}},
		"rel!fk(a)":            {embedding(Embed{Relation: "rel", Hint: "fk", Query: of(column("a"))})},
		"rel!inner(a)":         {embedding(Embed{Relation: "rel", Inner: true, Query: of(column("a"))})},
		"rel!left()":           {embedding(Embed{Relation: "rel"})},
		"rel!fk!inner()":       {embedding(Embed{Relation: "rel", Hint: "fk", Inner: true})},
		"rel!inner!fk()":       {embedding(Embed{Relation: "rel", Hint: "fk", Inner: true})},
		`rel!"inner k"!left()`: {embedding(Embed{Relation: "rel", Hint: "inner k"})},
		`"r,(l"!"f!k"()`:       {embedding(Embed{Relation: "r,(l", Hint: "f!k"})},
		"...rel(a,b:c)":        {embedding(Embed{Relation: "rel", Spread: true, Query: of(column("a"), Item{Field: Field{Column: "c"}, Alias: "b"})})},
		"a(b(c(d)),e())": {embedding(Embed{Relation: "a", Query: of(
			embedding(Embed{Relation: "b", Query: of(embedding(Embed{Relation: "c", Query: of(column("d"))}))}), embedding(Embed{Relation: "e"}),
		)})},
	} {
		got, err := Parse("select=" + url.QueryEscape(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got.Select); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestAggregates(t *testing.T) {
	t.Parallel()
	text := &Type{Name: "text"}
	for raw, want := range map[string][]Item{
		"count()":              {{Aggregate: Count}},
		"n:count()::text":      {{Alias: "n", Aggregate: Count, Result: text}},
		"a.count()":            {{Field: Field{Column: "a"}, Aggregate: Count}},
		"a,b.sum(),b.max()":    {column("a"), {Field: Field{Column: "b"}, Aggregate: Sum}, {Field: Field{Column: "b"}, Aggregate: Max}},
		"a::text.min()::text":  {{Field: Field{Column: "a"}, Cast: text, Aggregate: Min, Result: text}},
		"x:d->a->>b.avg()":     {{Field: Field{Column: "d", Path: []Step{{Key: "a"}, {Key: "b", Text: true}}}, Alias: "x", Aggregate: Avg}},
		`"a.sum()"`:            {column("a.sum()")},
		"a.summary":            {column("a.summary")},
		"rel(count(),a.sum())": {embedding(Embed{Relation: "rel", Query: Query{Select: []Item{{Aggregate: Count}, {Field: Field{Column: "a"}, Aggregate: Sum}}}})},
	} {
		got, err := Parse("select=" + url.QueryEscape(raw))
		if err != nil {
			t.Errorf("%q: %v", raw, err)
		}
		if diff := cmp.Diff(want, got.Select); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	}
}

// TestAboutEmbeddings reads parameters whose names begin with embeddings.
func TestAboutEmbeddings(t *testing.T) {
	t.Parallel()
	one := func(column string) Cond {
		return where([]Filter{{Field: Field{Column: column}, Op: Eq, Value: "1"}})[0]
	}
	for raw, want := range map[string]Query{
		"rel.a=eq.1":               {Where: []Cond{one("a")}},
		"rel.a=eq.1&rel.b=eq.1":    {Where: []Cond{one("a"), one("b")}},
		`rel."a.b"=eq.1`:           {Where: []Cond{one("a.b")}},
		`"rel"."order"=eq.1`:       {Where: []Cond{one("order")}},
		"rel.or=(a.eq.1,b.eq.1)":   {Where: []Cond{{Or: true, Members: []Cond{one("a"), one("b")}}}},
		"rel.not.and=(a.eq.1)":     {Where: []Cond{{Negated: true, Members: []Cond{one("a")}}}},
		"rel.order=a,b.desc":       {Order: []Term{{Field: Field{Column: "a"}}, {Field: Field{Column: "b"}, Descending: true}}},
		"rel.limit=3&rel.offset=4": {Limit: number(3), Offset: number(4)},
	} {
		for _, order := range []string{raw + "&select=rel()", "select=rel()&" + raw} {
			got, err := Parse(order)
			if err != nil {
				t.Errorf("%s: %v", order, err)
				continue
			}
			want.Select = []Item{}
			if diff := cmp.Diff(want, got.Select[0].Embed.Query); diff != "" {
				t.Errorf("%s: %s", order, diff)
			}
			if got.Where != nil || got.Order != nil || got.Limit != nil {
				t.Errorf("%s: is about the rows themselves, too: %+v", order, got)
			}
		}
	}
	deep, err := Parse("select=a(x:b(c()))&a.x.c.d=eq.1&a.limit=2")
	if err != nil {
		t.Fatal(err)
	}
	a := deep.Embedded("a").Query
	if a.Limit == nil || a.Embedded("b") != nil || len(a.Embedded("x").Query.Embedded("c").Query.Where) != 1 {
		t.Errorf("within each other: %+v", a)
	}
}

func TestNotEmbedded(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"rel.a=eq.1": "rel", "select=a&a.b=eq.1": "a", "select=x:rel()&rel.a=eq.1": "rel", "select=rel()&rel.sub.a=eq.1": "sub",
		"rel.order=a": "rel", "rel.limit=1": "rel", "rel.or=(a.eq.1)": "rel", "not.rel.and=(a.eq.1)": "not",
	} {
		_, err := Parse(raw)
		var missing *NotEmbeddedError
		if !errors.As(err, &missing) || missing.Name != want {
			t.Errorf("%s: %v, want %s not embedded", raw, err, want)
		}
	}
	if _, err := Parse("select=rel()&rel.a=eq.1"); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestErrorsOfEmbeddings(t *testing.T) {
	t.Parallel()
	const hints = "one hint, and inner or left"
	for text, want := range map[string]Error{
		"rel(":                  {"select", 4, "a column name"},
		"rel(a":                 {"select", 5, "a closing parenthesis"},
		"rel(a))":               {"select", 6, "a comma or the end"},
		"rel(a)b":               {"select", 6, "a comma or the end"},
		"rel!":                  {"select", 4, "a column name"},
		"rel!a":                 {"select", 5, "what to select, in parentheses"},
		"rel!a!b()":             {"select", 7, hints},
		"rel!inner!left!left()": {"select", 19, hints},
		"x:...rel()":            {"select", 2, "a relation to spread without an alias"},
		"...x:rel()":            {"select", 4, "what to select, in parentheses"},
		"...rel":                {"select", 6, "what to select, in parentheses"},
		"count(a":               {"select", 7, "a closing parenthesis"},
		"a.sum().max()":         {"select", 7, "a comma or the end"},
		"a(),":                  {"select", 4, "a column name"},
		"rel(,a)":               {"select", 4, "a column name"},
		strings.Repeat("a(", 11) + strings.Repeat(")", 11): {"select", 21, "at most 10 embeddings within each other"},
		"a(" + strings.Repeat("b,", 200) + "c)":            {"select", 403, "at most 200 columns"},
		strings.Repeat("...a(b),", 20) + "c(...d(e))":      {"select", 165, "at most 20 relations to spread"},
	} {
		_, err := Parse("select=" + url.QueryEscape(text))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v, want an *Error", text, err)
			continue
		}
		if diff := cmp.Diff(want, *e); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if _, err := Parse("select=" + strings.Repeat("...a(b),", 19) + "c(...d(e))"); err != nil {
		t.Errorf("control: %v", err)
	}
	for _, raw := range []string{"select=r()&r.limit=1&r.limit=2", "select=r()&r.order=a&r.order=b"} {
		if _, err := Parse(raw); err == nil {
			t.Errorf("%s: twice", raw)
		}
	}
}
