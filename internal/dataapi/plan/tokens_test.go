package plan

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// token is a lexical unit of SQL as PostgreSQL reads it (manual, section 4.1).
type token struct {
	kind byte   // 'i' quoted identifier, 's' string, '$' parameter, 'w' word, 'n' number, 'o' anything else
	text string // without quotes
}

// tokenize fails the test on what no statement of ours may hold outside of
// quotes: comments, dollar quotes, escape strings, an end of the statement, an
// open quote.
func tokenize(tb testing.TB, sql string) []token {
	tb.Helper()
	var tokens []token
	for rest := sql; rest != ""; {
		c := rest[0]
		var t token
		switch {
		case c == ' ':
			rest = rest[1:]
			continue
		case c == '"' || c == '\'':
			text, n := untilQuote(rest, c)
			if n < 0 {
				tb.Fatalf("an open quote in %q", sql)
			}
			t, rest = token{'i', text}, rest[n:]
			if c == '\'' {
				t.kind = 's'
			}
		case c == '$':
			n := 1 + span(rest[1:], func(r rune) bool { return r >= '0' && r <= '9' })
			t, rest = token{'$', rest[1:n]}, rest[n:]
		case c >= '0' && c <= '9':
			n := span(rest, unicode.IsDigit)
			t, rest = token{'n', rest[:n]}, rest[n:]
		case c == '_' || c >= 'a' && c <= 'z':
			n := span(rest, func(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' })
			t, rest = token{'w', rest[:n]}, rest[n:]
		case strings.IndexByte("().,*[]", c) >= 0:
			t, rest = token{'o', rest[:1]}, rest[1:]
		case strings.IndexByte(symbols, c) >= 0:
			n := span(rest, func(r rune) bool { return strings.ContainsRune(symbols, r) })
			t, rest = token{'o', rest[:n]}, rest[n:]
			if !slices.Contains(operatorsOfSQL, t.text) {
				tb.Fatalf("the operator %q in %q", t.text, sql)
			}
		default:
			tb.Fatalf("%q at %q in %q", c, rest, sql)
		}
		tokens = append(tokens, t)
	}
	return tokens
}

func untilQuote(s string, quote byte) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != quote:
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == quote:
			b.WriteByte(quote)
			i++
		default:
			return b.String(), i + 1
		}
	}
	return "", -1
}

func span(s string, f func(rune) bool) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !f(r) })
	if n < 0 {
		return len(s)
	}
	return n
}

// symbols are the characters of operators, which PostgreSQL reads as many of
// as it can. None of ours begins a comment.
const symbols = "+-/<>=~!@#%^&|`?:"

var operatorsOfSQL = strings.Fields("- + || = => <> < <= > >= :: ~ @> <@ && << >> &< &> -|- -> ->> @@")

// words is every word that a statement may hold outside of quotes. The types
// of the test tables are among them.
var words = strings.Fields(`select coalesce json_agg t text count from where and not any is null true false unknown
	order by desc nulls first last limit offset insert into default values json_to_recordset json_to_record json as j
	array_agg to_json nullif current_setting set_config variadic cross join lateral v
	update set delete with written returning pg_catalog int4 int8 bool jsonb _text tsvector r
	or like ilike all distinct to_jsonb cast regconfig to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
	string_agg replace substr length chr json_strip_nulls on conflict do nothing excluded xmax
	row_to_json exists left group sum avg min max row called c r1 m1 t1 s1 s2 s3 s4 s5 s6 s7 s8 greatest`)

// shape is a statement without the names in it.
func shape(tb testing.TB, sql string) string {
	tb.Helper()
	var b strings.Builder
	for _, t := range tokenize(tb, sql) {
		switch t.kind {
		case 'i':
			b.WriteString(" I")
		case '$':
			b.WriteString(" $" + t.text)
		case 's':
			if !slices.Contains([]string{"[]", "{}", "", "null", "0", "response.headers", "response.status", "fluxbase.merged"}, t.text) {
				tb.Fatalf("a string %q in %s", t.text, sql)
			}
			b.WriteString(" '" + t.text + "'")
		case 'w':
			if !slices.Contains(words, t.text) {
				tb.Fatalf("the word %q in %s", t.text, sql)
			}
			b.WriteString(" " + t.text)
		default:
			b.WriteString(" " + t.text)
		}
	}
	return b.String()
}

// identifiers returns the quoted names of a statement.
func identifiers(tb testing.TB, sql string) []string {
	tb.Helper()
	var names []string
	for _, t := range tokenize(tb, sql) {
		if t.kind == 'i' {
			names = append(names, t.text)
		}
	}
	return names
}

// checkPlaceholders wants $1 to $n, each once, for n parameters.
func checkPlaceholders(tb testing.TB, st Statement) {
	tb.Helper()
	seen := make([]int, len(st.Args)+1)
	for _, t := range tokenize(tb, st.SQL) {
		if t.kind != '$' {
			continue
		}
		n, err := strconv.Atoi(t.text)
		if err != nil || n < 1 || n > len(st.Args) {
			tb.Fatalf("placeholder $%s for %d parameters in %s", t.text, len(st.Args), st.SQL)
		}
		seen[n]++
	}
	for n, times := range seen[1:] {
		if times != 1 {
			tb.Errorf("placeholder $%d occurs %d times in %s", n+1, times, st.SQL)
		}
	}
	for i, arg := range st.Args {
		switch arg.(type) {
		case string, int64:
		default:
			tb.Errorf("parameter %d is a %T", i+1, arg)
		}
	}
}

func TestTokenizer(t *testing.T) {
	t.Parallel()
	got := shape(t, `select "a""; drop table x; --", count(*) from "s"."t" where "b" = $1 and "c" = any($12) limit $3`)
	if want := ` select I , count ( * ) from I . I where I = $1 and I = any ( $12 ) limit $3`; got != want {
		t.Errorf("%s", got)
	}
	if got := identifiers(t, `select """a""" , "b'c"`); !slices.Equal(got, []string{`"a"`, "b'c"}) {
		t.Errorf("%q", got)
	}
}

func utf8Names(names ...string) bool {
	for _, n := range names {
		if !utf8.ValidString(n) || strings.ContainsRune(n, 0) {
			return false
		}
	}
	return true
}
