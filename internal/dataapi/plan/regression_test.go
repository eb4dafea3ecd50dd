package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

// In json_agg(t) a column called t comes before the row t, so whoever asks for
// an alias t, or has such a column, gets bare values.
func TestColumnCalledT(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, "todos")
	want := []map[string]any{{"t": "a", "id": 1.0}}
	for name, st := range map[string]plan.Statement{
		"read":   must(t)(plan.Read(table, parse(t, "select=t:title,id&id=eq.1"), 0, plan.Answer{})),
		"update": must(t)(plan.Update(table, parse(t, "select=t:title,id&id=eq.1"), []string{"done"}, `{"done":true}`, plan.Answer{Returning: plan.Rows})),
	} {
		var body string
		var count int
		if err := b.conn.QueryRow(t.Context(), st.SQL, st.Args...).Scan(&body, &count); err != nil {
			t.Fatal(err)
		}
		if body[:2] != "[{" {
			t.Errorf("%s: %s", name, body)
			continue
		}
		if diff := cmp.Diff(want, b.run(t, st)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// ORDER BY prefers names of the answer to names of the table: an alias takes
// the place of the column that was asked for.
func TestOrderIsByColumnNotAlias(t *testing.T) {
	t.Parallel()
	b := open(t)
	table := b.table(t, "todos")
	if _, err := b.conn.Exec(t.Context(), "update public.todos set title = (10 - id)::text"); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"id": "9"}, {"id": "8"}}
	got := b.run(t, must(t)(plan.Read(table, parse(t, "select=id:title&order=id&limit=2"), 0, plan.Answer{})))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read: %s", diff)
	}
	got = b.run(t, must(t)(plan.Update(table, parse(t, "select=id:title&order=id&id=lt.3"), []string{"done"}, `{"done":true}`, plan.Answer{Returning: plan.Rows})))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("update: %s", diff)
	}
	st := must(t)(plan.Read(table, parse(t, "select=id,id:title&order=id"), 0, plan.Answer{}))
	if _, err := b.conn.Prepare(t.Context(), "", st.SQL); err != nil {
		t.Errorf("an alias makes the order ambiguous: %v", err)
	}
}
