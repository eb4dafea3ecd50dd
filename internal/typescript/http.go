package typescript

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Answer is what the route answers with.
type Answer struct {
	Types string `json:"types"` // the text of a module
}

// Routes returns the route /api/v1/admin/types.
func (s *Service) Routes() []web.Route {
	route := web.Route{
		Method: http.MethodGet, Path: "/api/v1/admin/types", Tag: "Admin", Access: web.Service,
		Summary: "Tables, views, functions and types of the database, as types of a programming language",
		Params: []web.Param{
			{Name: "lang", In: "query", Description: "typescript, which is what it is if absent"},
			{Name: "schema", In: "query", Description: "A schema, exposed or not; may be there several times, the default one first. The exposed ones if absent"},
		},
	}
	return []web.Route{web.Typed(route, func(ctx context.Context, c *web.Call, _ web.None) (Answer, error) {
		query := c.Query()
		if lang, ok := query["lang"]; ok && (len(lang) != 1 || lang[0] != "typescript") {
			return Answer{}, fault.Input("?lang", "invalid_lang", "It is typescript.")
		}
		text, err := s.Generate(ctx, query["schema"])
		return Answer{text}, err
	})}
}
