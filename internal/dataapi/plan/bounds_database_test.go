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
	steps := "select=directors()&directors.or=(" + strings.Repeat("id->"+strings.Repeat("a->", 18)+"b.eq.1,", 99) + "id.eq.1)&or=(" + strings.Repeat("directors.is.null,", 20) + "id.eq.1)"
	if _, err := plan.Read(b.table(t, "films"), parse(t, steps), 0, plan.Answer{}); !errors.Is(err, plan.ErrTooLarge) {
		t.Errorf("paths: %v", err)
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
	for _, c := range []struct {
		first    string // what is embedded besides, with a subquery of its own
		n, joins int
	}{{"", 1, 1}, {"", 4, 4}, {"", 5, 4}, {"", 150, 4}, {",roles(film_id,actors!inner(id))", 5, 1 + 4}} {
		selected, n, joins := strings.Builder{}, c.n, c.joins
		selected.WriteString(c.first)
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

// TestEmbeddingsAreForTheRowsOfThePage counts how often PostgreSQL looks for the
// films of a director, where one of three directors is asked for. Several arrays
// are a join, which comes before the page.
func TestEmbeddingsAreForTheRowsOfThePage(t *testing.T) {
	t.Parallel()
	b := openWith(t, filmsSQL)
	for selected, looks := range map[string]string{
		"films(title)": "loops=1)", "...films(title)": "loops=1)", "films(count)": "loops=1)", "...films(title,year)": "loops=3)",
	} {
		st := must(t)(plan.Read(b.table(t, "directors"), parse(t, "select=name,"+selected+"&order=born&limit=1"), 0, plan.Answer{Aggregates: true}))
		rows, err := b.conn.Query(t.Context(), "explain (analyze, timing off, costs off) "+st.SQL, st.Args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		explained := strings.Join(lines, "\n")
		_, scan, found := strings.Cut(explained, "Scan on films")
		if scan, _, _ = strings.Cut(scan, "\n"); !found || !strings.HasSuffix(scan, looks) {
			t.Errorf("%s: want %s\n%s", selected, looks, explained)
		}
	}
}
