// Package statement finds the SQL of the program in its sources.
//
// It follows text from where it is written to where it is sent: the parameters
// that drivers call sql or query, the fields that are named SQL, and whatever a
// function hands on to one of these. What is a constant there is a statement,
// which a test can have PostgreSQL read; anything else is a finding, which has to
// be excused by name. It follows no text through collections, channels and
// package variables: those are findings.
package statement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Program is the packages of the module, with types. It is not safe for
// concurrent use.
type Program struct {
	files    *token.FileSet
	packages []*source
	imports  types.Importer
	unread   []string
}

// source is one package.
type source struct {
	types *types.Package
	info  *types.Info
	files []*ast.File
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, IgnoredGoFiles []string
	Module                  *struct{ Main bool }
}

// Load reads the packages below folders of the module at root. Those of others
// are taken as they are compiled.
func Load(root string, folders ...string) (*Program, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("finding the sources: %w", err)
	}
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,IgnoredGoFiles,Module"}
	for _, f := range folders {
		args = append(args, "./"+f+"/...")
	}
	list := exec.Command("go", args...) //nolint:noctx // a test has a time of its own
	list.Dir = root
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	p, exports := &Program{files: token.NewFileSet()}, map[string]string{}
	compiled := importer.ForCompiler(p.files, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s is not compiled", path)
		}
		return os.Open(exports[path])
	})
	p.imports = either{p, compiled}
	read := map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; { // dependencies come first
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		if l.Module == nil || !l.Module.Main {
			exports[l.ImportPath] = l.Export
			continue
		}
		var files []*ast.File
		for _, name := range l.GoFiles {
			read[filepath.Join(l.Dir, name)] = true
			f, err := parser.ParseFile(p.files, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("reading sources: %w", err)
			}
			files = append(files, f)
		}
		if err := p.check(l.ImportPath, files); err != nil {
			return nil, err
		}
	}
	p.unread, err = unread(root, folders, read)
	return p, err
}

// Unread returns the files below the folders that are not of this platform.
func (p *Program) Unread() []string { return p.unread }

// With returns the program and one package more, of one file.
func (p *Program) With(path, text string) (*Program, error) {
	file, err := parser.ParseFile(p.files, path+".go", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading sources: %w", err)
	}
	more := *p
	more.packages = slices.Clone(p.packages)
	err = more.check(path, []*ast.File{file})
	return &more, err
}

func (p *Program) check(path string, files []*ast.File) error {
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{Importer: p.imports}
	checked, err := config.Check(path, p.files, files, info)
	if err != nil {
		return fmt.Errorf("checking types: %w", err)
	}
	p.packages = append(p.packages, &source{checked, info, files})
	return nil
}

// unread walks the folders, so that the test cache sees new files.
func unread(root string, folders []string, read map[string]bool) (left []string, err error) {
	for _, folder := range folders {
		walked := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !read[path] {
				left = append(left, path)
			}
			return err
		})
		err = errors.Join(err, walked)
	}
	return left, err
}

// either imports the module's own packages as they were checked.
type either struct {
	own      *Program
	compiled types.Importer
}

func (e either) Import(path string) (*types.Package, error) {
	for _, s := range e.own.packages {
		if s.types.Path() == path {
			return s.types, nil
		}
	}
	return e.compiled.Import(path) //nolint:wrapcheck // check says what it was for
}
