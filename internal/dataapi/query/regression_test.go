package query

import (
	"errors"
	"testing"
)

// PostgreSQL knows no text that is not UTF-8, and neither does the JSON of an
// answer that repeats a name: it becomes an empty document.
func TestInvalidUTF8IsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"%ff=eq.1", "a%c0%af=eq.1", "a=eq.%ff", "a=in.(%ed%a0%80)", "select=%ff:a", "order=%ff", "columns=%ff", "a=in.(%22%5C%ff%22)"} {
		_, err := Parse(raw)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// strconv takes a sign that the error message rules out.
func TestCountHasNoSign(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"limit=%2B5", "offset=-0", "limit=-0"} {
		if q, err := Parse(raw); err == nil {
			t.Errorf("%s: accepted as %+v", raw, q)
		}
	}
}

// A key of JSON may be empty, and the name of a column in an answer may not.
func TestEmptyKeyWantsAnAlias(t *testing.T) {
	t.Parallel()
	if q, err := Parse(`select=doc->""`); err == nil {
		t.Errorf("accepted as %+v", q)
	}
	for _, raw := range []string{`select=x:doc->""`, `doc->>""=eq.1`, `order=doc->""`, `select=doc->""->a`} {
		if _, err := Parse(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
