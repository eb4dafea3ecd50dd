package server

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/doctor"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/telemetry"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
	"github.com/fluxbase/fluxbase/internal/web/openapi"
)

// describe adds the routes that describe the others.
func describe(ctx context.Context, db *postgres.DB, routes []web.Route) ([]web.Route, error) {
	installation, err := doctor.Installation(ctx, db.Single())
	if err != nil {
		return nil, fmt.Errorf("identifying the installation: %w", err)
	}
	account, err := openapi.Describe[user.User](wireTypes())
	if err != nil {
		return nil, fmt.Errorf("describing a user: %w", err)
	}
	types := wireTypes()
	types[reflect.TypeFor[user.Document]()] = account
	types[reflect.TypeFor[admin.Instant]()] = openapi.Text("date-time") // or null
	document, err := openapi.Document(routes, Version, types)
	if err != nil {
		return nil, err
	}
	return concat(routes, openapi.Routes(document), []web.Route{index(installation)}), nil
}

// wireTypes says how types look in JSON that reflection gets wrong.
func wireTypes() openapi.Schemas {
	return openapi.Schemas{
		reflect.TypeFor[id.UUID]():        openapi.Text("uuid"),
		reflect.TypeFor[id.User]():        openapi.Text("uuid"),
		reflect.TypeFor[id.Session]():     openapi.Text("uuid"),
		reflect.TypeFor[id.Key]():         openapi.Text("uuid"),
		reflect.TypeFor[id.Factor]():      openapi.Text("uuid"),
		reflect.TypeFor[id.Mail]():        openapi.Text("uuid"),
		reflect.TypeFor[time.Time]():      openapi.Text("date-time"),
		reflect.TypeFor[user.Metadata]():  openapi.Object(),
		reflect.TypeFor[jsontext.Value](): openapi.Object(),
	}
}

// about is what a visitor of the root finds.
type about struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Docs    string `json:"docs"`
	OpenAPI string `json:"openapi"`

	// Installation tells fluxbase doctor whether the public URL leads here.
	Installation string `json:"installation"`
}

func index(installation string) web.Route {
	return web.Typed(web.Route{Method: http.MethodGet, Path: "/{$}", Hidden: true, Scope: principal.AnyScope},
		func(context.Context, *web.Call, web.None) (about, error) {
			return about{"Fluxbase", Version, "/docs", "/api/v1/openapi.json", installation}, nil
		})
}

func healthRoutes(h *telemetry.Health) []web.Route {
	return []web.Route{
		web.Typed(web.Route{Method: http.MethodGet, Path: "/livez", Tag: "Operations", Summary: "Whether the process answers", Unlimited: true, Scope: principal.AnyScope},
			func(context.Context, *web.Call, web.None) (telemetry.Status, error) {
				return telemetry.Status{Status: "ok"}, nil
			}),
		web.Typed(web.Route{
			Method: http.MethodGet, Path: "/readyz", Tag: "Operations", Unlimited: true, Scope: principal.AnyScope,
			Summary: "Whether the server can do its work; names the part that cannot",
		},
			func(ctx context.Context, _ *web.Call, _ web.None) (telemetry.Status, error) {
				return h.Ready(ctx)
			}),
	}
}

func concat(groups ...[]web.Route) []web.Route {
	var all []web.Route
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
