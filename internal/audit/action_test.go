package audit_test

import (
	"context"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

var update = flag.Bool("update", false, "write the reference anew")

// TestReference compares the page of documentation with the code.
func TestReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join(pgtest.Root(), "docs", "reference", "audit.md")
	if *update {
		if err := os.WriteFile(path, []byte(audit.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(audit.Reference(), string(text)); diff != "" {
		t.Errorf("docs/reference/audit.md is out of date: make generate\n%s", diff)
	}
}

// TestEveryActionIsUsed reads the sources: each constant has its sentence, and
// some code besides tests that writes it.
func TestEveryActionIsUsed(t *testing.T) {
	t.Parallel()
	constants := map[string]audit.Action{}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pgtest.Root(), "internal", "audit", "action.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if ok && len(v.Values) == 1 {
			if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Action" {
				text, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				constants[v.Names[0].Name] = audit.Action(text)
			}
		}
		return true
	})
	declared := audit.Actions()
	if len(constants) != len(declared) || len(constants) < 50 {
		t.Errorf("%d constants and %d sentences", len(constants), len(declared))
	}
	used := map[string]bool{}
	for _, folder := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(pgtest.Root(), folder), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && filepath.Base(path) != "action.go" {
				err = names(path, used)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, action := range constants {
		if !action.Declared() {
			t.Errorf("%s (%s) has no sentence", name, action)
		}
		if !used[name] {
			t.Errorf("nothing writes %s (%s)", name, action)
		}
	}
}

// names notes what a file uses of package audit, or within it.
func names(path string, used map[string]bool) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	within := file.Name.Name == "audit"
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "audit" {
				used[n.Sel.Name] = true
			}
		case *ast.Ident:
			if within {
				used[n.Name] = true
			}
		}
		return true
	})
	return nil
}

// TestUndeclaredAction is refused, so that the list is complete.
func TestUndeclaredAction(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	if err := audit.Write(t.Context(), l.db.Single(), audit.Actor{}.Did("user.waved", "", id.UUID{})); err == nil {
		t.Error("an action was written that there is not")
	}
	if err := audit.Write(t.Context(), l.db.Single(), audit.Actor{}.Did(audit.UserUpdated, "", id.UUID{})); err != nil {
		t.Errorf("control: %v", err)
	}
	if n := l.number(`select count(*) from auth.audit_log`); n != 1 {
		t.Errorf("%d records", n)
	}
}

// TestEveryActionIsSeen comes after the tests of all packages, which have noted
// the actions in their databases: each that there is was written by one of them.
func TestEveryActionIsSeen(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("AUDIT_ACTIONS_ALL")
	if folder == "" {
		t.Skip("scripts/test-go runs it, after all others")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, f := range files {
		seen = append(seen, filepath.Base(f))
	}
	for _, a := range audit.Actions() {
		if !slices.Contains(seen, string(a)) {
			t.Errorf("no test has written %s", a)
		}
	}
}

// TestSeenActions notes what is in a database, and finds what is not declared.
func TestSeenActions(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(1)
	l.db.Exec(t, `insert into auth.audit_log (action, outcome, actor_kind) values ('user.waved', 'success', 'system')`)
	folder := t.TempDir()
	undeclared, err := pgtest.NoteActions(context.Background(), l.db.Single(), folder)
	if err != nil || len(undeclared) != 1 || undeclared[0] != "user.waved" {
		t.Errorf("%v %v", undeclared, err)
	}
	l.tamper(`delete from auth.audit_log where action = 'user.waved'`)
	if undeclared, err := pgtest.NoteActions(context.Background(), l.db.Single(), folder); err != nil || len(undeclared) != 0 {
		t.Errorf("control: %v %v", undeclared, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "user.signed_in")); err != nil {
		t.Error(err)
	}
}
