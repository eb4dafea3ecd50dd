package query

import "testing"

// What is reserved is no filter, and everything else is one or is refused.
func TestReserved(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"select", "order", "limit", "offset", "columns", "on_conflict", "and", "or", "not.and", "not.or"} {
		if !Reserved(name) {
			t.Errorf("%s is not reserved", name)
		}
		if q, err := Parse(name + "=eq.1"); err == nil && len(q.Where) > 0 && q.Where[0].Filter != nil {
			t.Errorf("%s is a filter", name)
		}
	}
	for text, want := range map[string]bool{"eq.1": true, "not.in.(a,b)": true, "is.null": true, "1": false, "": false, "{1,2}": false, "equal.1": false} {
		if got := IsFilter("a", text); got != want || Reserved("a") {
			t.Errorf("%q: %v", text, got)
		}
	}
}
