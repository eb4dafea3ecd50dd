package postgres_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// PostgreSQL itself reads each name back.
func TestQuote(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, c := range []struct{ name, want string }{
		{"a", "a"},
		{"A b", "A b"},
		{`a"b`, `a"b`},
		{`"`, `"`},
		{`""`, `""`},
		{`\"`, `\"`},
		{"é;", "é;"},
		{"a\x00b", "ab"},
		{"\x00\"", "\""},
		{`x" from pg_authid; --`, `x" from pg_authid; --`},
		{"$1", "$1"},
		{"U&", "U&"},
		{"\u201d", "\u201d"},
	} {
		rows, err := db.Single().Query(t.Context(), "select 1 as "+postgres.Quote(c.name))
		if err != nil {
			t.Fatalf("%q: %v", c.name, err)
		}
		if got := rows.FieldDescriptions(); len(got) != 1 || got[0].Name != c.want {
			t.Errorf("%q is read as %v", c.name, got)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	if got := postgres.Quote("s.t", `a"b`, "c"); got != `"s.t"."a""b"."c"` {
		t.Error(got)
	}
}
