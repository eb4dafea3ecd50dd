package pgtest_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestEveryStatementPrepares has PostgreSQL read every constant that is named
// ...SQL against the migrated schema: a column that is gone, or a cast that
// does not exist, is found here and not at night.
func TestEveryStatementPrepares(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	conn, err := pgx.Connect(ctx, db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()

	prepared := 0
	err = filepath.WalkDir(filepath.Join(pgtest.Root(), "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "internal/cli") ||
			strings.Contains(path, "internal/postgres/migrate") {
			return err
		}
		for name, text := range statements(t, path) {
			prepared++
			if _, err := conn.Prepare(ctx, "", text); err != nil {
				t.Errorf("%s: %s: %v", path, name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if prepared < 20 {
		t.Errorf("found %d statements; the search is broken", prepared)
	}
}

// statements returns the ...SQL constants of a file.
func statements(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found, known := map[string]string{}, map[string]string{}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			name := v.Names[0].Name
			if len(v.Values) == 1 {
				known[name] = text(t, v.Values[0], known)
			}
			if strings.HasSuffix(name, "SQL") {
				found[name] = known[name]
			}
		}
	}
	return found
}

// text evaluates a string constant made of literals and earlier constants.
func text(t *testing.T, e ast.Expr, known map[string]string) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return ""
		}
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case *ast.Ident:
		return known[e.Name]
	case *ast.BinaryExpr:
		return text(t, e.X, known) + text(t, e.Y, known)
	default:
		return "" // not text; if it was meant to be SQL, PostgreSQL says so
	}
}
