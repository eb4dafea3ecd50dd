// Package rest is the data API over HTTP: the fields of requests and answers in
// the words of PostgREST, around a dataapi.Service.
package rest

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/dataapi"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
)

// API serves the requests of a data service.
type API struct {
	*dataapi.Service
	tags tagger
}

// New returns the API of a data service. The tags of its answers are made with
// the secret of mac.
func New(data *dataapi.Service, mac MAC) *API {
	return &API{Service: data, tags: tagger{mac: mac}}
}

// Routes returns the routes under /api/v1/tables and /api/v1/rpc, and the same
// ones where clients of PostgREST look for them.
func (s *API) Routes() []web.Route {
	params := []web.Param{
		{Name: "table", In: "path", Description: "A table or view of the exposed schema"},
		{Name: "select", In: "query", Description: "Columns, as a,alias:b,doc->k->>0,a::text; all if absent"},
		{Name: "or", In: "query", Description: "Conditions of which one is enough, as (a.eq.1,and(b.gt.2,c.not.is.null)); also and, not.or and not.and"},
		{Name: "order", In: "query", Description: "As a.desc.nullslast,doc->>k"},
		{Name: "limit", In: "query", Description: "At most this many rows"},
		{Name: "offset", In: "query", Description: "Skip this many rows"},
		{Name: "columns", In: "query", Description: "For inserts: the columns to take from the body"},
		{Name: "Accept", In: "header", Description: "application/json (default), application/vnd.pgrst.object+json for exactly one row, application/vnd.pgrst.array+json;nulls=stripped, text/csv, or application/geo+json where PostGIS is installed"},
		{Name: "Content-Type", In: "header", Description: "Of rows that are written: application/json, text/csv with a line of names, or application/x-www-form-urlencoded for one row"},
		{Name: "on_conflict", In: "query", Description: "For inserts with Prefer: resolution=: the columns of the key that must not occur twice; else the primary key"},
		{Name: "Prefer", In: "header", Description: "return=minimal (default), headers-only or representation; count=exact; resolution=merge-duplicates or ignore-duplicates; missing=default for what rows lack of ?columns=; handling=strict; max-affected=N"},
		{Name: "Range", In: "header", Description: "For reads: rows, as 0-9"},
		{Name: "If-Match", In: "header", Description: "For updates, PUT and deletes: the ETag of a read of the same URL with the same Accept; done only if it would still be answered with, else 412. Or *, if there is any row"},
		{Name: "If-None-Match", In: "header", Description: "For reads: the ETag of an answer that is still there. For PUT: *, to write a row only if it is not there"},
		{Name: "Accept-Profile", In: "header", Description: "For reads: a schema other than the default one; Content-Profile for writes"},
	}
	var routes []web.Route
	for _, path := range []string{"/api/v1/tables/{table}", "/rest/v1/{table}"} {
		route := func(method, summary string, scope principal.Scope, serve func(http.ResponseWriter, *http.Request, *web.Call) error) {
			r := web.Route{
				Method: method, Path: path, Tag: "Data", Summary: summary, Params: params, Scope: scope,
				Media: "application/json", Serve: serve, Hidden: path != "/api/v1/tables/{table}", Reports: true,
			}
			if method == http.MethodPost {
				r.MaxBody = s.MaxBody
			}
			routes = append(routes, r)
		}
		route(http.MethodGet, "Read rows", principal.ReadTables, s.read)
		route(http.MethodPost, "Insert rows", principal.WriteTables, s.insert)
		route(http.MethodPatch, "Update rows", principal.WriteTables, s.update)
		route(http.MethodPut, "Write the row of a primary key", principal.WriteTables, s.put)
		route(http.MethodDelete, "Delete rows", principal.WriteTables, s.delete)
		for method, serve := range map[string]func(http.ResponseWriter, *http.Request, *web.Call) error{http.MethodOptions: s.options, "": refuseMethod} {
			routes = append(routes, web.Route{Method: method, Path: path, Tag: "Data", Hidden: true, Serve: serve, Reports: true, Scope: principal.AnyScope})
		}
	}
	return append(routes, s.callRoutes()...)
}

func (s *API) read(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	p, err := s.prefer(r.Context(), r, c.Principal)
	if err != nil {
		return err
	}
	request, media, err := s.request(w, r, c, p, "Accept-Profile")
	if err != nil {
		return err
	}
	request.Count = p.count
	if request.Window, err = window(r); err != nil {
		return err
	}
	result, err := s.Read(r.Context(), request)
	if err != nil {
		return beyond(w, result, err)
	}
	p.applied(w.Header(), r.Method)
	if media.explain != "" {
		return write(w, http.StatusOK, media, result.Body)
	}
	h, status := w.Header(), http.StatusOK
	h["Content-Range"] = []string{contentRange(result)}
	if result.Total != nil && result.Count < *result.Total {
		status = http.StatusPartialContent
	}
	tag := s.tags.of(result, media)
	h.Set("ETag", tag)
	h.Add("Vary", "Accept, Accept-Profile, Prefer, Range, Authorization, apikey, X-API-Key")
	h.Set("Cache-Control", "private, no-cache")
	if status, err = apply(result.Outcome, h, status); err != nil {
		return err
	}
	if status < 300 && !bodiless(status) && named(r.Header.Values("If-None-Match"), tag) {
		status = http.StatusNotModified
	}
	if bodiless(status) {
		w.WriteHeader(status)
		return nil
	}
	return write(w, status, media, result.Body)
}

// request reads what all requests have in common: the table, the schema, the
// query, and the shape of the answer.
func (s *API) request(w http.ResponseWriter, r *http.Request, c *web.Call, p preferences, profile string) (dataapi.Request, media, error) {
	m, err := s.accept(r)
	if err != nil {
		return dataapi.Request{}, m, err
	}
	if schema := r.Header.Get(profile); slices.Contains(s.Schemas, schema) {
		w.Header().Set("Content-Profile", schema)
	}
	return dataapi.Request{
		Terms: s.terms(c, r, p, m, "/"+c.Path("table")), Schema: r.Header.Get(profile), Table: c.Path("table"), Query: r.URL.RawQuery,
		Answer: s.shape(m), Single: m.single,
	}, m, nil
}

func (s *API) insert(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	return s.change(w, r, c, s.Insert)
}

func (s *API) update(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	return s.change(w, r, c, s.Update)
}

func (s *API) put(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	return s.change(w, r, c, s.Put)
}

func (s *API) delete(w http.ResponseWriter, r *http.Request, c *web.Call) error {
	return s.change(w, r, c, s.Delete)
}

// change serves a write.
func (s *API) change(w http.ResponseWriter, r *http.Request, c *web.Call, do func(context.Context, dataapi.Request) (dataapi.Result, error)) error {
	p, err := s.prefer(r.Context(), r, c.Principal)
	if err != nil {
		return err
	}
	request, media, err := s.request(w, r, c, p, "Content-Profile")
	if err != nil {
		return err
	}
	if p.reads(r.Method) {
		if err := web.NeedScope(c.Principal, principal.ReadTables); err != nil {
			return err
		}
	}
	request.Answer.Returning = p.returning
	if request.Condition, err = s.condition(r, media); err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		request.Resolution, request.Default = p.resolution, p.missing
	}
	request.Single = media.single && p.returning == plan.Rows
	if r.Method == http.MethodPatch || r.Method == http.MethodDelete {
		request.MaxAffected = p.maxAffected
	}
	if r.Method != http.MethodDelete {
		if request.Body, err = rowsOf(r); err != nil {
			return err
		}
	}
	result, err := do(r.Context(), request)
	if err != nil {
		return err
	}
	if media.explain != "" {
		p.applied(w.Header(), r.Method)
		return write(w, http.StatusOK, media, result.Body)
	}
	p.counted(w.Header(), r.Method, result.Count)
	p.applied(w.Header(), r.Method)
	status := created(r.Method, result, p.returning)
	if r.Method == http.MethodPost {
		if location, ok := locate(r.URL.EscapedPath(), result); p.returning == plan.Keys && ok {
			w.Header().Set("Location", location)
		}
	}
	if status, err = apply(result.Outcome, w.Header(), status); err != nil {
		return err
	}
	if p.returning == plan.Rows && !bodiless(status) {
		return write(w, status, media, result.Body)
	}
	w.WriteHeader(status)
	return nil
}

// reads says whether a write answers with what was there before it: with rows, of
// which an update that changes nothing would read a whole table, or with the
// primary key of a row that was found by another key.
func (p *preferences) reads(method string) bool {
	return p.returning == plan.Rows || p.returning == plan.Keys && method == http.MethodPost && p.resolution == dataapi.Merge
}

// created is the status of a write: 201 where there is a row that was not there
// before.
func created(method string, result dataapi.Result, returning plan.Returning) int {
	switch {
	case method == http.MethodPost && (result.New == nil || *result.New > 0), method == http.MethodPut && *result.New > 0:
		return http.StatusCreated
	case method == http.MethodPost, returning == plan.Rows:
		return http.StatusOK
	default:
		return http.StatusNoContent
	}
}

func body(r *http.Request) ([]byte, error) {
	text, err := web.ReadJSON(r)
	if f := fault.From(err); f != nil && f.Kind == fault.Invalid {
		f = f.Because(err)
		f.SQL = &fault.SQL{State: "PGRST102", Message: f.Detail}
		return nil, f
	}
	return text, err
}

// write sends an answer in its media type. A single row has been counted: it is
// its array without the brackets.
func write(w http.ResponseWriter, status int, m media, body []byte) error {
	if m.single && m.explain == "" {
		body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]"))
	}
	h := w.Header()
	h.Set("Content-Type", m.name+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// locate returns where a single inserted row can be read.
func locate(path string, result dataapi.Result) (string, bool) {
	var rows []map[string]jsontext.Value
	table := result.Table
	if result.Count != 1 || len(table.PrimaryKey) == 0 || json.Unmarshal(result.Body, &rows) != nil || len(rows) != 1 {
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
	return path + "?" + strings.Join(conditions, "&"), true
}
