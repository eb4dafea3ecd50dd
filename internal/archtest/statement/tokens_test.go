package statement_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/archtest/statement"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	got, err := statement.Shape(`select "a""; drop table x; --", count(*) from "s"."t" where "b" = $1 and "c" = any($12) limit $3`)
	if want := ` select I , count ( * ) from I . I where I = $1 and I = any ( $12 ) limit $3`; got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	tokens, err := statement.Tokens(`select """a""" , "b'c"`)
	if diff := cmp.Diff([]statement.Token{{'w', "select"}, {'i', `"a"`}, {'o', ","}, {'i', "b'c"}}, tokens); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// What an injection looks like is no shape of ours.
func TestNoShape(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`select 1; select 2`, `select 1 -- x`, `select 1 /* x */`, `select $$x$$`, `select $a$x$a$`, `select e'x'`, `select u&"x"`, `select u&'x'`, `select 'x'`,
		`select "x`, `select '`, `select ''''`, "select\n1", `select pg_sleep(1)`, `select * from pg_authid`, `SELECT 1`, `select id from t union select 1`, `select "a" as 'b'`,
		`select 1 \g`, `select 1 and 1=1 or(true)is true;`, `select é`, "select \x00", `select b'1'`, `select 1 where a !~ 'x'`, `select $1x`, `copy t to program ''`,
	} {
		if got, err := statement.Shape(sql); err == nil {
			t.Errorf("%s has the shape %s", sql, got)
		}
	}
}
