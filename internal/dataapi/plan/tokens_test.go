package plan

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fluxbase/fluxbase/internal/archtest/statement"
)

func tokenize(tb testing.TB, sql string) []statement.Token {
	tb.Helper()
	tokens, err := statement.Tokens(sql)
	if err != nil {
		tb.Fatal(err)
	}
	return tokens
}

// shape is a statement without the names in it.
func shape(tb testing.TB, sql string) string {
	tb.Helper()
	s, err := statement.Shape(sql)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// identifiers returns the quoted names of a statement.
func identifiers(tb testing.TB, sql string) []string {
	tb.Helper()
	var names []string
	for _, t := range tokenize(tb, sql) {
		if t.Kind == 'i' {
			names = append(names, t.Text)
		}
	}
	return names
}

// checkPlaceholders wants $1 to $n, each once, for n parameters.
func checkPlaceholders(tb testing.TB, st Statement) {
	tb.Helper()
	seen := make([]int, len(st.Args)+1)
	for _, t := range tokenize(tb, st.SQL) {
		if t.Kind != '$' {
			continue
		}
		n, err := strconv.Atoi(t.Text)
		if err != nil || n < 1 || n > len(st.Args) {
			tb.Fatalf("placeholder $%s for %d parameters in %s", t.Text, len(st.Args), st.SQL)
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

func utf8Names(names ...string) bool {
	for _, n := range names {
		if !utf8.ValidString(n) || strings.ContainsRune(n, 0) {
			return false
		}
	}
	return true
}
