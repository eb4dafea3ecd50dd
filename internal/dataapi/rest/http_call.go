package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
)

// callRoutes returns the routes under /api/v1/rpc and /rest/v1/rpc.
func (s *API) callRoutes() []web.Route {
	params := []web.Param{
		{Name: "function", In: "path", Description: "A function of the exposed schema"},
		{Name: "select", In: "query", Description: "For rows: as for tables, and so are filters and order"},
		{Name: "limit", In: "query", Description: "At most this many rows or values"},
		{Name: "offset", In: "query", Description: "Skip this many"},
		{Name: "Range", In: "header", Description: "By GET: rows or values, as 0-9"},
		{Name: "Accept", In: "header", Description: "application/json (default), application/vnd.pgrst.object+json for exactly one row, application/vnd.pgrst.array+json;nulls=stripped, or text/csv"},
		{Name: "Prefer", In: "header", Description: "return=minimal leaves out the answer; count=exact; handling=strict; max-affected=N"},
		{Name: "Accept-Profile", In: "header", Description: "By GET: a schema other than the default one; Content-Profile by POST"},
	}
	var routes []web.Route
	for _, path := range []string{"/api/v1/rpc/{function}", "/rest/v1/rpc/{function}"} {
		hidden := path != "/api/v1/rpc/{function}"
		route := func(method, summary string, hidden bool, scope principal.Scope, serve func(http.ResponseWriter, *http.Request, *web.Call) error) {
			routes = append(routes, web.Route{
				Method: method, Path: path, Tag: "Data", Summary: summary, Media: "application/json", Hidden: hidden, Serve: serve, Reports: true, Params: params, Scope: scope,
			})
		}
		route(http.MethodGet, "Call a function that changes nothing, with arguments from the query", hidden, principal.CallFunctions, s.callByGet)
		route(http.MethodPost, "Call a function, with arguments from the members of a JSON object", hidden, principal.CallFunctions, s.callByPost)
		route(http.MethodOptions, "The methods of a function", true, principal.AnyScope, s.callOptions)
		route("", "Not for functions", true, principal.AnyScope, refuseCall)
	}
	return routes
}

func refuseCall(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
	w.Header().Set("Allow", "OPTIONS,GET,HEAD,POST")
	return dataapi.Fault(fault.MethodNotAllowed, "PGRST101", "Functions are called by POST, or by GET if they change nothing")
}

func (s *API) callByGet(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	return s.call(w, r, c, dataapi.Call{Schema: r.Header.Get("Accept-Profile"), Read: true})
}

func (s *API) callByPost(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	media, body, err := readCall(r)
	if err != nil {
		return err
	}
	return s.call(w, r, c, dataapi.Call{Schema: r.Header.Get("Content-Profile"), Media: media, Body: body})
}

func (s *API) call(w http.ResponseWriter, r *http.Request, c *web.Call, call dataapi.Call) error {
	p, err := s.prefer(r.Context(), r, c.Principal)
	if err != nil {
		return err
	}
	m, err := s.accept(r)
	if err != nil {
		return err
	}
	if slices.Contains(s.Schemas, call.Schema) {
		w.Header().Set("Content-Profile", call.Schema)
	}
	call.Function, call.Query, call.Single, call.MaxAffected = c.Path("function"), r.URL.RawQuery, m.single, p.maxAffected
	call.Answer = s.shape(m)
	call.Answer.Count = p.count != ""
	call.Terms = s.terms(c, r, p, m, "/rpc/"+call.Function)
	if call.Read {
		if call.Window, err = window(r); err != nil {
			return err
		}
	}
	a, err := s.Call(r.Context(), call)
	if err != nil {
		return beyond(w, a.Result, err)
	}
	a.Void = a.Void || p.given["return"] == "return=minimal"
	p.appliedToCall(w.Header(), call.Read)
	if m.explain != "" {
		return write(w, http.StatusOK, m, a.Body)
	}
	m.single = m.single && a.Set // anything else is no array
	return send(w, &a, m)
}

func send(w http.ResponseWriter, a *dataapi.Answer, m media) error {
	status := http.StatusOK
	if a.Void {
		status = http.StatusNoContent
	}
	status, err := apply(a.Outcome, w.Header(), status)
	if err != nil {
		return err
	}
	if a.Set {
		w.Header()["Content-Range"] = []string{contentRange(a.Result)}
		if a.Status == "" && a.Total != nil && a.Count < *a.Total {
			status = http.StatusPartialContent
		}
	}
	if a.Void || bodiless(status) {
		w.WriteHeader(status)
		return nil
	}
	return write(w, status, m, a.Body)
}

// readCall reads a body of one of the types that functions take.
func readCall(r *http.Request) (string, []byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "text/plain" && media != "application/octet-stream" {
		if r.ContentLength == 0 {
			return "application/json", []byte("{}"), nil
		}
		text, err := body(r)
		return "application/json", text, err
	}
	text, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return media, nil, fault.Newf(fault.TooLarge, "body_too_large", "The body is larger than %d bytes.", tooLarge.Limit)
	}
	if err != nil {
		return media, nil, fault.New(fault.Invalid, "incomplete_body", "The body ended too early.").Because(err)
	}
	return media, text, nil
}

// appliedToCall says which preferences a call has honoured.
func (p *preferences) appliedToCall(h http.Header, read bool) {
	var list []string
	if p.count != "" {
		p.given["count"] = "count=exact"
	}
	for _, words := range []string{p.given["return"], p.given["count"], p.given["tx"], p.given["isolation"], p.given["handling"], p.given["timezone"], p.given["max-affected"]} {
		switch {
		case words == "", words == p.given["return"] && words != "return=minimal", words == p.given["tx"] && read:
		default:
			list = append(list, words)
		}
	}
	if list != nil {
		h.Set("Preference-Applied", strings.Join(list, ", "))
	}
}
