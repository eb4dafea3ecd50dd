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
