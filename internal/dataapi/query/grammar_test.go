package query

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOperators(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Filter{
		"like.a*":              {Op: Like, Value: "a*"},
		"ilike.*A":             {Op: ILike, Value: "*A"},
		"match.^a.$":           {Op: Match, Value: "^a.$"},
		"imatch.^a":            {Op: IMatch, Value: "^a"},
		"isdistinct.1":         {Op: IsDistinct, Value: "1"},
		"not.isdistinct.":      {Op: IsDistinct, Negated: true},
		"cs.{a,b}":             {Op: Contains, Value: "{a,b}"},
		`cd.{"a":1}`:           {Op: Contained, Value: `{"a":1}`},
		"ov.[1,2)":             {Op: Overlaps, Value: "[1,2)"},
		"sl.[1,2]":             {Op: Left, Value: "[1,2]"},
		"sr.x":                 {Op: Right, Value: "x"},
		"nxr.x":                {Op: NotRight, Value: "x"},
		"nxl.x":                {Op: NotLeft, Value: "x"},
		"adj.x":                {Op: Adjacent, Value: "x"},
		"fts.a & b":            {Op: Search, Value: "a & b"},
		"plfts(english).a b":   {Op: PlainText, Value: "a b", Language: "english"},
		"not.phfts(german).a":  {Op: Phrase, Value: "a", Language: "german", Negated: true},
		`wfts(s.x).a -"b"`:     {Op: WebSearch, Value: `a -"b"`, Language: "s.x"},
		"eq(any).{1,2}":        {Op: Eq, Quantifier: "any", Value: "{1,2}"},
		"not.like(all).{a*,b}": {Op: Like, Quantifier: "all", Value: "{a*,b}", Negated: true},
		"ilike(any).{}":        {Op: ILike, Quantifier: "any", Value: "{}"},
		"gt(all).{1}":          {Op: Gt, Quantifier: "all", Value: "{1}"},
		"gte(any).{1}":         {Op: Gte, Quantifier: "any", Value: "{1}"},
		"lt(all).{1}":          {Op: Lt, Quantifier: "all", Value: "{1}"},
		"lte(any).{1}":         {Op: Lte, Quantifier: "any", Value: "{1}"},
		"match(any).{^a,b$}":   {Op: Match, Quantifier: "any", Value: "{^a,b$}"},
		"imatch(all).{a}":      {Op: IMatch, Quantifier: "all", Value: "{a}"},
	} {
		got, err := Parse("a=" + url.QueryEscape(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		want.Column = "a"
		if diff := cmp.Diff(where([]Filter{want}), got.Where); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	key := func(k string) Step { return Step{Key: k} }
	for text, want := range map[string]Field{
		"a->b":          {"a", []Step{key("b")}},
		"a->b->>c":      {"a", []Step{key("b"), {Key: "c", Text: true}}},
		"a->0->-1":      {"a", []Step{{Element: true}, {Index: -1, Element: true}}},
		"a->>7":         {"a", []Step{{Index: 7, Element: true, Text: true}}},
		`a->"0"`:        {"a", []Step{key("0")}},
		`a->"b->c"->>d`: {"a", []Step{key("b->c"), {Key: "d", Text: true}}},
		"a-b->c-d":      {"a-b", []Step{key("c-d")}},
		`"a->b"->c`:     {"a->b", []Step{key("c")}},
		"a->1e3":        {"a", []Step{key("1e3")}},
		"a->1234567890": {"a", []Step{key("1234567890")}}, // no index, and no error of PostgreSQL
		"a->--1":        {"a", []Step{key("--1")}},
		"a->x';--":      {"a", []Step{key("x';--")}},
		`a->"\""->>""`:  {"a", []Step{key(`"`), {Text: true}}},
	} {
		q, err := Parse(url.QueryEscape(text) + "=eq.1&select=x:" + url.QueryEscape(text) + "::int&order=" + url.QueryEscape(text) + ".desc&or=(" + url.QueryEscape(text) + ".eq.1)")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for where, got := range map[string]Field{"filter": q.Where[0].Filter.Field, "select": q.Select[0].Field, "order": q.Order[0].Field, "or": q.Where[1].Members[0].Filter.Field} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: %s", text, where, diff)
			}
		}
	}
	for text, want := range map[string]string{"a": "a", "a->b": "b", "a->b->0": "b", "a->0": "a", "a->b->0->>c": "c"} {
		if q, err := Parse("select=" + text); err != nil || q.Select[0].Name() != want {
			t.Errorf("%s is called %+v, %v", text, q.Select, err)
		}
	}
}

func TestCasts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Type{
		"text":                          {Name: "text"},
		"TEXT":                          {Name: "text"},
		"int":                           {Name: "int4"},
		"double precision":              {Name: "float8"},
		"character varying(3)":          {Name: "varchar", Modifiers: []int{3}},
		"char":                          {Name: "bpchar", Modifiers: []int{1}},
		"char(4)":                       {Name: "bpchar", Modifiers: []int{4}},
		`"char"`:                        {Name: "char"},
		"numeric(10, 2)[]":              {Name: "numeric", Modifiers: []int{10, 2}, Array: true},
		"int[]":                         {Name: "int4", Array: true},
		"timestamp with time zone":      {Name: "timestamptz"},
		"my.mood":                       {Schema: "my", Name: "mood"},
		`"My Schema"."a type; --"[]`:    {Schema: "My Schema", Name: "a type; --", Array: true},
		"my.int":                        {Schema: "my", Name: "int"},
		`text"`:                         {},
		"int) from pg_authid; --":       {},
		"text collate x.y":              {Name: "y", Schema: "text collate x"}, // a schema that there is not
		"(select 1)":                    {},
		"'1'":                           {},
		"numeric(-1)":                   {},
		"numeric(99999999999)":          {},
		"regproc":                       {},
		"pg_catalog.regrole":            {},
		`"regclass"`:                    {},
		"REGCLASS[]":                    {},
		"_regclass":                     {},
		"aclitem":                       {},
		"unknown":                       {},
		`"anyelement"`:                  {},
		"cstring[]":                     {},
		"char(256)":                     {},
		`pg_catalog."bpchar"(10485760)`: {},
		"bit(83886080)[]":               {},
		"numeric(1000,999)":             {},
		"my.record":                     {Schema: "my", Name: "record"},
		"anything":                      {Name: "anything"},
		"char(255)":                     {Name: "bpchar", Modifiers: []int{255}},
		"varchar(10485760)":             {Name: "varchar", Modifiers: []int{10485760}},
		"_1x":                           {Name: "_1x"},
		strings.Repeat("x", 64):         {},
		"a.b.c":                         {},
		"setof int":                     {Name: "setof int"},
		"int%type":                      {},
		"interval year":                 {Name: "interval year"},
		"int -- x":                      {},
		"bit":                           {Name: "bit", Modifiers: []int{1}},
		"\"" + strings.Repeat("x", 64):  {},
	} {
		q, err := Parse("select=" + url.QueryEscape("a::"+text))
		if want.Name == "" {
			if err == nil {
				t.Errorf("%s: accepted as %+v", text, q.Select[0].Cast)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&want, q.Select[0].Cast); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestLogic(t *testing.T) {
	t.Parallel()
	leaf := func(column string, f Filter) Cond {
		f.Column = column
		return Cond{Filter: &f}
	}
	a, b := leaf("a", Filter{Op: Eq, Value: "1"}), leaf("b", Filter{Op: Gt, Value: "2"})
	for raw, want := range map[string]Cond{
		"or=(a.eq.1,b.gt.2)":                 {Or: true, Members: []Cond{a, b}},
		"and=(a.eq.1)":                       {Members: []Cond{a}},
		"not.or=(a.eq.1,b.gt.2)":             {Or: true, Negated: true, Members: []Cond{a, b}},
		"not.and=(a.eq.1)":                   {Negated: true, Members: []Cond{a}},
		"or= ( a.eq.1, b.gt.2) ":             {Or: true, Members: []Cond{a, b}},
		"or=(a.eq.1,and(b.gt.2,a.eq.1))":     {Or: true, Members: []Cond{a, {Members: []Cond{b, a}}}},
		"or=(a.eq.1, not.and ( b.gt.2 ) )":   {},
		"or=(not.or(a.eq.1),b.gt.2)":         {Or: true, Members: []Cond{{Or: true, Negated: true, Members: []Cond{a}}, b}},
		"or=(a.not.eq.1)":                    {Or: true, Members: []Cond{leaf("a", Filter{Op: Eq, Value: "1", Negated: true})}},
		"or=(not.a.eq.1)":                    {Or: true, Members: []Cond{leaf("a", Filter{Op: Eq, Value: "1", Negated: true})}},
		"or=(not.a.not.eq.1)":                {Or: true, Members: []Cond{a}},
		"or=(not.eq.1)":                      {Or: true, Members: []Cond{leaf("not", Filter{Op: Eq, Value: "1"})}},
		"or=(and.eq.1,or.eq.2)":              {Or: true, Members: []Cond{leaf("and", Filter{Op: Eq, Value: "1"}), leaf("or", Filter{Op: Eq, Value: "2"})}},
		"or=(order.eq.1,android.eq.2)":       {Or: true, Members: []Cond{leaf("order", Filter{Op: Eq, Value: "1"}), leaf("android", Filter{Op: Eq, Value: "2"})}},
		`or=(a.eq."x,)\"y",a.eq.x"y)`:        {Or: true, Members: []Cond{leaf("a", Filter{Op: Eq, Value: `x,)"y`}), leaf("a", Filter{Op: Eq, Value: `x"y`})}},
		`or=(a.in.(1,"2,)"),b.in.())`:        {Or: true, Members: []Cond{leaf("a", Filter{Op: In, List: []string{"1", "2,)"}}), leaf("b", Filter{Op: In, List: []string{}})}},
		`or=(a.cs.{1,"},)"},a.cd.{"k":{}})`:  {Or: true, Members: []Cond{leaf("a", Filter{Op: Contains, Value: `{1,"},)"}`}), leaf("a", Filter{Op: Contained, Value: `{"k":{}}`})}},
		`or=("a.b, (c".is.NULL)`:             {Or: true, Members: []Cond{leaf("a.b, (c", Filter{Op: Is, Value: "null"})}},
		"or=(a.like(any).{x*,y},a.fts(x).y)": {Or: true, Members: []Cond{leaf("a", Filter{Op: Like, Quantifier: "any", Value: "{x*,y}"}), leaf("a", Filter{Op: Search, Language: "x", Value: "y"})}},
		"or=(a.eq.,a.eq.1.5)":                {Or: true, Members: []Cond{leaf("a", Filter{Op: Eq}), leaf("a", Filter{Op: Eq, Value: "1.5"})}},
	} {
		q, err := Parse(strings.ReplaceAll(raw, " ", "%20"))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if want.Members == nil {
			continue
		}
		if diff := cmp.Diff([]Cond{want}, q.Where); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
	if q, err := Parse("or=(a.eq.1)&or=(b.gt.2)&a=eq.1"); err != nil || len(q.Where) != 3 {
		t.Errorf("repeated: %+v, %v", q.Where, err)
	}
}

// Statements stay of a size that somebody may have meant.
func TestTreesAreBounded(t *testing.T) {
	t.Parallel()
	nest := func(n int) string {
		return "and=(" + strings.Repeat("or(", n-1) + "a.eq.1" + strings.Repeat(")", n)
	}
	wide := func(n int) string { return "or=(" + strings.TrimSuffix(strings.Repeat("a.eq.1,", n), ",") + ")" }
	path := func(n int) string { return "a" + strings.Repeat("->b", n) + "=eq.1" }
	for raw, fine := range map[string]bool{
		nest(10): true, nest(11): false, wide(200): true, wide(201): false, wide(100) + "&" + wide(100): true,
		wide(100) + "&" + wide(101): false, path(20): true, path(21): false, nest(100_000): false,
		"select=a->" + strings.Repeat("k", 63): true, "select=a->" + strings.Repeat("k", 64): false,
		"select=x:a->" + strings.Repeat("k", 64): true,
	} {
		if _, err := Parse(raw); (err == nil) != fine {
			t.Errorf("%.40s (%d bytes): %v", raw, len(raw), err)
		}
	}
}

// FuzzParse reads anything. Whatever is read is the same when it is printed
// and read again.
func FuzzParse(f *testing.F) {
	for _, raw := range []string{
		"select=a,b:c,%22d%22&order=a.desc.nullslast&limit=1&offset=2&columns=a", "a=not.in.(1,%222%22)&a=is.null", "%zz", "a=eq.%00",
		"=", "a=in.(%22%5C", "select=%22", `"a"=eq.b`, "%ff=eq.1", "or=(a.eq.1)", strings.Repeat("a=eq.1&", 201),
		"or=(a.eq.1,not.and(b.cs.{1,2},not.c.like(any).{a*}),d->x->>0.is.null)", "select=x:a->b->>0::numeric(1,2)[],*", "a=fts(de).b",
		"and=(not.eq.1,not.not.eq.1)", `or=(a.eq."\"",b.in.("1",2))`, "order=a->b->>-1.desc,r(a)", "select=count(),x:r!h!inner(a::int.sum()::text,...s(b(c)))&x.a=eq.1&x.s.b.or=(c.eq.1)&x.order=a&x.s.limit=2&x.s.b.c=is.null", "select=a::double%20precision", `select="a"::"b"."c"`,
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := Parse(raw)
		if err != nil {
			var e *Error
			if missing := (*NotEmbeddedError)(nil); errors.As(err, &missing) {
				return
			}
			if !errors.As(err, &e) || e.Position < 0 || e.Position > len(raw) || e.Expected == "" {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if q.Limit != nil && *q.Limit < 0 || q.Offset != nil && *q.Offset < 0 {
			t.Fatalf("%q: a negative count", raw)
		}
		again, err := Parse(print(q))
		if err != nil {
			t.Fatalf("%q, printed as %q: %v", raw, print(q), err)
		}
		ungroup(q, again)
		if diff := cmp.Diff(q, again); diff != "" {
			t.Fatalf("%q, printed as %q: %s", raw, print(q), diff)
		}
	})
}

// ungroup takes filters out of groups of one, as which they have been printed.
func ungroup(q, again Query) {
	for i, c := range again.Where {
		if len(c.Members) == 1 && q.Where[i].Filter != nil {
			again.Where[i] = c.Members[0]
		}
	}
	for i, item := range again.Select {
		if item.Embed != nil {
			ungroup(q.Select[i].Embed.Query, item.Embed.Query)
		}
	}
}
