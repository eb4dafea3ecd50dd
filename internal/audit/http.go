package audit

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/web"
)

const (
	usualPage = 20
	maxPage   = 1000
)

// Routes returns the routes under /api/v1/admin/audit.
func (s *Service) Routes() []web.Route {
	param := func(name, description string) web.Param {
		return web.Param{Name: name, In: "query", Description: description}
	}
	route := func(path, summary string, params ...web.Param) web.Route {
		return web.Route{Method: http.MethodGet, Path: "/api/v1/admin/audit" + path, Tag: "Audit", Summary: summary, Access: web.Service, Params: params}
	}
	return []web.Route{
		web.Typed(route("", "What happened, newest first",
			param("action", "One of the actions, such as user.signed_in"),
			param("outcome", "success or failure"),
			param("actor", "The id of the user or key that did it"),
			param("target", "The id of what it was done to"),
			param("request_id", "The X-Request-Id of the answer"),
			param("since", "An instant (RFC 3339); records at or after it"),
			param("until", "An instant (RFC 3339); records before it"),
			param("order", "newest first if absent; oldest has only what is sealed, so that a reader who goes on from a cursor misses nothing"),
			param("limit", "1 to 1000; 20 if absent"),
			param("cursor", "next_cursor of the page before")), s.list),
		web.Typed(route("/verification", "Whether the records are as they were sealed, a part at a time",
			param("after", "The seal after which to begin: next of the part before; absent for the first part"),
			param("expect", "The digest of a seal that was kept elsewhere, in hexadecimal digits: it has to be there")), s.verify),
	}
}

func (s *Service) list(ctx context.Context, c *web.Call, _ web.None) (Page, error) {
	r := reader{query: c.Query()}
	f := Filter{
		Action: Action(r.one("action")), Outcome: r.one("outcome"), Actor: r.id("actor"), Target: r.id("target"),
		RequestID: r.one("request_id"), Since: r.instant("since"), Until: r.instant("until"),
	}
	order, cursor, limit := r.one("order"), r.one("cursor"), r.number("limit", usualPage, maxPage)
	if f.Action != "" && !f.Action.Declared() {
		r.fail("action", "There is no such action; docs/reference/audit.md has them all.")
	}
	if f.Outcome != "" && f.Outcome != "success" && f.Outcome != "failure" {
		r.fail("outcome", "It is success or failure.")
	}
	if order != "" && order != "newest" && order != "oldest" {
		r.fail("order", "It is newest or oldest.")
	}
	switch {
	case r.err != nil:
		return Page{}, r.err
	case order == "oldest":
		return s.Oldest(ctx, f, cursor, limit)
	default:
		return s.Newest(ctx, f, cursor, limit)
	}
}

func (s *Service) verify(ctx context.Context, c *web.Call, _ web.None) (Verification, error) {
	r := reader{query: c.Query()}
	after := r.number("after", 0, 1<<53)
	var digest []byte
	if text := r.one("expect"); text != "" {
		var err error
		if digest, err = hex.DecodeString(text); err != nil || len(digest) != 32 {
			r.fail("expect", "It is the digest of a seal: 64 hexadecimal digits.")
		}
	}
	if r.err != nil {
		return Verification{}, r.err
	}
	return s.Verify(ctx, int64(after), digest)
}

// reader reads query parameters and keeps the first fault. An empty parameter is
// a variable that is not set, and refused: it would select everything.
type reader struct {
	query url.Values
	err   error
}

func (r *reader) fail(name, detail string) {
	if r.err == nil {
		r.err = fault.Input("?"+name, "invalid_"+name, detail)
	}
}

// one returns a parameter, "" if it is absent.
func (r *reader) one(name string) string {
	values, ok := r.query[name]
	if ok && (len(values) > 1 || values[0] == "") {
		r.fail(name, "The parameter is there twice, or empty; leave it out.")
	}
	return r.query.Get(name)
}

func (r *reader) id(name string) *id.UUID {
	text := r.one(name)
	if text == "" {
		return nil
	}
	u, err := id.Parse(text)
	if err != nil {
		r.fail(name, "It is a UUID.")
	}
	return &u
}

func (r *reader) instant(name string) *time.Time {
	text := r.one(name)
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail(name, "It is an instant such as 2026-01-31T09:00:00Z (RFC 3339); write + as %2B.")
	}
	return &at
}

func (r *reader) number(name string, absent, most int) int {
	text := r.one(name)
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		r.fail(name, "It is a number from 1 to "+strconv.Itoa(most)+".")
	}
	return n
}
