package apikey

import (
	"context"
	"net/http"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/web"
)

const (
	usualPage = 20
	maxPage   = 100
)

// Routes returns the routes of operators, /api/v1/admin/client-keys and
// /api/v1/admin/service-keys. Those of users are in internal/login/account.
func (k *Keeper) Routes() []web.Route {
	return append(k.routesOf(Client, "client-keys", "client"), k.routesOf(Service, "service-keys", "service")...)
}

func (k *Keeper) routesOf(kind Kind, path, noun string) []web.Route {
	key := web.Param{Name: "id", In: "path", Description: "The key"}
	route := func(method, rest, summary string, params ...web.Param) web.Route {
		return web.Route{Method: method, Path: "/api/v1/admin/" + path + rest, Tag: "Keys", Summary: summary, Access: web.Service, Params: params}
	}
	create := route(http.MethodPost, "", "Make a "+noun+" key; its text is in this answer only")
	rotate := route(http.MethodPost, "/{id}/rotate", "Make a "+noun+" key in the place of another, which goes on for an overlap", key)
	create.Status, rotate.Status, rotate.OptionalBody = http.StatusCreated, http.StatusCreated, true
	return []web.Route{
		web.Typed(route(http.MethodGet, "", "The "+noun+" keys, newest first, with their last use",
			web.Param{Name: "limit", In: "query", Description: "1 to 100; 20 if absent"},
			web.Param{Name: "cursor", In: "query", Description: "next_cursor of the page before"}),
			func(ctx context.Context, c *web.Call, _ web.None) (Page, error) {
				limit, err := limitOf(c)
				if err != nil {
					return Page{}, err
				}
				return k.List(ctx, kind, c.Query().Get("cursor"), limit)
			}),
		web.Typed(create, func(ctx context.Context, c *web.Call, in New) (Made, error) {
			return k.Create(ctx, kind, in, actor(c))
		}),
		web.Typed(rotate, func(ctx context.Context, c *web.Call, in Rotation) (Made, error) {
			keyID, err := PathID(c)
			if err != nil {
				return Made{}, err
			}
			return k.Rotate(ctx, kind, keyID, in, actor(c))
		}),
		web.Typed(route(http.MethodDelete, "/{id}", "End a "+noun+" key, at once and everywhere", key),
			func(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
				keyID, err := PathID(c)
				if err != nil {
					return web.None{}, err
				}
				return web.None{}, k.Revoke(ctx, kind, keyID, actor(c))
			}),
	}
}

// PathID is the key that the path names. It returns ErrNotFound.
func PathID(c *web.Call) (id.Key, error) {
	u, err := id.Parse(c.Path("id"))
	if err != nil {
		return id.Key{}, ErrNotFound
	}
	return id.Key(u), nil
}

func limitOf(c *web.Call) (int, error) {
	text := c.Query().Get("limit")
	if text == "" {
		return usualPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, fault.Input("?limit", "invalid_limit", "It is a number from 1 to 100.")
	}
	return n, nil
}

func actor(c *web.Call) audit.Actor { return audit.By(c.Principal, c.Address, c.RequestID) }
