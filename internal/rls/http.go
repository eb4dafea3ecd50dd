package rls

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/web"
)

// Routes returns the routes under /api/v1/admin/rls.
func (s *Service) Routes() []web.Route {
	route := func(path, summary string) web.Route {
		return web.Route{Method: http.MethodPost, Path: "/api/v1/admin/rls" + path, Tag: "Row-Level Security", Summary: summary, Access: web.Service}
	}
	var routes []web.Route
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
