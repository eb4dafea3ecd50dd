package rls

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

// Routes returns the routes under /api/v1/admin/rls.
func (s *Service) Routes() []web.Route {
	route := func(path, summary string) web.Route {
		return web.Route{Method: http.MethodPost, Path: "/api/v1/admin/rls" + path, Tag: "Row-Level Security", Summary: summary, Access: web.Service}
	}
	lint := route("/lint", "What is wrong with policies, tables, views and functions, and the SQL that mends it")
	lint.OptionalBody = true
	routes := []web.Route{
		web.Typed(lint, func(ctx context.Context, c *web.Call, in Request) (Findings, error) {
			found, err := s.Lint(ctx)
			if err == nil && in.Apply {
				err = s.Apply(ctx, audit.By(c.Principal, c.Address, c.RequestID), found)
			}
			return Findings{found}, err
		}),
	}
	if s.Explains {
		routes = append(routes, web.Typed(route("/explain", "Run a statement as somebody, undo it, and say what each policy makes of it"),
			func(ctx context.Context, _ *web.Call, in Question) (Explanation, error) { return s.Explain(ctx, in) }))
	}
	if s.Tests {
		routes = append(routes, web.Typed(route("/test", "Run tests of policies and undo them; in development only"),
			func(ctx context.Context, _ *web.Call, in Suite) (Results, error) { return s.Test(ctx, in) }))
	}
	return routes
}
