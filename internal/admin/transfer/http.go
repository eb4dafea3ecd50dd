package transfer

import (
	"context"
	"io"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Routes returns the routes that move accounts under /api/v1/admin.
func (s *Service) Routes() []web.Route {
	route := func(method, path, summary string, params ...web.Param) web.Route {
		return web.Route{Method: method, Path: "/api/v1/admin/users" + path, Tag: "Admin", Summary: summary, Access: web.Service, Params: params}
	}
	return []web.Route{
		web.Upload(route(http.MethodPost, "/import", "Take users from JSON lines; lines that cannot be taken are in the report",
			web.Param{Name: "dry_run", In: "query", Description: "true says what would happen and changes nothing"},
			web.Param{Name: "on_conflict", In: "query", Description: "What becomes of a line whose id or address has an account: " +
				"fail (if absent) reports it, skip passes over it, update puts what the line has into the account"},
			web.Param{Name: "unproven", In: "query", Description: "With update, what becomes of the password and the sessions of an account whose address nobody has proven, " +
				"where a line has email_verified and no digest: keep or reset; if absent, the line is reported"}), s.upload),
		web.Download(route(http.MethodGet, "/export", "All users as JSON lines, which can be imported",
			web.Param{Name: "include", In: "query", Description: "credentials: also digests of passwords and seeds of second factors"}), s.download),
	}
}

func (s *Service) upload(ctx context.Context, c *web.Call, body io.Reader) (Report, error) {
	o := Options{OnConflict: Fail}
	query := c.Query()
	if texts, ok := query["dry_run"]; ok {
		if len(texts) != 1 || texts[0] != "true" && texts[0] != "false" {
			return Report{}, fault.Input("?dry_run", "invalid_dry_run", "It is true or false.")
		}
		o.DryRun = texts[0] == "true"
	}
	if texts, ok := query["on_conflict"]; ok {
		o.OnConflict = Conflict(texts[0])
		if len(texts) != 1 || o.OnConflict != Fail && o.OnConflict != Skip && o.OnConflict != Update {
			return Report{}, fault.Input("?on_conflict", "invalid_on_conflict", "It is fail, skip or update.")
		}
	}
	if texts, ok := query["unproven"]; ok {
		o.Unproven = admin.Unproven(texts[0])
		if len(texts) != 1 || o.Unproven == "" {
			o.Unproven = "unknown"
		}
		if err := o.Unproven.Check("?unproven"); err != nil {
			return Report{}, err
		}
	}
	return s.Import(ctx, admin.CallBy(c), body, o)
}

func (s *Service) download(ctx context.Context, c *web.Call, out io.Writer) error {
	texts, include := c.Query()["include"]
	if include && (len(texts) != 1 || texts[0] != "credentials") {
		return fault.Input("?include", "invalid_include", "It is credentials.")
	}
	return s.Export(ctx, admin.CallBy(c), include, out)
}
