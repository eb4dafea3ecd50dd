package account

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/web"
)

// keyRoutes are the routes of one's own API keys, which no API key may use.
func (s *Service) keyRoutes() []web.Route {
	create := route(http.MethodPost, "/api-keys", "Make an API key that acts as you; its text is in this answer only")
	create.Status = http.StatusCreated
	revoke := route(http.MethodDelete, "/api-keys/{id}", "End an API key, at once and everywhere")
	revoke.Params = []web.Param{{Name: "id", In: "path", Description: "The key"}}
	return []web.Route{
		web.Typed(create, with(s.CreateKey)),
		web.Typed(route(http.MethodGet, "/api-keys", "Your API keys, newest first, with their last use"),
			func(ctx context.Context, c *web.Call, _ web.None) (apikey.OwnList, error) {
				items, err := s.Keys.ListOwn(ctx, c.Principal.User)
				return apikey.OwnList{Items: items}, err
			}),
		web.Typed(revoke, func(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
			keyID, err := apikey.PathID(c)
			if err != nil {
				return web.None{}, err
			}
			return web.None{}, s.RevokeKey(ctx, c.Principal, keyID, login.Origin(c))
		}),
	}
}
