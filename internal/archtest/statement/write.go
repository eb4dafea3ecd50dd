package statement

import (
	"go/ast"
	"go/token"
	"go/types"
)

// writes returns what variables are given within a declaration; nil stands for
// what cannot be followed.
func writes(info *types.Info, within ast.Node) map[*types.Var][]ast.Expr {
	all := map[*types.Var][]ast.Expr{}
	note := func(to, what ast.Expr) {
		name, ok := ast.Unparen(to).(*ast.Ident)
		if !ok {
			return
		}
		for _, o := range []types.Object{info.Defs[name], info.Uses[name]} {
			if v, ok := o.(*types.Var); ok && !v.IsField() {
				all[v] = append(all[v], what)
			}
		}
	}
	ast.Inspect(within, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if len(n.Lhs) == len(n.Rhs) && (n.Tok == token.ASSIGN || n.Tok == token.DEFINE) {
					note(left, n.Rhs[i])
				} else {
					note(left, nil)
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if len(n.Values) == len(n.Names) {
					note(name, n.Values[i])
				} else if len(n.Values) > 0 {
					note(name, nil)
				}
			}
		case *ast.RangeStmt:
			note(n.Key, nil)
			note(n.Value, nil)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				note(n.X, nil)
			}
		}
		return true
	})
	return all
}
