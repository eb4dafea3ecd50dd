package lint

import (
	"slices"
	"strings"
)

// has says that a condition holds for something beneath n.
func (n *node) has(condition func(*node) bool) bool {
	found := false
	n.each(0, func(m *node, _ int64) { found = found || condition(m) })
	return found
}

func (n *node) calls(functions []uint32) bool {
	return n.has(func(m *node) bool { return m.isCall(functions) })
}

func (n *node) isCall(functions []uint32) bool {
	return n.kind == "FUNCEXPR" && contains(functions, n.number("funcid"))
}

func contains(oids []uint32, oid int64) bool {
	return slices.ContainsFunc(oids, func(o uint32) bool { return int64(o) == oid })
}

// helpersPerRow counts the calls of helpers that PostgreSQL may make for each
// row: those outside a query of their own, about nothing in the row.
func helpersPerRow(n *node, helpers []uint32) int {
	switch {
	case n == nil, n.kind == "QUERY" && len(n.nodes("rtable")) == 0 && !n.outer():
		return 0
	case n.isCall(helpers) && !n.outer():
		return 1
	}
	count := 0
	for _, c := range n.children() {
		count += helpersPerRow(c, helpers)
	}
	return count
}

// trustsUserMetadata says that an expression takes something out of the member
// user_metadata of the claims.
func trustsUserMetadata(n *node, claims []uint32) bool {
	return n.has(func(m *node) bool {
		switch m.kind {
		case "OPEXPR", "FUNCEXPR", "SUBSCRIPTINGREF":
		default:
			return false
		}
		if m.word("opresulttype") == "16" { // a comparison, or whether there is such a member
			return false
		}
		named, claimed := false, false
		for _, c := range m.children() {
			text := c.text()
			named = named || strings.Contains(text, "user_metadata") || strings.Contains(text, "raw_user_meta_data")
			claimed = claimed || c.calls(claims)
		}
		return named && claimed
	})
}

// alwaysTrue says that an expression lets everything through, whatever the row
// and whoever asks.
func alwaysTrue(n *node) bool {
	switch {
	case n == nil:
		return false
	case n.kind == "CONST":
		return n.word("consttype") == "16" && n.word("constisnull") == "false" && strings.HasPrefix(n.text(), "\x01")
	case n.kind == "OPEXPR":
		args := n.nodes("args")
		return len(args) == 2 && args[0].kind == "CONST" && args[1].kind == "CONST" && n.word("opresulttype") == "16" &&
			n.word("opno") == "96" && args[0].text() == args[1].text() // int4 = int4
	case n.kind == "BOOLEXPR" && n.word("boolop") == "or":
		return slices.ContainsFunc(n.nodes("args"), alwaysTrue)
	case n.kind == "BOOLEXPR" && n.word("boolop") == "and":
		return !slices.ContainsFunc(n.nodes("args"), func(a *node) bool { return !alwaysTrue(a) })
	}
	return false
}

// reads returns the relations that the queries of an expression read.
func reads(n *node) []uint32 {
	var found []uint32
	n.each(0, func(m *node, _ int64) {
		if m.kind == "RANGETBLENTRY" && m.word("rtekind") == "0" {
			found = append(found, uint32(m.number("relid"))) //nolint:gosec // an oid
		}
	})
	return found
}

// wanting returns the columns that need an index for PostgreSQL to find the rows
// of an expression without reading all, and whether indexes can do that.
func wanting(n *node, ns names, indexed []int64) (missing []int64, usable bool) {
	if n == nil {
		return nil, false
	}
	if n.kind != "BOOLEXPR" {
		column, ok := compared(n, ns)
		if !ok || slices.Contains(indexed, column) {
			return nil, ok
		}
		return []int64{column}, true
	}
	all := true
	for _, arg := range n.nodes("args") {
		m, ok := wanting(arg, ns, indexed)
		switch n.word("boolop") {
		case "and": // the best of them is enough
			if ok && (!usable || len(m) < len(missing)) {
				missing, usable = m, true
			}
		case "or":
			all, usable = all && ok, true
			missing = append(missing, m...)
		default:
			return nil, false
		}
	}
	if !all {
		return nil, false
	}
	return missing, usable
}

// compared returns the column that a condition compares with something about the
// caller, or with what a query finds.
func compared(n *node, ns names) (int64, bool) {
	sides := n.nodes("args")
	switch n.kind {
	case "OPEXPR", "SCALARARRAYOPEXPR":
		if len(sides) != 2 || !contains(ns.equals, n.number("opno")) || n.word("useOr") == "false" {
			return 0, false
		}
	case "SUBLINK":
		tests, selects := n.nodes("testexpr"), n.nodes("subselect")
		if n.word("subLinkType") != "2" || len(tests) != 1 || len(selects) != 1 || !contains(ns.equals, tests[0].number("opno")) {
			return 0, false
		}
		tested := tests[0].nodes("args")
		if len(tested) == 0 {
			return 0, false
		}
		sides = []*node{tested[0], selects[0]}
	default:
		return 0, false
	}
	for i, side := range sides {
		other := sides[1-i]
		for side.kind == "RELABELTYPE" && len(side.nodes("arg")) == 1 {
			side = side.nodes("arg")[0]
		}
		if side.kind == "VAR" && side.word("varlevelsup") == "0" && side.number("varattno") > 0 && !other.outer() &&
			(other.calls(ns.helpers) || other.has(func(m *node) bool { return m.kind == "QUERY" })) {
			return side.number("varattno"), true
		}
	}
	return 0, false
}
