package lint

import "testing"

// FuzzTree: whatever PostgreSQL writes, reading it ends and nothing panics.
func FuzzTree(f *testing.F) {
	f.Add(`{OPEXPR :opno 98 :args ({VAR :varno 1 :varattno 2 :varlevelsup 0} {CONST :constlen -1 :constvalue 5 [ 20 0 0 0 -120 ]}) :location 1}`)
	f.Add(`{SUBLINK :subLinkType 2 :testexpr {OPEXPR :opno 96} :subselect {QUERY :rtable <> :colnames ("a b" "c\"}")}}`)
	f.Add(`{A :b ) } ( [ : "`)
	ns := names{helpers: []uint32{1}, claims: []uint32{1}, equals: []uint32{96, 98}}
	f.Fuzz(func(_ *testing.T, text string) {
		n := parseTree(text)
		helpersPerRow(n, ns.helpers)
		reads(n)
		alwaysTrue(n)
		wanting(n, ns, nil)
		if n != nil {
			trustsUserMetadata(n, ns.claims)
		}
	})
}

// FuzzWrap: what stands in texts and quoted names is left alone, and what has
// been wrapped stays as it is.
func FuzzWrap(f *testing.F) {
	f.Add("(owner = auth.uid())")
	f.Add("((a = 'auth.uid()') AND (b = E'\\'auth.uid()') AND (\"auth.uid()\" = auth.has_role('a)b'))")
	f.Add("( SELECT m.id FROM m WHERE m.a = auth.uid())")
	f.Fuzz(func(t *testing.T, text string) {
		once, n := wrapHelpers(text)
		if n == 0 && once != text {
			t.Errorf("%q became %q", text, once)
		}
		if twice, again := wrapHelpers(once); again > 0 && n > 0 && twice == once {
			t.Errorf("%q counts %d again", once, again)
		}
	})
}
