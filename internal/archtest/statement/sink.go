package statement

import (
	"go/ast"
	"go/types"
	"strings"
)

// module is the beginning of the import paths of the program's own packages.
const module = "github.com/fluxbase/fluxbase/"

// drivers are the packages whose parameters named sql and query reach PostgreSQL.
var drivers = []string{"github.com/jackc/pgx/", "database/sql", "github.com/riverqueue/"}

func isDriver(pkg *types.Package) bool {
	for _, d := range drivers {
		if pkg != nil && strings.HasPrefix(pkg.Path(), d) {
			return true
		}
	}
	return false
}

// sinks are the parameters that reach PostgreSQL, by function.
type sinks map[*types.Func]map[int]bool

// of returns the parameters of a function that take SQL.
func (s sinks) of(f *types.Func) map[int]bool {
	f = f.Origin()
	params := f.Signature().Params()
	_, isInterface := receiver(f)
	if !isDriver(f.Pkg()) && !isInterface {
		return s[f]
	}
	found := map[int]bool{}
	for i := range params.Len() {
		if p := params.At(i); isText(p.Type()) && (p.Name() == "sql" || p.Name() == "query" && isDriver(f.Pkg())) || s[f][i] {
			found[i] = true
		}
	}
	return found
}

// receiver returns the type whose method a function is.
func receiver(f *types.Func) (t types.Type, isInterface bool) {
	if recv := f.Signature().Recv(); recv != nil {
		return recv.Type(), types.IsInterface(recv.Type())
	}
	return nil, false
}

// mark notes that a parameter reaches PostgreSQL, also where the function is
// called through an interface of ours.
func (s sinks) mark(f *types.Func, param int, interfaces []*types.Interface) (isNew bool) {
	if s[f][param] {
		return false
	}
	if s[f] == nil {
		s[f] = map[int]bool{}
	}
	s[f][param] = true
	recv, _ := receiver(f)
	for _, i := range interfaces {
		for m := range i.Methods() {
			if recv != nil && m.Name() == f.Name() && m != f && (types.Implements(recv, i) || types.Implements(types.NewPointer(recv), i)) {
				s.mark(m, param, nil)
			}
		}
	}
	return true
}

func isText(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

// isField says whether what is written to a field is sent to PostgreSQL.
func isField(v *types.Var) bool {
	if v == nil || !v.IsField() || v.Pkg() == nil || !isText(v.Type()) {
		return false
	}
	own := strings.HasPrefix(v.Pkg().Path()+"/", module) || strings.HasPrefix(v.Pkg().Path(), "fixture")
	switch v.Name() {
	case "SQL":
		return own || isDriver(v.Pkg())
	case "String", "Query":
		return strings.HasSuffix(v.Pkg().Path(), "/pgproto3")
	}
	return false
}

// callee returns the function that is called by name.
func callee(info *types.Info, call *ast.CallExpr) (*types.Func, *ast.Ident) {
	fun := ast.Unparen(call.Fun)
	switch e := fun.(type) { // of a generic one
	case *ast.IndexExpr:
		fun = ast.Unparen(e.X)
	case *ast.IndexListExpr:
		fun = ast.Unparen(e.X)
	}
	var name *ast.Ident
	switch e := fun.(type) {
	case *ast.Ident:
		name = e
	case *ast.SelectorExpr:
		if s := info.Selections[e]; s != nil && s.Kind() != types.MethodVal {
			return nil, nil
		}
		name = e.Sel
	default:
		return nil, nil
	}
	f, _ := info.Uses[name].(*types.Func)
	return f, name
}
