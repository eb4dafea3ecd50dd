package dataapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/net/http/httpguts"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

// callRoutes returns the routes under /api/v1/rpc and /rest/v1/rpc.
func (s *Service) callRoutes() []web.Route {
	params := []web.Param{
		{Name: "function", In: "path", Description: "A function of the exposed schema"},
		{Name: "select", In: "query", Description: "For rows: as for tables, and so are filters and order"},
		{Name: "limit", In: "query", Description: "At most this many rows or values"},
		{Name: "offset", In: "query", Description: "Skip this many"},
		{Name: "Accept", In: "header", Description: "application/json (default), application/vnd.pgrst.object+json for exactly one row, application/vnd.pgrst.array+json;nulls=stripped, or text/csv"},
		{Name: "Prefer", In: "header", Description: "return=minimal leaves out the answer; count=exact; handling=strict; max-affected=N"},
		{Name: "Accept-Profile", In: "header", Description: "By GET: a schema other than the default one; Content-Profile by POST"},
	}
	var routes []web.Route
	for _, path := range []string{"/api/v1/rpc/{function}", "/rest/v1/rpc/{function}"} {
		hidden := path != "/api/v1/rpc/{function}"
		route := func(method, summary string, hidden bool, serve func(http.ResponseWriter, *http.Request, *web.Call) error) {
			routes = append(routes, web.Route{
				Method: method, Path: path, Tag: "Data", Summary: summary, Media: "application/json", Hidden: hidden, Serve: serve, Params: params,
			})
		}
		route(http.MethodGet, "Call a function that changes nothing, with arguments from the query", hidden, s.callByGet)
		route(http.MethodPost, "Call a function, with arguments from the members of a JSON object", hidden, s.callByPost)
		for _, method := range []string{http.MethodPatch, http.MethodPut, http.MethodDelete} {
			route(method, "Not for functions", true, refuseCall)
		}
	}
	return routes
}

func refuseCall(w http.ResponseWriter, _ *http.Request, _ *web.Call) error {
	w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
	return dataFault(fault.MethodNotAllowed, "PGRST101", "Functions are called by POST, or by GET if they change nothing")
}

func (s *Service) callByGet(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	return s.call(w, r, Call{Principal: c.Principal, Schema: r.Header.Get("Accept-Profile"), Function: c.Path("function"), Read: true})
}

func (s *Service) callByPost(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	media, body, err := readCall(r)
	if err != nil {
		return err
	}
	return s.call(w, r, Call{Principal: c.Principal, Schema: r.Header.Get("Content-Profile"), Function: c.Path("function"), Media: media, Body: body})
}

func (s *Service) call(w http.ResponseWriter, r *http.Request, call Call) error {
	p, err := s.prefer(r)
	if err != nil {
		return err
	}
	m, err := accept(r)
	if err != nil {
		return err
	}
	if slices.Contains(s.Schemas, call.Schema) {
		w.Header().Set("Content-Profile", call.Schema)
	}
	call.Query, call.Single, call.Rollback, call.MaxAffected = r.URL.RawQuery, m.single, p.rollback, p.maxAffected
	call.Answer = plan.Answer{CSV: m.csv, Stripped: m.stripped, Count: p.count}
	a, err := s.Call(r.Context(), call)
	if err != nil {
		return err
	}
	a.Void = a.Void || p.given["return"] == "return=minimal"
	p.appliedToCall(w.Header(), call.Read)
	m.single = m.single && a.Set // anything else is no array
	return a.send(w, m)
}

func (a *Answer) send(w http.ResponseWriter, m media) error {
	status, err := a.status()
	if err != nil {
		return err
	}
	if err := a.setHeaders(w.Header()); err != nil {
		return err
	}
	if a.Set {
		w.Header()["Content-Range"] = []string{contentRange(a.Result)}
		if a.Status == "" && a.Total != nil && a.Count < *a.Total {
			status = http.StatusPartialContent
		}
	}
	if a.Void || status == http.StatusNoContent || status == http.StatusNotModified {
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

// status is what the function has asked for.
func (a *Answer) status() (int, error) {
	if a.Status == "" {
		if a.Void {
			return http.StatusNoContent, nil
		}
		return http.StatusOK, nil
	}
	status, err := strconv.Atoi(a.Status)
	if err != nil || status < 200 || status > 599 {
		return 0, dataFault(fault.Misbehaved, "PGRST112", "response.status must be a number from 200 to 599")
	}
	return status, nil
}

// setHeaders adds the fields that the function has asked for: a JSON array of
// objects with one member each.
func (a *Answer) setHeaders(h http.Header) error {
	if a.Headers == "" {
		return nil
	}
	var fields []map[string]string
	if json.Unmarshal([]byte(a.Headers), &fields, jsontext.AllowDuplicateNames(false)) != nil {
		return headersFault("response.headers must be a JSON array of objects with one text each")
	}
	for _, field := range fields {
		if len(field) != 1 {
			return headersFault("response.headers must be a JSON array of objects with one text each")
		}
		for name, value := range field {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) || reservedField(name) {
				return headersFault("response.headers has a field that a function cannot set")
			}
			h.Add(name, value)
		}
	}
	return nil
}

func headersFault(message string) error {
	return dataFault(fault.Misbehaved, "PGRST111", message)
}

// reservedField says whether a field is the server's own: it frames or describes
// the answer, or keeps browsers from mistaking it.
func reservedField(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "trailer", "upgrade", "keep-alive", "te", "date",
		"x-content-type-options", "content-security-policy", "strict-transport-security", "x-frame-options", "referrer-policy", "x-request-id", "clear-site-data":
		return true
	}
	return strings.HasPrefix(name, "access-control-") || strings.HasPrefix(name, "cross-origin-") || strings.HasPrefix(name, "proxy-")
}

// appliedToCall says which preferences a call has honoured.
func (p *preferences) appliedToCall(h http.Header, read bool) {
	var list []string
	for _, words := range []string{p.given["return"], p.given["count"], p.given["tx"], p.given["handling"], p.given["max-affected"]} {
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
