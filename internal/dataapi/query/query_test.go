package query

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func number(n int64) *int64 { return &n }

// where is conditions of one filter each.
func where(filters []Filter) []Cond {
	var list []Cond
	for _, f := range filters {
		list = append(list, Cond{Filter: &f})
	}
	return list
}

func TestParse(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Query{
		"":   {},
		"&&": {},
		"select=a,b&order=a.desc&limit=10&offset=20&done=is.true&id=gt.7": {
			Select: []Item{{Field: Field{Column: "a"}}, {Field: Field{Column: "b"}}}, Order: []Term{{Field: Field{Column: "a"}, Descending: true}},
			Limit: number(10), Offset: number(20),
			Where: where([]Filter{{Field: Field{Column: "done"}, Op: Is, Value: "true"}, {Field: Field{Column: "id"}, Op: Gt, Value: "7"}}),
		},
		"b=eq.1&a=eq.2&b=neq.3": { // a repeated column is one more condition, in the order they were written
			Where: where([]Filter{{Field: Field{Column: "b"}, Op: Eq, Value: "1"}, {Field: Field{Column: "a"}, Op: Eq, Value: "2"}, {Field: Field{Column: "b"}, Op: Neq, Value: "3"}}),
		},
		"columns=a,%22b,c%22":     {Columns: []string{"a", "b,c"}},
		"on_conflict=a,%22b,c%22": {OnConflict: []string{"a", "b,c"}},
		"limit=0&offset=0":        {Limit: number(0), Offset: number(0)},
		"limit=9223372036854775807": {
			Limit: number(9223372036854775807),
		},
		"%61=%65q%2E%31":         {Where: where([]Filter{{Field: Field{Column: "a"}, Op: Eq, Value: "1"}})},
		"a=eq.x+y%2Bz%20%26%3D":  {Where: where([]Filter{{Field: Field{Column: "a"}, Op: Eq, Value: "x y+z &="}})},
		"a=eq.b=c;d=e":           {Where: where([]Filter{{Field: Field{Column: "a"}, Op: Eq, Value: "b=c;d=e"}})},
		"a=eq.%E2%82%AC":         {Where: where([]Filter{{Field: Field{Column: "a"}, Op: Eq, Value: "€"}})},
		"%22select%22=eq.1":      {Where: where([]Filter{{Field: Field{Column: "select"}, Op: Eq, Value: "1"}})},
		"SELECT=eq.1":            {Where: where([]Filter{{Field: Field{Column: "SELECT"}, Op: Eq, Value: "1"}})},
		"a=eq.%27;drop+table+t-": {Where: where([]Filter{{Field: Field{Column: "a"}, Op: Eq, Value: "';drop table t-"}})},
	} {
		got, err := Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Item{
		"":                   nil,
		" ":                  nil,
		"*":                  {{Field: Field{Column: "*"}}},
		"a":                  {{Field: Field{Column: "a"}}},
		" a , b ":            {{Field: Field{Column: "a"}}, {Field: Field{Column: "b"}}},
		"*,a":                {{Field: Field{Column: "*"}}, {Field: Field{Column: "a"}}},
		"x:a":                {{Field: Field{Column: "a"}, Alias: "x"}},
		"x:a,b":              {{Field: Field{Column: "a"}, Alias: "x"}, {Field: Field{Column: "b"}}},
		`"a,b"`:              {{Field: Field{Column: "a,b"}}},
		`"a:b":"c.d"`:        {{Field: Field{Column: "c.d"}, Alias: "a:b"}},
		`"a\"b"`:             {{Field: Field{Column: `a"b`}}},
		`"a\\b"`:             {{Field: Field{Column: `a\b`}}},
		`"\a\,"`:             {{Field: Field{Column: "a,"}}},
		`" a "`:              {{Field: Field{Column: " a "}}},
		"größe,名前":           {{Field: Field{Column: "größe"}}, {Field: Field{Column: "名前"}}},
		`a.b`:                {{Field: Field{Column: "a.b"}}},
		`a;drop table t`:     {{Field: Field{Column: "a;drop table t"}}}, // a name that the catalog will not have
		`a'--`:               {{Field: Field{Column: "a'--"}}},
		`x"y`:                {{Field: Field{Column: `x"y`}}},
		`a,a`:                {{Field: Field{Column: "a"}}, {Field: Field{Column: "a"}}},
		`"` + "a\tb" + `",c`: {{Field: Field{Column: "a\tb"}}, {Field: Field{Column: "c"}}},
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

func TestOrder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Term{
		"a":                                  {{Field: Field{Column: "a"}}},
		"a.asc":                              {{Field: Field{Column: "a"}}},
		"a.desc":                             {{Field: Field{Column: "a"}, Descending: true}},
		"a.nullsfirst":                       {{Field: Field{Column: "a"}, Nulls: "first"}},
		"a.desc.nullslast,b.asc,c":           {{Field: Field{Column: "a"}, Descending: true, Nulls: "last"}, {Field: Field{Column: "b"}}, {Field: Field{Column: "c"}}},
		`"a.desc".desc`:                      {{Field: Field{Column: "a.desc"}, Descending: true}},
		`"a,b".asc.nullsfirst,"c\"d"`:        {{Field: Field{Column: "a,b"}, Nulls: "first"}, {Field: Field{Column: `c"d`}}},
		" a .desc, b":                        {{Field: Field{Column: "a"}, Descending: true}, {Field: Field{Column: "b"}}},
		"a;drop table t.desc":                {{Field: Field{Column: "a;drop table t"}, Descending: true}},
		`"(select 1)".desc.nullslast`:        {{Field: Field{Column: "(select 1)"}, Descending: true, Nulls: "last"}},
		"rel(a).desc, b":                     {{Field: Field{Column: "a"}, Relation: "rel", Descending: true}, {Field: Field{Column: "b"}}},
		`"r(el"( a->>b )`:                    {{Field: Field{Column: "a", Path: []Step{{Key: "b", Text: true}}}, Relation: "r(el"}},
		"a->b":                               {{Field: Field{Column: "a", Path: []Step{{Key: "b"}}}}},
		`a->"b.c"->0->>-1.desc`:              {{Field: Field{Column: "a", Path: []Step{{Key: "b.c"}, {Element: true}, {Index: -1, Element: true, Text: true}}}, Descending: true}},
		"desc":                               {{Field: Field{Column: "desc"}}},
		"1":                                  {{Field: Field{Column: "1"}}}, // a name, never a position
		"a.nullslast,a.desc.nullsfirst":      {{Field: Field{Column: "a"}, Nulls: "last"}, {Field: Field{Column: "a"}, Descending: true, Nulls: "first"}},
		`""`:                                 {{}}, // no table has a column without a name
		`"` + strings.Repeat("x", 300) + `"`: {{Field: Field{Column: strings.Repeat("x", 300)}}},
	} {
		got, err := Parse("order=" + url.QueryEscape(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got.Order); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Filter{
		"eq.1":                {Op: Eq, Value: "1"},
		"neq.1":               {Op: Neq, Value: "1"},
		"gt.1":                {Op: Gt, Value: "1"},
		"gte.1":               {Op: Gte, Value: "1"},
		"lt.1":                {Op: Lt, Value: "1"},
		"lte.1":               {Op: Lte, Value: "1"},
		"eq.":                 {Op: Eq},
		"eq.not.eq.1":         {Op: Eq, Value: "not.eq.1"},
		"eq.a.b,c(d)":         {Op: Eq, Value: "a.b,c(d)"},
		`eq."a"`:              {Op: Eq, Value: `"a"`}, // quotes mean something in lists only
		`eq.\`:                {Op: Eq, Value: `\`},
		"eq. a ":              {Op: Eq, Value: " a "},
		"eq.null":             {Op: Eq, Value: "null"},
		"not.eq.1":            {Negated: true, Op: Eq, Value: "1"},
		"not.in.(1)":          {Negated: true, Op: In, List: []string{"1"}},
		"not.is.null":         {Negated: true, Op: Is, Value: "null"},
		"is.null":             {Op: Is, Value: "null"},
		"is.NULL":             {Op: Is, Value: "null"},
		"is.Not_Null":         {Op: Is, Value: "not_null"},
		"is.true":             {Op: Is, Value: "true"},
		"is.FALSE":            {Op: Is, Value: "false"},
		"is.unknown":          {Op: Is, Value: "unknown"},
		"in.()":               {Op: In, List: []string{}},
		"in.(a)":              {Op: In, List: []string{"a"}},
		"in.(a,b c, d)":       {Op: In, List: []string{"a", "b c", " d"}},
		"in.(,)":              {Op: In, List: []string{"", ""}},
		`in.("")`:             {Op: In, List: []string{""}},
		`in.("a,b",c)`:        {Op: In, List: []string{"a,b", "c"}},
		`in.("a)","(",")")`:   {Op: In, List: []string{"a)", "(", ")"}},
		`in.("a\"b","c\\d")`:  {Op: In, List: []string{`a"b`, `c\d`}},
		`in.("\a\,\)")`:       {Op: In, List: []string{"a,)"}},
		`in.(a"b,c\d)`:        {Op: In, List: []string{`a"b`, `c\d`}},
		`in.({a,b})`:          {Op: In, List: []string{"{a", "b}"}},
		"in.(null,NULL)":      {Op: In, List: []string{"null", "NULL"}},
		`in.("€\é")`:          {Op: In, List: []string{"€é"}},
		"in.('; drop table t": {Op: ""},
	} {
		got, err := Parse("a=" + url.QueryEscape(text))
		if want.Op == "" {
			if err == nil {
				t.Errorf("%s: accepted as %+v", text, got)
			}
			continue
		}
		want.Column = "a"
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(where([]Filter{want}), got.Where); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestColumnOfAFilter(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "a", `"a.b"`: "a.b", `"a\"b"`: `a"b`, " a ": "a", `" a "`: " a ", "größe": "größe",
		"1=1 or a": "1=1 or a", "a;--": "a;--", "a,b": "a,b", "(a)": "(a)", "or ": "or",
	} {
		got, err := Parse(url.QueryEscape(name) + "=eq.1")
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if diff := cmp.Diff(where([]Filter{{Field: Field{Column: want}, Op: Eq, Value: "1"}}), got.Where); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

// What is not understood is refused where it stands; nothing is skipped over,
// because a filter that is left out widens a DELETE.
func TestErrors(t *testing.T) {
	t.Parallel()
	const (
		name      = "a column name"
		comma     = "a comma or the end"
		operator  = expectOperator
		whole     = "a whole number from 0"
		list      = "a comma or a closing parenthesis"
		truth     = "null, not_null, true, false or unknown"
		key       = "a key or an index"
		group     = "conditions in parentheses"
		modifiers = "one or two whole numbers and a closing parenthesis"
		term      = "asc, desc, nullsfirst or nullslast"
	)
	for _, c := range []struct {
		raw      string
		param    string
		position int
		expected string
	}{
		{"select=,", "select", 0, name},
		{"select=a,", "select", 2, name},
		{"select=a,,b", "select", 2, name},
		{"select=x:", "select", 2, name},
		{"select=a:b:c", "select", 3, comma},
		{"select=a::", "select", 3, "the name of a type"},
		{"select=a::1", "select", 4, "the name of a type"},
		{"select=a::x;y", "select", 4, comma},
		{"select=a::x('1')", "select", 8, modifiers},
		{"select=a::numeric(1,2,3)", "select", 15, modifiers},
		{"select=a::numeric()", "select", 11, modifiers},
		{"select=a::text[1]", "select", 7, comma},
		{"select=a::text::int", "select", 7, comma},
		{"select=a::regclass", "select", 11, "a type of values, and not of names in the system catalogs"},
		{"select=a->", "select", 3, key},
		{"select=a->>b->c", "select", 5, comma},
		{"select=a->>b:c", "select", 5, comma},
		{"select=rel(*", "select", 5, "a closing parenthesis"},
		{"select=(a)", "select", 0, name},
		{`select="a`, "select", 2, `a closing "`},
		{`select="a\`, "select", 3, `a closing "`},
		{`select="a"b`, "select", 3, comma},
		{`select=a&select=b`, "select", 0, "the parameter once"},
		{"order=", "order", 0, name},
		{"order=a,", "order", 2, name},
		{"order=.desc", "order", 0, name},
		{"order=a.", "order", 1, term},
		{"order=a.up", "order", 1, term},
		{"order=a.descending", "order", 6, term},
		{"order=a.desc.asc", "order", 6, term},
		{"order=a.nullsfirst.desc", "order", 12, term},
		{"order=a.DESC", "order", 1, term},
		{"order=a.desc;drop table t", "order", 6, term},
		{"order=a&order=b", "order", 0, "the parameter once"},
		{"limit=", "limit", 0, whole},
		{"limit=-1", "limit", 0, whole},
		{"limit=1.5", "limit", 0, whole},
		{"limit=1e3", "limit", 0, whole},
		{"limit=0x10", "limit", 0, whole},
		{"limit=1_000", "limit", 0, whole},
		{"limit=%201", "limit", 0, whole},
		{"limit=all", "limit", 0, whole},
		{"limit=9223372036854775808", "limit", 0, whole},
		{"limit=1&limit=2", "limit", 0, "the parameter once"},
		{"offset=-1", "offset", 0, whole},
		{"offset=null", "offset", 0, whole},
		{"columns=", "columns", 0, name},
		{"columns=a,,b", "columns", 2, name},
		{`columns="a"b`, "columns", 3, comma},
		{"a=", "a", 0, operator},
		{"a", "a", 0, operator},
		{"a=1", "a", 0, operator},
		{"a=eq", "a", 0, operator},
		{"a=EQ.1", "a", 0, operator},
		{"a==.1", "a", 0, operator},
		{"a=not.1", "a", 4, operator},
		{"a=not.", "a", 4, operator},
		{"a=not.not.eq.1", "a", 4, operator},
		{"a=like", "a", 0, operator},
		{"a=eq(some).{1}", "a", 3, "any or all"},
		{"a=eq(any", "a", 6, "a closing parenthesis"},
		{"a=eq(any){1}", "a", 0, operator},
		{"a=neq(any).{1}", "a", 0, operator},
		{"a=in(any).(1)", "a", 0, operator},
		{"a=fts().x", "a", 4, "a language"},
		{"a->b=1", "a->b", 0, operator},
		{"a->=eq.1", "a->", 3, key},
		{"a=is.", "a", 3, truth},
		{"a=is.nul", "a", 3, truth},
		{"a=is.null%20or%201=1", "a", 3, truth},
		{"a=not.is.1", "a", 7, truth},
		{"a=in.1", "a", 3, "a list in parentheses"},
		{"a=in.", "a", 3, "a list in parentheses"},
		{"a=in.(", "a", 4, list},
		{"a=in.(1", "a", 5, list},
		{`a=in.("1"2)`, "a", 7, list},
		{`a=in.("1`, "a", 6, `a closing "`},
		{`a=in.("1\`, "a", 7, `a closing "`},
		{"a=in.(1)2", "a", 6, "the end"},
		{"a=in.()2", "a", 5, "the end"},
		{"=eq.1", "", 0, name},
		{"%20=eq.1", " ", 1, name},
		{`"a=eq.1`, `"a`, 2, `a closing "`},
		{`"a"b=eq.1`, `"a"b`, 3, "the end of the column name"},
		{`a"b=eq.1`, `a"b`, 1, "the end of the column name"},
		{"or=", "or", 0, group},
		{"or=a.eq.1", "or", 0, group},
		{"or=()", "or", 1, name},
		{"or=(a.eq.1", "or", 7, list},
		{"or=(a.eq.1,)", "or", 8, name},
		{"or=(a.eq.1)x", "or", 8, "the end"},
		{"or=(a)", "or", 2, operator},
		{"or=(a.x.1)", "or", 3, operator},
		{"or=(and(a.eq.1)", "or", 12, list},
		{`or=(a.eq."1"2)`, "or", 9, list},
		{`or=(a.eq."1)`, "or", 9, `a closing "`},
		{"or=(a.cs.{1)", "or", 9, "a closing }"},
		{"or=(a.is.nul)", "or", 6, truth},
		{"not.and=(a.eq.1))", "not.and", 8, "the end"},
		{"on_conflict=", "on_conflict", 0, name},
		{"on_conflict=a,,b", "on_conflict", 2, name},
		{"on_conflict=a&on_conflict=b", "on_conflict", 0, "the parameter once"},
		{"%zz=eq.1", "?", 0, "a percent-encoded name"},
		{"a=eq.%", "a", 0, "a percent-encoded value"},
		{"a=eq.%4", "a", 0, "a percent-encoded value"},
		{"a=eq.x%00", "a", 0, "UTF-8 without NUL"},
		{"a%00b=eq.x", "a?b", 0, "UTF-8 without NUL"},
		{"select=a%00", "select", 0, "UTF-8 without NUL"},
	} {
		_, err := Parse(c.raw)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want an *Error", c.raw, err)
			continue
		}
		if diff := cmp.Diff(&Error{c.param, c.position, c.expected}, e); diff != "" {
			t.Errorf("%s: %s", c.raw, diff)
		}
	}
}

func TestErrorInWords(t *testing.T) {
	t.Parallel()
	_, err := Parse("a=in.(1")
	if want := `failed to parse "a" at position 6: expected a comma or a closing parenthesis`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestParametersAreLimited(t *testing.T) {
	t.Parallel()
	params := func(n int) string { return strings.TrimPrefix(strings.Repeat("&a=eq.1", n), "&") }
	if q, err := Parse(params(200)); err != nil || len(q.Where) != 200 {
		t.Errorf("200 parameters: %d filters, %v", len(q.Where), err)
	}
	var e *Error
	if _, err := Parse(params(201)); !errors.As(err, &e) || e.Expected != "at most 200 parameters" {
		t.Errorf("201 parameters: %v", err)
	}
	if _, err := Parse(params(100_000)); err == nil {
		t.Error("100,000 parameters are accepted")
	}
}

// The position is one of the decoded text, whatever the encoding.
func TestPositionIsOfDecodedText(t *testing.T) {
	t.Parallel()
	var e *Error
	if _, err := Parse("a=in.(%22%E2%82%AC%22x)"); !errors.As(err, &e) || e.Position != len(`in.("€"`) {
		t.Errorf("%v", err)
	}
}

// What a client of PostgREST writes comes back as it was.
func TestQuotedListRoundTrip(t *testing.T) {
	t.Parallel()
	values := []string{"", "a", `"`, `\`, `\"`, ",", "()", "a b", "€", "{}", "null", "'; --", "\n\t", `\\\`, strings.Repeat(`\"`, 50)}
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"`)
	}
	q, err := Parse("a=" + url.QueryEscape("in.("+strings.Join(quoted, ",")+")"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values, q.Where[0].Filter.List); diff != "" {
		t.Error(diff)
	}
}

// FuzzErrorsKeepValues puts a marker into the value of each parameter: no
// error may hold it.
func FuzzErrorsKeepValues(f *testing.F) {
	const marker = "hunter2"
	for _, name := range []string{"select", "order", "limit", "offset", "columns", "a", `"a"b`, ""} {
		for _, value := range []string{marker, "eq." + marker, "in.(" + marker, "in.(" + marker + ")" + marker, `in.("` + marker, "is." + marker, "not." + marker + ".1", `"` + marker + `"x`, "a." + marker} {
			f.Add(name, value)
		}
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if strings.Contains(name, marker) {
			t.Skip()
		}
		for _, v := range []string{value, marker + value, value + marker, "in.(" + marker + value, "is." + value + marker} {
			for _, raw := range []string{
				url.QueryEscape(name) + "=" + url.QueryEscape(v),
				url.QueryEscape(name) + "=" + url.QueryEscape(v) + "%",
				url.QueryEscape(name) + "=" + url.QueryEscape(v) + "%00",
			} {
				_, err := Parse(raw)
				var e *Error
				if err == nil {
					continue
				}
				if !errors.As(err, &e) || strings.Contains(err.Error(), marker) || strings.Contains(e.Param+e.Expected+strconv.Itoa(e.Position), marker) {
					t.Fatalf("%q: %v", raw, err)
				}
			}
		}
	})
}
