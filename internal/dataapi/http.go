package dataapi

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Routes returns the routes under /api/v1/tables and /api/v1/rpc.
func (s *Service) Routes() []web.Route {
	params := []web.Param{
		{Name: "table", In: "path", Description: "A table or view of the exposed schema"},
		{Name: "select", In: "query", Description: "Columns, as a,alias:b,doc->k->>0,a::text; all if absent"},
		{Name: "or", In: "query", Description: "Conditions of which one is enough, as (a.eq.1,and(b.gt.2,c.not.is.null)); also and, not.or and not.and"},
		{Name: "order", In: "query", Description: "As a.desc.nullslast,doc->>k"},
		{Name: "limit", In: "query", Description: "At most this many rows"},
		{Name: "offset", In: "query", Description: "Skip this many rows"},
		{Name: "columns", In: "query", Description: "For inserts: the columns to take from the body"},
		{Name: "Prefer", In: "header", Description: "return=minimal (default), headers-only or representation"},
	}
	route := func(method, summary string, serve func(http.ResponseWriter, *http.Request, *web.Call) error) web.Route {
		return web.Route{
			Method: method, Path: "/api/v1/tables/{table}", Tag: "Data", Summary: summary, Params: params,
			Media: "application/json", Serve: serve,
		}
	}
	return append([]web.Route{
		route(http.MethodGet, "Read rows", s.read),
		route(http.MethodPost, "Insert rows", s.insert),
		route(http.MethodPatch, "Update rows", s.update),
		route(http.MethodDelete, "Delete rows", s.delete),
	}, s.callRoutes()...)
}

func (s *Service) read(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	if err := acceptable(r); err != nil {
		return err
	}
	result, q, err := s.Read(r.Context(), c.Principal, c.Path("table"), r.URL.RawQuery)
	if err != nil {
		return err
	}
	w.Header()["Content-Range"] = []string{contentRange(q, result.Count)}
	return web.WriteJSON(w, http.StatusOK, result.Body)
}

// contentRange names the first and last row of an answer, without the total,
// which nobody has asked for.
func contentRange(q query.Query, count int64) string {
	if count == 0 {
		return "*/*"
	}
	var first int64
	if q.Offset != nil {
		first = *q.Offset
	}
	return fmt.Sprintf("%d-%d/*", first, first+count-1)
}

func (s *Service) insert(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	returning, body, err := readWrite(r)
	if err != nil {
		return err
	}
	result, table, err := s.Insert(r.Context(), c.Principal, c.Path("table"), r.URL.RawQuery, body, returning)
	if err != nil {
		return err
	}
	if returning == plan.Keys {
		if location, ok := locate(c.Path("table"), table, result); ok {
			w.Header().Set("Location", location)
		}
	}
	return answer(w, returning, result, http.StatusCreated, http.StatusCreated)
}

func (s *Service) update(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	returning, body, err := readWrite(r)
	if err != nil {
		return err
	}
	result, err := s.Update(r.Context(), c.Principal, c.Path("table"), r.URL.RawQuery, body, returning)
	if err != nil {
		return err
	}
	return answer(w, returning, result, http.StatusOK, http.StatusNoContent)
}

func (s *Service) delete(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	returning, err := preference(r)
	if err != nil {
		return err
	}
	result, err := s.Delete(r.Context(), c.Principal, c.Path("table"), r.URL.RawQuery, returning)
	if err != nil {
		return err
	}
	return answer(w, returning, result, http.StatusOK, http.StatusNoContent)
}

// answer sends what a write returned, and says which preference was honoured.
func answer(w http.ResponseWriter, returning plan.Returning, result Result, full, empty int) error {
	w.Header().Set("Preference-Applied", "return="+[...]string{"minimal", "headers-only", "representation"}[returning])
	if returning == plan.Rows {
		return web.WriteJSON(w, full, result.Body)
	}
	w.WriteHeader(empty)
	return nil
}

func readWrite(r *http.Request) (plan.Returning, []byte, error) {
	returning, err := preference(r)
	if err != nil {
		return returning, nil, err
	}
	body, err := web.ReadJSON(r)
	if f := fault.From(err); f != nil && f.Kind == fault.Invalid {
		f = f.Because(err)
		f.SQL = &fault.SQL{State: "PGRST102", Message: f.Detail}
		return returning, nil, f
	}
	return returning, body, err
}

// preference reads Prefer: return= (RFC 7240). Other preferences are ignored,
// as that standard asks.
func preference(r *http.Request) (plan.Returning, error) {
	if err := acceptable(r); err != nil {
		return plan.Nothing, err
	}
	for _, field := range r.Header.Values("Prefer") {
		for p := range strings.SplitSeq(field, ",") {
			switch strings.TrimSpace(p) {
			case "return=representation":
				return plan.Rows, nil
			case "return=headers-only":
				return plan.Keys, nil
			}
		}
	}
	return plan.Nothing, nil
}

// acceptable refuses a caller who takes no JSON.
func acceptable(r *http.Request) error {
	fields := r.Header.Values("Accept")
	if len(fields) == 0 {
		return nil
	}
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			media, _, err := mime.ParseMediaType(part)
			if err == nil && (media == "*/*" || media == "application/*" || media == "application/json") {
				return nil
			}
		}
	}
	return dataFault(fault.NotAcceptable, "PGRST107", "None of the media types in Accept can be answered with; application/json can")
}

// locate returns where a single inserted row can be read.
func locate(name string, table *catalog.Table, result Result) (string, bool) {
	var rows []map[string]jsontext.Value
	if json.Unmarshal(result.Body, &rows) != nil || len(rows) != 1 || len(table.PrimaryKey) == 0 {
		return "", false
	}
	conditions := make([]string, 0, len(table.PrimaryKey))
	for _, column := range table.PrimaryKey {
		value := rows[0][column]
		text := string(value)
		if value.Kind() == '"' {
			if json.Unmarshal(value, &text) != nil {
				return "", false
			}
		}
		conditions = append(conditions, url.QueryEscape(column)+"=eq."+url.QueryEscape(text))
	}
	return "/api/v1/tables/" + url.PathEscape(name) + "?" + strings.Join(conditions, "&"), true
}
