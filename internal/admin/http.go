package admin

import (
	"context"
	"net/http"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
)

// maxPage is the most items of one page.
const maxPage = 100

// ended is how many sessions were ended.
type ended struct {
	Ended int64 `json:"ended"`
}

// Routes returns the routes under /api/v1/admin.
func (s *Service) Routes() []web.Route {
	const base = "/api/v1/admin"
	userID := []web.Param{{Name: "id", In: "path", Description: "The user"}}
	route := func(method, path, summary string, params []web.Param) web.Route {
		return web.Route{Method: method, Path: base + path, Tag: "Admin", Summary: summary, Access: web.Service, Params: params}
	}
	return []web.Route{
		web.Typed(route(http.MethodGet, "/users", "Users, newest first", []web.Param{
			{Name: "email", In: "query", Description: "Only the user with this address"},
			{Name: "limit", In: "query", Description: "1 to 100; 20 if absent"},
			{Name: "cursor", In: "query", Description: "next_cursor of the page before"},
		}), s.listUsers),
		web.Typed(route(http.MethodGet, "/users/{id}", "One user", userID), s.getUser),
		web.Typed(route(http.MethodGet, "/users/{id}/sessions", "The sessions of a user", userID), s.listSessions),
		web.Typed(route(http.MethodDelete, "/users/{id}/sessions", "End all sessions of a user", userID), s.endSessions),
	}
}

func (s *Service) listUsers(ctx context.Context, c *web.Call, _ web.None) (user.Page, error) {
	query := c.Query()
	limit := 20
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return user.Page{}, fault.Input("?limit", "invalid_limit", "It is a number from 1 to 100.")
		}
		limit = n
	}
	email := query.Get("email")
	if email != "" {
		normalized, err := user.NormalizeEmail(email)
		if err != nil {
			return user.Page{}, fault.Input("?email", "invalid_email", "This is not an e-mail address.")
		}
		email = normalized
	}
	return s.Users.List(ctx, email, query.Get("cursor"), limit)
}

func (s *Service) getUser(ctx context.Context, c *web.Call, _ web.None) (user.Document, error) {
	userID, err := userOf(c)
	if err != nil {
		return nil, err
	}
	return s.Users.Get(ctx, userID)
}

func (s *Service) listSessions(ctx context.Context, c *web.Call, _ web.None) (session.Page, error) {
	userID, err := userOf(c)
	if err != nil {
		return session.Page{}, err
	}
	if _, err := s.Users.Get(ctx, userID); err != nil {
		return session.Page{}, err
	}
	sessions, err := s.Sessions.List(ctx, userID, id.Session{})
	return session.Page{Items: sessions}, err
}

func (s *Service) endSessions(ctx context.Context, c *web.Call, _ web.None) (ended, error) {
	userID, err := userOf(c)
	if err != nil {
		return ended{}, err
	}
	n, err := s.EndSessions(ctx, c.Principal, userID, session.Origin{Address: c.Address, RequestID: c.RequestID})
	return ended{n}, err
}

func userOf(c *web.Call) (id.User, error) {
	u, err := id.Parse(c.Path("id"))
	if err != nil {
		return id.User{}, user.ErrNotFound
	}
	return id.User(u), nil
}
