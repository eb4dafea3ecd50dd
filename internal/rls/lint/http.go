package lint

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Findings is the answer of the linter.
type Findings struct {
	Items []Finding `json:"items"`
}

// Request is the body that asks for the linter.
type Request struct {
	Apply bool `json:"apply,omitzero"` // run the safe SQL; the answer is what has been found before that
}

// Routes returns the route under /api/v1/admin/rls/lint.
func (s *Service) Routes() []web.Route {
	route := web.Route{
		Method: http.MethodPost, Path: "/api/v1/admin/rls/lint", Tag: "Row-Level Security", Access: web.Service, OptionalBody: true,
		Summary: "What is wrong with policies, tables, views and functions, and the SQL that mends it",
	}
	return []web.Route{web.Typed(route, func(ctx context.Context, c *web.Call, in Request) (Findings, error) {
		found, err := s.Lint(ctx)
		if err == nil && in.Apply {
			err = s.Apply(ctx, audit.By(c.Principal, c.Address, c.RequestID), found)
		}
		return Findings{found}, err
	})}
}
