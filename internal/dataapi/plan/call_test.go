package plan

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

func TestGoldenCalls(t *testing.T) {
	t.Parallel()
	check, number, texts := must(t), &catalog.Type{SQL: "pg_catalog.int4"}, &catalog.Type{SQL: "pg_catalog._text"}
	f := func(returns catalog.Returns, set bool, arguments ...catalog.Argument) *catalog.Function {
		made := &catalog.Function{Schema: "public", Name: `f"; --`, Returns: returns, Set: set, Arguments: arguments}
		if returns == catalog.Composite {
			made.Result = todos()
		}
		return made
	}
	a, b, v := catalog.Argument{Name: `a"b`, Type: number}, catalog.Argument{Name: "b", Type: number, Default: true}, catalog.Argument{Name: "v", Type: texts, Variadic: true}
	whole, object := "text", `{"a\"b":1}`
	golden(t, "calls",
		check(Call(f(catalog.Scalar, false), Arguments{}, parsed(t, ""), 10, Answer{})),
		check(Call(f(catalog.Scalar, false, a, b), Arguments{JSON: object, Names: []string{`a"b`}}, parsed(t, "limit=1"), 10, Answer{})),
		check(Call(f(catalog.Scalar, true, a), Arguments{Texts: map[string][]string{`a"b`: {"1"}}}, parsed(t, "limit=1&offset=2"), 10, Answer{})),
		check(Call(f(catalog.Scalar, true, v), Arguments{}, parsed(t, ""), 0, Answer{})),
		check(Call(f(catalog.Void, false, v), Arguments{Texts: map[string][]string{"v": {"x", `"},{`}}}, parsed(t, ""), 10, Answer{})),
		check(Call(f(catalog.Scalar, false, catalog.Argument{Type: texts}), Arguments{Whole: &whole}, parsed(t, ""), 10, Answer{})),
		check(Call(f(catalog.Composite, false), Arguments{}, parsed(t, "select=x:title"), 10, Answer{})),
		check(Call(f(catalog.Composite, true, a, v), Arguments{JSON: object, Names: []string{`a"b`, "v"}}, parsed(t, "id=gt.7&order=title&offset=3"), 10, Answer{})),
		check(Call(f(catalog.Composite, true), Arguments{}, parsed(t, "id=gt.7&limit=2"), 10, Answer{Count: true, Stripped: true})),
		check(Call(f(catalog.Scalar, true), Arguments{}, parsed(t, "limit=2"), 10, Answer{Count: true, CSV: true})),
		check(Call(f(catalog.Composite, false), Arguments{}, parsed(t, "select=id,x:title"), 10, Answer{Count: true, CSV: true})),
	)
}

func TestValuesHaveNoColumns(t *testing.T) {
	t.Parallel()
	f := &catalog.Function{Schema: "public", Name: "f", Returns: catalog.Scalar, Set: true}
	for _, raw := range []string{"select=a", "order=a", "a=eq.1", "or=(a.eq.1,and(b.eq.2,c.is.null))"} {
		if _, err := Call(f, Arguments{}, parsed(t, raw), 10, Answer{}); err == nil || err.Error() != "column f.a does not exist" {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if _, err := Call(f, Arguments{}, parsed(t, "select=*&limit=1"), 10, Answer{}); err != nil {
		t.Errorf("the positive control: %v", err)
	}
}
