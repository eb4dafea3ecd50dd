package login

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
)

// refreshBody is the body of a refresh.
type refreshBody struct {
	RefreshToken string `json:"refresh_token"`
}

// signOutBody is the body of a sign-out.
type signOutBody struct {
	Scope Scope `json:"scope,omitempty"`
}

// updateBody is the body of a change of one's own data.
type updateBody struct {
	Data user.Metadata `json:"data"`
}

// Routes returns the routes under /api/v1/auth.
func (s *Service) Routes() []web.Route {
	const base = "/api/v1/auth"
	route := func(method, path, summary string, access web.Access) web.Route {
		return web.Route{Method: method, Path: base + path, Tag: "Auth", Summary: summary, Access: access}
	}
	signUp := route(http.MethodPost, "/signup", "Make an account and sign in", web.Public)
	signUp.Status = http.StatusCreated
	signOut := route(http.MethodPost, "/signout", "End this session, all, or all others", web.SignedIn)
	signOut.OptionalBody = true
	one := route(http.MethodDelete, "/sessions/{id}", "End one of your sessions", web.SignedIn)
	one.Params = []web.Param{{Name: "id", In: "path", Description: "The session"}}
	all := route(http.MethodDelete, "/sessions", "End your sessions", web.SignedIn)
	all.Params = []web.Param{{Name: "except_current", In: "query", Description: "true keeps the session that asks"}}

	return []web.Route{
		web.Typed(signUp, func(ctx context.Context, c *web.Call, in NewAccount) (Answer, error) {
			return s.SignUp(ctx, in, origin(c))
		}),
		web.Typed(route(http.MethodPost, "/signin", "Sign in with a password", web.Public),
			func(ctx context.Context, c *web.Call, in Credentials) (Answer, error) {
				return s.SignIn(ctx, in, origin(c))
			}),
		web.Typed(route(http.MethodPost, "/refresh", "Exchange a refresh token for new tokens", web.Public),
			func(ctx context.Context, c *web.Call, in refreshBody) (Answer, error) {
				return s.Refresh(ctx, in.RefreshToken, origin(c))
			}),
		web.Typed(signOut,
			func(ctx context.Context, c *web.Call, in signOutBody) (web.None, error) {
				return web.None{}, s.SignOut(ctx, c.Principal, in.Scope, origin(c))
			}),
		web.Typed(route(http.MethodGet, "/user", "The signed-in user", web.SignedIn),
			func(ctx context.Context, c *web.Call, _ web.None) (user.Document, error) {
				return s.Users.Get(ctx, c.Principal.User)
			}),
		web.Typed(route(http.MethodPatch, "/user", "Merge into your own metadata", web.SignedIn),
			func(ctx context.Context, c *web.Call, in updateBody) (user.Document, error) {
				return s.Update(ctx, c.Principal, in.Data, origin(c))
			}),
		web.Typed(route(http.MethodGet, "/session", "The session of this access token", web.SignedIn), s.current),
		web.Typed(route(http.MethodGet, "/sessions", "Your sessions", web.SignedIn), s.list),
		web.Typed(one, s.endOne),
		web.Typed(all, s.endAll),
	}
}

func (s *Service) current(ctx context.Context, c *web.Call, _ web.None) (session.Session, error) {
	return s.Sessions.Get(ctx, c.Principal.User, c.Principal.Session)
}

func (s *Service) list(ctx context.Context, c *web.Call, _ web.None) (session.Page, error) {
	sessions, err := s.Sessions.List(ctx, c.Principal.User, c.Principal.Session)
	return session.Page{Items: sessions}, err
}

func (s *Service) endOne(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
	u, err := id.Parse(c.Path("id"))
	if err != nil {
		return web.None{}, session.ErrNotFound
	}
	return web.None{}, s.End(ctx, c.Principal, id.Session(u), origin(c))
}

func (s *Service) endAll(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
	scope := Global
	switch c.Query().Get("except_current") {
	case "true":
		scope = Others
	case "", "false":
	default:
		return web.None{}, fault.Input("?except_current", "invalid_type", "It is true or false.")
	}
	return web.None{}, s.SignOut(ctx, c.Principal, scope, origin(c))
}

func origin(c *web.Call) session.Origin {
	return session.Origin{Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID}
}
