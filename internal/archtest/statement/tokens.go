package statement

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Token is a lexical unit of SQL as PostgreSQL reads it (manual, section 4.1).
type Token struct {
	Kind byte   // 'i' quoted identifier, 's' string, '$' parameter, 'w' word, 'n' number, 'o' anything else
	Text string // without quotes
}

// Tokens cuts a statement up. It refuses what no statement for a request may
// hold outside of quotes: comments, dollar quotes, escape strings, capitals, line
// breaks, an end of the statement, an open quote.
func Tokens(sql string) ([]Token, error) {
	var tokens []Token
	for rest := sql; rest != ""; {
		t, n, err := next(rest)
		if err != nil {
			return nil, fmt.Errorf("%w at %q in %q", err, rest, sql)
		}
		if rest = rest[n:]; t.Kind != 0 {
			tokens = append(tokens, t)
		}
	}
	return tokens, nil
}

// next reads one token of n bytes; that of a space has no kind.
func next(rest string) (t Token, n int, err error) {
	switch c := rest[0]; {
	case c == ' ':
		return Token{}, 1, nil
	case c == '"' || c == '\'':
		text, n := untilQuote(rest, c)
		if n < 0 {
			return t, 0, fmt.Errorf("an open quote")
		}
		return Token{map[byte]byte{'"': 'i', '\'': 's'}[c], text}, n, nil
	case c == '$':
		n = 1 + span(rest[1:], func(r rune) bool { return r >= '0' && r <= '9' })
		return Token{'$', rest[1:n]}, n, nil
	case c >= '0' && c <= '9':
		n = span(rest, unicode.IsDigit)
		return Token{'n', rest[:n]}, n, nil
	case c == '_' || c >= 'a' && c <= 'z':
		n = span(rest, func(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' })
		if n < len(rest) && (rest[n] == '\'' || rest[n] == '&') { // e'', u&''
			return t, 0, fmt.Errorf("a prefix of a string")
		}
		return Token{'w', rest[:n]}, n, nil
	case strings.IndexByte("().,*[]", c) >= 0:
		return Token{'o', rest[:1]}, 1, nil
	case strings.IndexByte(symbols, c) >= 0:
		n = span(rest, func(r rune) bool { return strings.ContainsRune(symbols, r) })
		if !slices.Contains(operators, rest[:n]) {
			return t, 0, fmt.Errorf("an operator")
		}
		return Token{'o', rest[:n]}, n, nil
	default:
		return t, 0, fmt.Errorf("%q", c)
	}
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

var operators = strings.Fields("- + || = => <> < <= > >= :: ~ @> <@ && << >> &< &> -|- -> ->> @@")

// words is every word that a statement for a request may hold outside of quotes.
// The types of test tables are among them.
var words = strings.Fields(`select coalesce json_agg t text count from where and not any is null true false unknown
	order by desc nulls first last limit offset insert into default values json_to_recordset json_to_record json as j
	array_agg to_json nullif current_setting set_config variadic cross join lateral v
	update set delete with written returning pg_catalog int4 int8 bool jsonb uuid timestamptz _text tsvector r
	or like ilike all distinct to_jsonb cast regconfig to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
	string_agg replace substr length chr json_strip_nulls on conflict do nothing excluded xmax
	row_to_json exists left group sum avg min max row called c greatest`)

// alias is what the planner calls the tables that it embeds.
var alias = regexp.MustCompile(`^[rtms][0-9]+$`)

// texts is every string that such a statement may hold.
var texts = []string{"[]", "{}", "", "null", "0", "response.headers", "response.status", "fluxbase.merged"}

// Shape is a statement for a request without the names in it, which stand in
// quotes. It refuses words and strings that no such statement holds.
func Shape(sql string) (string, error) {
	tokens, err := Tokens(sql)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range tokens {
		switch {
		case t.Kind == 'i':
			b.WriteString(" I")
		case t.Kind == '$':
			b.WriteString(" $" + t.Text)
		case t.Kind == 's' && !slices.Contains(texts, t.Text):
			return "", fmt.Errorf("a string %q in %s", t.Text, sql)
		case t.Kind == 's':
			b.WriteString(" '" + t.Text + "'")
		case t.Kind == 'w' && !slices.Contains(words, t.Text) && !alias.MatchString(t.Text):
			return "", fmt.Errorf("the word %q in %s", t.Text, sql)
		default:
			b.WriteString(" " + t.Text)
		}
	}
	return b.String(), nil
}
