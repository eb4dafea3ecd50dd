package mail

import (
	"context"
	"net/http"
	"slices"
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

// Routes returns the routes under /api/v1/admin/mail. None of them shows what a
// message says.
func (s *Service) Routes() []web.Route {
	message := web.Param{Name: "id", In: "path", Description: "The id of the message"}
	route := func(method, path, summary string, params ...web.Param) web.Route {
		return web.Route{Method: method, Path: "/api/v1/admin/mail" + path, Tag: "Mail", Summary: summary, Access: web.Service, Params: params}
	}
	return []web.Route{
		web.Typed(route(http.MethodGet, "", "Messages, newest first, without what they say",
			web.Param{Name: "status", In: "query", Description: "queued, sending, sent, failed or expired"},
			web.Param{Name: "to", In: "query", Description: "The address of the recipient"},
			web.Param{Name: "limit", In: "query", Description: "1 to 100; 20 if absent"},
			web.Param{Name: "cursor", In: "query", Description: "next_cursor of the page before"}), s.list),
		web.Typed(route(http.MethodGet, "/{id}", "A message without what it says", message), s.get),
		web.Typed(route(http.MethodPost, "/{id}/retry", "Send a message again that has failed", message), s.retry),
	}
}

func (s *Service) list(ctx context.Context, c *web.Call, _ web.None) (Page, error) {
	query := c.Query()
	f := Filter{Status: Status(query.Get("status")), To: query.Get("to")}
	if f.Status != "" && !slices.Contains(statuses, f.Status) {
		return Page{}, fault.Input("?status", "invalid_status", "It is queued, sending, sent, failed or expired.")
	}
	limit := usualPage
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return Page{}, fault.Input("?limit", "invalid_limit", "It is a number from 1 to "+strconv.Itoa(maxPage)+".")
		}
	}
	return s.List(ctx, f, query.Get("cursor"), limit)
}

func (s *Service) get(ctx context.Context, c *web.Call, _ web.None) (Message, error) {
	message, err := idOf(c)
	if err != nil {
		return Message{}, err
	}
	return s.Get(ctx, message)
}

func (s *Service) retry(ctx context.Context, c *web.Call, _ web.None) (Message, error) {
	message, err := idOf(c)
	if err != nil {
		return Message{}, err
	}
	return s.Retry(ctx, audit.By(c.Principal, c.Address, c.RequestID), message)
}

// idOf takes what is no identifier for that of nothing.
func idOf(c *web.Call) (id.Mail, error) {
	message, err := id.Parse(c.Path("id"))
	if err != nil {
		return id.Mail{}, ErrNotFound
	}
	return id.Mail(message), nil
}
