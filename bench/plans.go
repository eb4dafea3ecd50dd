package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// plans are the statements that the server runs, for the floors to run as well:
// planned by its own packages, or read from its source, so that they are the
// same and stay so.
type plans struct {
	settings string // as a caller
	rotate   string // the rule of refreshing
	oneRow   plan.Statement
	manyRows plan.Statement
	insert   plan.Statement
}

// The requests behind the plans.
const (
	manyRows      = 1000
	manyRowsQuery = "order=id&limit=1000"
	insertBody    = `{"user_id":"%s","title":"a row that was inserted"}`
)

func (b *rig) makePlans(ctx context.Context) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if b.plans.settings, err = constant(filepath.Join(root, "internal/postgres/as.go"), "settingsSQL"); err != nil {
		return err
	}
	if b.plans.rotate, err = constant(filepath.Join(root, "internal/session/store.go"), "rotateSQL"); err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Config{OwnerURL: b.server.ready.DatabaseURL, MaxConns: 1})
	if err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	defer db.Close()
	tables := &catalog.Service{DB: db, Schemas: []string{"public"}, Logger: slog.New(slog.DiscardHandler), Now: now}
	if err := tables.Load(ctx); err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	return b.planFor(tables.Snapshot())
}

// planFor plans the statements of the data scenarios.
func (b *rig) planFor(snapshot *catalog.Snapshot) error {
	readable, writable := snapshot.Table("public", "bench_rows"), snapshot.Table("public", "bench_inserts")
	if readable == nil || writable == nil {
		return errors.New("planning: the tables are not in the catalog")
	}
	one, err1 := query.Parse("id=eq.0")
	many, err2 := query.Parse(manyRowsQuery)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	p := &b.plans
	var err error
	if p.oneRow, err = plan.Read(readable, one, manyRows, plan.Answer{}); err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	if p.manyRows, err = plan.Read(readable, many, manyRows, plan.Answer{}); err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	body := "[" + fmt.Sprintf(insertBody, b.people[0].id) + "]"
	p.insert, err = plan.Insert(writable, query.Query{}, []string{"user_id", "title"}, body, plan.Answer{Returning: plan.Rows})
	if err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	return nil
}

// moduleRoot finds the sources, from the working directory upwards.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("locating the sources: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run bench inside the repository: it reads statements from the sources")
		}
		dir = parent
	}
}

// constant returns the text of a string constant in a Go file.
func constant(path, name string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return "", fmt.Errorf("reading the statement %s: %w", name, err)
	}
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok || len(value.Names) != 1 || len(value.Values) != 1 || value.Names[0].Name != name {
				continue
			}
			if literal, ok := value.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				return strconv.Unquote(literal.Value) //nolint:wrapcheck // a literal that compiles
			}
		}
	}
	return "", fmt.Errorf("there is no string constant %s in %s", name, path)
}
