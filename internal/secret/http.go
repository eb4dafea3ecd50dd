package secret

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/web"
)

const (
	maxPage    = 100       // secrets of one page
	maxVersion = 1<<31 - 1 // that a column holds
)

// Setting is the body that sets a secret.
type Setting struct {
	Value       string     `json:"value"`
	Description *string    `json:"description,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	ExpiresIn   *int64     `json:"expires_in,omitempty"` // seconds
}

// Restoration is the body that restores a secret. Version 0 brings a deleted
// secret back as it was.
type Restoration struct {
	Version int `json:"version,omitempty"`
}

// Versions is the history of a secret.
type Versions struct {
	Items []Version `json:"items"`
}

// Routes returns the routes under /api/v1/admin/secrets.
func (s *Service) Routes() []web.Route {
	tenant := web.Param{Name: "sub_tenant_id", In: "query", Description: "The sub-tenant; absent: the whole installation"}
	name := web.Param{Name: "name", In: "path", Description: "The name of the secret"}
	route := func(method, path, summary string, params ...web.Param) web.Route {
		return web.Route{
			Method: method, Path: "/api/v1/admin/secrets" + path, Tag: "Secrets", Summary: summary, Access: web.Service,
			Params: append(params, tenant),
		}
	}
	set := route(http.MethodPut, "/{name}", "Give a secret a new value", name)
	set.NUL = []string{"/value"} // sealed, and so not text to PostgreSQL
	restore := route(http.MethodPost, "/{name}/restore", "Bring back a deleted secret, or the value of an earlier version", name)
	restore.OptionalBody = true
	return []web.Route{
		web.Typed(route(http.MethodGet, "", "Secrets by name, without their values",
			web.Param{Name: "limit", In: "query", Description: "1 to 100; 20 if absent"},
			web.Param{Name: "cursor", In: "query", Description: "next_cursor of the page before"}), s.list),
		web.Typed(route(http.MethodGet, "/{name}", "A secret without its value", name), s.get),
		web.Typed(set, s.set),
		web.Typed(route(http.MethodGet, "/{name}/value", "The value of a secret; every read is audited", name,
			web.Param{Name: "version", In: "query", Description: "A version; the newest if absent"}), s.reveal),
		web.Typed(route(http.MethodGet, "/{name}/versions", "The versions of a secret, without their values", name), s.history),
		web.Typed(route(http.MethodDelete, "/{name}", "Delete a secret; it can be restored unless it is purged", name,
			web.Param{Name: "purge", In: "query", Description: "true destroys every version for good"}), s.remove),
		web.Typed(restore, s.bringBack),
	}
}

func (s *Service) list(ctx context.Context, c *web.Call, _ web.None) (Page, error) {
	n, err := nameOf(c)
	if err != nil {
		return Page{}, err
	}
	limit, err := number(c, "limit", 20, maxPage)
	if err != nil {
		return Page{}, err
	}
	return s.List(ctx, n.Tenant, c.Query().Get("cursor"), limit)
}

func (s *Service) get(ctx context.Context, c *web.Call, _ web.None) (Secret, error) {
	n, err := nameOf(c)
	if err != nil {
		return Secret{}, err
	}
	return s.Get(ctx, n)
}

func (s *Service) set(ctx context.Context, c *web.Call, in Setting) (Secret, error) {
	n, err := nameOf(c)
	if err != nil {
		return Secret{}, err
	}
	if in.ExpiresIn != nil {
		if in.ExpiresAt != nil {
			return Secret{}, fault.Input("/expires_in", "invalid_expiry", "Give expires_at or expires_in, not both.")
		}
		if *in.ExpiresIn < 1 || *in.ExpiresIn > int64(maxLife/time.Second) {
			return Secret{}, fault.Input("/expires_in", "invalid_expiry", "A secret expires after 1 second to 100 years.")
		}
		at := s.Now().Add(time.Duration(*in.ExpiresIn) * time.Second)
		in.ExpiresAt = &at
	}
	return s.Set(ctx, actor(c), n, Input{Value: in.Value, Description: in.Description, ExpiresAt: in.ExpiresAt})
}

func (s *Service) reveal(ctx context.Context, c *web.Call, _ web.None) (Value, error) {
	n, err := nameOf(c)
	if err != nil {
		return Value{}, err
	}
	version, err := number(c, "version", 0, maxVersion)
	if err != nil {
		return Value{}, err
	}
	return s.Reveal(ctx, actor(c), n, version)
}

func (s *Service) history(ctx context.Context, c *web.Call, _ web.None) (Versions, error) {
	n, err := nameOf(c)
	if err != nil {
		return Versions{}, err
	}
	items, err := s.History(ctx, n)
	return Versions{items}, err
}

func (s *Service) remove(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
	n, err := nameOf(c)
	if err != nil {
		return web.None{}, err
	}
	purge := c.Query().Get("purge")
	if purge != "" && purge != "true" && purge != "false" {
		return web.None{}, fault.Input("?purge", "invalid_purge", "It is true or false.")
	}
	return web.None{}, s.Delete(ctx, actor(c), n, purge == "true")
}

func (s *Service) bringBack(ctx context.Context, c *web.Call, in Restoration) (Secret, error) {
	n, err := nameOf(c)
	if err != nil {
		return Secret{}, err
	}
	if in.Version < 0 || in.Version > maxVersion {
		return Secret{}, fault.Input("/version", "invalid_version", "It is a number from 1 to "+strconv.Itoa(maxVersion)+".")
	}
	return s.Restore(ctx, actor(c), n, in.Version)
}

// nameOf refuses a sub-tenant that is not one, the empty text too: taken for
// none, it would stand for the whole installation.
func nameOf(c *web.Call) (Name, error) {
	n := Name{Name: c.Path("name")}
	texts := c.Query()["sub_tenant_id"]
	if len(texts) == 0 {
		return n, nil
	}
	tenant, err := id.Parse(texts[0])
	if err != nil || tenant.IsZero() || len(texts) > 1 {
		return n, fault.Input("?sub_tenant_id", "invalid_sub_tenant_id", "It is a UUID.")
	}
	n.Tenant = id.Tenant(tenant)
	return n, nil
}

// number reads a query parameter that counts from 1.
func number(c *web.Call, name string, absent, most int) (int, error) {
	text := c.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fault.Input("?"+name, "invalid_"+name, "It is a number from 1 to "+strconv.Itoa(most)+".")
	}
	return n, nil
}

func actor(c *web.Call) audit.Actor { return audit.By(c.Principal, c.Address, c.RequestID) }
