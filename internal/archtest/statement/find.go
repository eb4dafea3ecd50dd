package statement

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// Statement is a constant that is sent to PostgreSQL.
type Statement struct {
	Where string // file and line of what sends it
	Func  string // the function around it, with its package
	Text  string
	To    string // the parameter's function, or the field
	Of    string // the type whose method that function is, as the source has it
}

// Finding is text that is sent to PostgreSQL and is no constant, or a way of
// sending it that cannot be followed.
type Finding struct{ Where, Func, What string }

// Find returns the statements of a program, and what it could not see. Each
// place where a constant is sent from counts.
func (p *Program) Find() ([]Statement, []Finding) {
	f := &finder{program: p, sinks: sinks{}, declared: map[*types.Func]declaration{}}
	for _, s := range p.packages {
		for _, file := range s.files {
			for _, decl := range file.Decls {
				if d, ok := decl.(*ast.FuncDecl); ok {
					f.declared[s.info.Defs[d.Name].(*types.Func)] = declaration{d, s.info}
				}
			}
		}
		for _, name := range s.types.Scope().Names() {
			if i, ok := s.types.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok && !isConstraint(i) {
				f.interfaces = append(f.interfaces, i)
			}
		}
	}
	for f.again = true; f.again; { // until no more parameters hand on what they are given
		f.again, f.statements, f.findings = false, nil, nil
		for _, s := range p.packages {
			f.source(s)
		}
	}
	return f.statements, f.findings
}

func isConstraint(i *types.Interface) bool { return !i.IsMethodSet() }

// declaration is the source of a function.
type declaration struct {
	decl *ast.FuncDecl
	info *types.Info
}

type finder struct {
	program    *Program
	sinks      sinks
	interfaces []*types.Interface
	declared   map[*types.Func]declaration
	again      bool
	statements []Statement
	findings   []Finding

	// Of the declaration that is looked at:
	info     *types.Info
	around   string
	function *types.Func // nil outside of one
	written  map[*types.Var][]ast.Expr
	called   map[*ast.Ident]bool // names of functions that are called, and not used as values
}

func (f *finder) source(s *source) {
	f.info = s.info
	pkg := strings.TrimPrefix(s.types.Path(), module+"internal/")
	for _, file := range s.files {
		for _, decl := range file.Decls {
			f.around, f.function = pkg, nil
			if d, ok := decl.(*ast.FuncDecl); ok {
				f.function = s.info.Defs[d.Name].(*types.Func)
				f.around = pkg + "." + named(d)
			}
			f.written, f.called = writes(s.info, decl), map[*ast.Ident]bool{}
			ast.Inspect(decl, func(n ast.Node) bool { f.node(n); return true })
		}
	}
}

// named is the name of a function, after that of its receiver's type.
func named(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if generic, ok := t.(*ast.IndexExpr); ok {
		t = generic.X
	}
	return types.ExprString(t) + "." + d.Name.Name
}

// node looks at one node. A call comes before the name of what it calls.
func (f *finder) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.CallExpr:
		f.call(n)
	case *ast.Ident:
		f.name(n)
	case *ast.CompositeLit:
		f.literal(n)
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if to := f.field(left); to != "" {
				f.assigned(n, i, to)
			}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND && f.field(n.X) != "" {
			f.report(n, "the address of "+f.field(n.X))
		}
	}
}

func (f *finder) call(call *ast.CallExpr) {
	fn, name := callee(f.info, call)
	if fn == nil {
		return
	}
	f.called[name] = true
	for i := range f.sinks.of(fn) {
		of := ""
		if s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && f.info.Types[s.X].Type != nil {
			of = f.info.Types[s.X].Type.String()
		}
		if i >= len(call.Args) || fn.Signature().Variadic() && i == fn.Signature().Params().Len()-1 {
			f.report(call, "arguments that are given as one")
			continue
		}
		f.text(call, call.Args[i], fn.FullName(), of, nil)
	}
}

// name looks at functions that are used without being called, and at the type
// with which drivers quote names.
func (f *finder) name(name *ast.Ident) {
	switch of := f.info.Uses[name].(type) {
	case *types.Func:
		if len(f.sinks.of(of)) > 0 && !f.called[name] {
			f.report(name, of.FullName()+" as a value")
		}
	case *types.TypeName:
		if isDriver(of.Pkg()) && of.Name() == "Identifier" {
			f.report(name, "a second way to quote names")
		}
	}
}

func (f *finder) literal(literal *ast.CompositeLit) {
	t := f.info.Types[literal].Type
	if p, ok := t.Underlying().(*types.Pointer); ok { // an element of a literal
		t = p.Elem()
	}
	fields, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, e := range literal.Elts {
		field, value := fields.Field(i), e
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			field, value = f.info.Uses[kv.Key.(*ast.Ident)].(*types.Var), kv.Value
		}
		if isField(field) {
			f.text(literal, value, fieldName(field), "", nil)
		}
	}
}

func fieldName(v *types.Var) string { return v.Pkg().Path() + " field " + v.Name() }

// field returns the name of the field that an expression is, if that takes SQL.
func (f *finder) field(e ast.Expr) string {
	s, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	v, _ := f.info.Uses[s.Sel].(*types.Var)
	if !isField(v) {
		return ""
	}
	return fieldName(v)
}

func (f *finder) assigned(a *ast.AssignStmt, i int, to string) {
	if len(a.Lhs) != len(a.Rhs) || a.Tok != token.ASSIGN {
		f.report(a, "text that is put together")
		return
	}
	f.text(a, a.Rhs[i], to, "", nil)
}

// text looks at what is sent to a place.
func (f *finder) text(at ast.Node, e ast.Expr, to, of string, seen []*types.Var) {
	e = ast.Unparen(e)
	if v := f.info.Types[e].Value; v != nil && v.Kind() == constant.String {
		f.statements = append(f.statements, Statement{f.where(at), f.around, constant.StringVal(v), to, of})
		return
	}
	if f.field(e) != "" {
		return // what is written to it is looked at
	}
	if call, ok := e.(*ast.CallExpr); ok && f.returned(at, call, to, of) {
		return
	}
	name, ok := e.(*ast.Ident)
	v, isVar := f.info.Uses[name].(*types.Var)
	switch {
	case !ok:
		f.report(at, types.ExprString(e))
	case !isVar || slices.Contains(seen, v):
	case f.parameter(v):
	case len(f.written[v]) == 0:
		f.report(at, "the variable "+v.Name())
	default:
		for _, w := range f.written[v] {
			if w == nil {
				f.report(at, "the variable "+v.Name())
				return
			}
			f.text(at, w, to, of, append(seen, v))
		}
	}
}

// returned says whether a call is of a function of the program's that returns
// nothing but constants, each of which is a statement then.
func (f *finder) returned(at ast.Node, call *ast.CallExpr, to, of string) bool {
	fn, _ := callee(f.info, call)
	d := f.declared[fn]
	if d.decl == nil || d.decl.Body == nil || fn.Signature().Results().Len() != 1 {
		return false
	}
	var all []Statement
	constants := true
	ast.Inspect(d.decl.Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok {
			var v constant.Value
			if len(r.Results) == 1 {
				v = d.info.Types[r.Results[0]].Value
			}
			if constants = constants && v != nil && v.Kind() == constant.String; constants {
				all = append(all, Statement{f.where(at), f.around, constant.StringVal(v), to, of})
			}
		}
		return true
	})
	if constants {
		f.statements = append(f.statements, all...)
	}
	return constants
}

// parameter says whether a variable is a parameter that is never written, and
// then has callers looked at.
func (f *finder) parameter(v *types.Var) bool {
	if f.function == nil || len(f.written[v]) > 0 {
		return false
	}
	params := f.function.Signature().Params()
	for i := range params.Len() {
		if params.At(i) == v {
			f.again = f.sinks.mark(f.function, i, f.interfaces) || f.again
			return true
		}
	}
	return false
}

func (f *finder) where(n ast.Node) string { return f.program.files.Position(n.Pos()).String() }

func (f *finder) report(n ast.Node, what string) {
	f.findings = append(f.findings, Finding{f.where(n), f.around, what})
}
