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
	snapshot *catalog.Snapshot

	oneRow      plan.Statement
	hundredRows plan.Statement
	manyRows    plan.Statement
	embedding   plan.Statement
	insert      plan.Statement
	bulk        plan.Statement
}

// The requests behind the plans.
const insertBody = `{"user_id":"%s","title":"a row that was inserted"}`

func pageQuery(count int) string { return "order=id&limit=" + strconv.Itoa(count) }

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
	b.plans.snapshot = tables.Snapshot()
	return b.planAll()
}

// planAll plans the statements of the data scenarios.
func (b *rig) planAll() error {
	p := &b.plans
	for _, read := range []struct {
		into         *plan.Statement
		table, query string
	}{
		{&p.oneRow, "bench_rows", "id=eq.0"},
		{&p.hundredRows, "bench_rows", pageQuery(100)},
		{&p.manyRows, "bench_rows", pageQuery(1000)},
		{&p.embedding, "bench_lists", embeddingQuery},
	} {
		var err error
		if *read.into, err = p.read(read.table, read.query); err != nil {
			return err
		}
	}
	body, columns := "["+fmt.Sprintf(insertBody, b.people[0].id)+"]", []string{"user_id", "title"}
	single, err1 := p.table("bench_inserts")
	many, err2 := p.table("bench_bulk")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p.insert, err1 = plan.Insert(single, query.Query{}, columns, body, plan.Answer{Returning: plan.Rows})
	p.bulk, err2 = plan.Insert(many, query.Query{}, columns, "", plan.Answer{})
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	return nil
}

func (p *plans) table(name string) (*catalog.Table, error) {
	table := p.snapshot.Table("public", name)
	if table == nil {
		return nil, fmt.Errorf("planning: the table %s is not in the catalog", name)
	}
	return table, nil
}

// maxRows is what the server bounds answers by.
const maxRows = 1000

// read parses a query and plans it, as the server does for each request.
func (p *plans) read(name, text string) (plan.Statement, error) {
	table, err := p.table(name)
	if err != nil {
		return plan.Statement{}, err
	}
	q, err := query.Parse(text)
	if err != nil {
		return plan.Statement{}, fmt.Errorf("planning: %w", err)
	}
	st, err := plan.Read(table, q, maxRows, plan.Answer{})
	if err != nil {
		return plan.Statement{}, fmt.Errorf("planning: %w", err)
	}
	return st, nil
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
