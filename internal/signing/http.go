package signing

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Routes returns the JWK Set, for those who verify tokens themselves.
func (s *Service) Routes() []web.Route {
	return []web.Route{
		web.Typed(web.Route{Method: http.MethodGet, Path: "/oauth/jwks", Tag: "Auth", Summary: "Public keys of access tokens (JWK Set)", Scope: principal.AnyScope},
			func(context.Context, *web.Call, web.None) (Set, error) { return s.Public(), nil }),
	}
}
