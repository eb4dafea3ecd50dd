package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

// TestStatementsAreBounded asks for what is missing within what is missing: each
// condition on an embedding repeats all that is said about it, so that 20 on
// each of 10 levels would be 20 to the power of 10.
func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	b := openWith(t, filmsSQL)
	repeated := func(levels, n int) string {
		selected, filters, path := "", "", ""
		for i := range levels {
			name := []string{"directors", "films"}[i%2]
			selected += name + "("
			filters += "&" + path + "or=(" + strings.Repeat(name+".is.null,", n-1) + name + ".is.null)"
			path += name + "."
		}
		return "select=" + selected + strings.Repeat(")", levels) + filters
	}
	for _, c := range []struct {
		levels, n int
		fits      bool
	}{{1, 200, true}, {3, 7, true}, {2, 100, false}, {10, 20, false}} {
		for _, counted := range []bool{false, true} {
			st, err := plan.Read(b.table(t, "films"), parse(t, repeated(c.levels, c.n)), 0, plan.Answer{Count: counted})
			if c.fits && err != nil || !c.fits && !errors.Is(err, plan.ErrTooLarge) {
				t.Errorf("%d levels of %d: %v", c.levels, c.n, err)
			}
			if c.fits {
				b.run(t, must(t)(plan.Read(b.table(t, "films"), parse(t, repeated(c.levels, c.n)), 0, plan.Answer{})))
			}
			if len(st.SQL) > 1<<20 {
				t.Errorf("%d levels of %d: %d bytes", c.levels, c.n, len(st.SQL))
			}
		}
	}
	related := "select=directors()&directors.or=(" + strings.Repeat("id.eq.1,", 180) + "id.eq.1)&order=" + strings.Repeat("directors(name),", 150) + "id"
	if _, err := plan.Read(b.table(t, "films"), parse(t, related), 0, plan.Answer{}); !errors.Is(err, plan.ErrTooLarge) {
		t.Errorf("related orders: %v", err)
	}
}

// TestFewConditionsBecomeJoins looks at what PostgreSQL makes of conditions on
// embeddings. It plans joins together, and takes seconds for twenty.
func TestFewConditionsBecomeJoins(t *testing.T) {
	t.Parallel()
	b := openWith(t, filmsSQL)
	for n, joins := range map[int]int{1: 1, 4: 4, 5: 4, 150: 4} {
		var selected strings.Builder
		for i := range n {
			fmt.Fprintf(&selected, ",a%d:roles!inner()", i)
		}
		st := must(t)(plan.Read(b.table(t, "films"), parse(t, "select=id"+selected.String()), 0, plan.Answer{}))
		rows, err := b.conn.Query(t.Context(), "explain "+st.SQL, st.Args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		explained := strings.Join(lines, "\n")
		if got := strings.Count(explained, " Join  (") + strings.Count(explained, "Nested Loop  ("); got != joins {
			t.Errorf("%d conditions: %d joins\n%s", n, got, explained)
		}
		if got := len(b.run(t, st)); got != 3 {
			t.Errorf("%d conditions: %d rows", n, got)
		}
	}
}
