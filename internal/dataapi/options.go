package dataapi

import (
	"context"
	"slices"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
)

// Methods says which methods of HTTP a table takes by its nature. Privileges and
// policies are not asked.
func (s *Service) Methods(ctx context.Context, r Request) ([]string, error) {
	table, _, err := s.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	allow := []string{"OPTIONS", "GET", "HEAD"}
	if table.Insertable {
		allow = append(allow, "POST")
		if table.Updatable && len(table.PrimaryKey) > 0 {
			allow = append(allow, "PUT")
		}
	}
	if table.Updatable {
		allow = append(allow, "PATCH")
	}
	if table.Deletable {
		allow = append(allow, "DELETE")
	}
	return allow, nil
}

// CallMethods says which methods of HTTP a function takes: GET and HEAD where it
// has promised to change nothing.
func (s *Service) CallMethods(ctx context.Context, c Call) ([]string, error) {
	var err error
	if c.Schema, err = s.schema(c.Schema); err != nil {
		return nil, err
	}
	named, err := s.Catalog.Functions(ctx, c.Schema, c.Function)
	if err != nil {
		return nil, err
	}
	if named == nil {
		return nil, s.noFunction(c, nil, plan.Arguments{})
	}
	if slices.ContainsFunc(named, func(f *catalog.Function) bool { return f.Volatility != catalog.Volatile }) {
		return []string{"OPTIONS", "GET", "HEAD", "POST"}, nil
	}
	return []string{"OPTIONS", "POST"}, nil
}
