// Package web is the HTTP layer without any feature: routes that are data,
// handlers that are typed, strict JSON, and the path that every request takes
// before and after its handler.
//
// A handler learns who is calling from its Call, which the path fills in, and
// from nothing else. Errors are returned; one place writes them.
package web

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Access is who may call a route. A bad credential is refused on all of them.
type Access int

// The accesses.
const (
	Public   Access = iota // anybody, with or without a credential
	SignedIn               // a user, by session
	Service                // a service key
)

// String returns the access in words.
func (a Access) String() string {
	return [...]string{"public", "signed in", "service key"}[a]
}

// Param is a path or query parameter, for the API description.
type Param struct {
	Name        string
	In          string // "path", "query" or "header"
	Description string
}

// Route is one method of one path. Fields without a meaning for the server
// feed the API description.
type Route struct {
	Method  string // "" is every one that the path has no other route for
	Path    string // a ServeMux pattern without method
	Access  Access
	Tag     string
	Summary string
	Params  []Param
	Status  int          // of success; 0 is 200, or 204 without an answer
	Body    reflect.Type // of the JSON body; nil for none
	Answer  reflect.Type // of the JSON answer; nil for none
	Media   string       // media type of the answer where it is not JSON
	Hidden  bool         // not part of the API: a page or the description itself

	// Scope is what an API key of a user has to be good for to call the route. Where
	// there is none, API keys are refused: what wants the person, and what nobody
	// has thought about.
	Scope principal.Scope

	// Reports gives every error a message, as those of PostgreSQL have one.
	Reports bool

	// OptionalBody lets a request without a body stand for one of {}.
	OptionalBody bool

	// NUL are pointers to texts of the body that may hold U+0000, because they
	// are not kept as text.
	NUL []string

	// MaxBody is how many bytes a body may have where that is not the server's
	// limit; 0 is the server's.
	MaxBody int64

	// Stream lets body and answer be of any length; what is limited is the time
	// in which nothing of them moves. See Upload and Download.
	Stream bool

	// SameOrigin keeps pages of other origins from reading the answers of the
	// route's path, whichever may read the others: for pages that people are sent
	// to, where an answer is for the eyes of who looks at it.
	SameOrigin bool

	// Limits names the limits that requests count against besides those of their
	// caller; empty is none. Unlimited is for what is asked by those who watch over
	// the server, and counts against nothing.
	Limits    LimitGroup
	Unlimited bool

	// Subject says what a request is about that is counted too: an account, a
	// mailbox. A route made by Typed asks it of the body; see About. nil or an
	// empty answer is nothing.
	Subject func(body any) string

	Serve func(w http.ResponseWriter, r *http.Request, c *Call) error

	typed bool // made by Typed
}

// Call is what a handler knows of its request besides the body.
type Call struct {
	Principal *principal.Principal
	Address   netip.Addr // of the client, as far as trusted proxies tell
	Shared    bool       // the address is that of a proxy or a gateway, behind which there may be anybody
	UserAgent string     // cut to 512 bytes
	RequestID string
	Status    int // of the answer, if a handler wants another than the route's

	request *http.Request
	limits  Limits // nil once they have been asked
	group   LimitGroup
	code    string // of the fault answered with, for the log
}

// Path returns a path parameter.
func (c *Call) Path(name string) string { return c.request.PathValue(name) }

// Query returns the query parameters.
func (c *Call) Query() url.Values { return c.request.URL.Query() }

// Language returns the field Accept-Language, cut to 256 bytes.
func (c *Call) Language() string { return cut(c.request.Header.Get("Accept-Language"), 256) }

// None stands for no body or no answer.
type None struct{}

// checkQuery refuses, on the routes of operators, a query that is malformed or
// has a parameter that the route does not: a slip in its name would otherwise
// do the deed without it.
func (r *Route) checkQuery(req *http.Request) error {
	if r.Access != Service || req.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Invalid, "invalid_query", "The query is malformed.")
	}
	for name := range query {
		if !slices.ContainsFunc(r.Params, func(p Param) bool { return p.In == "query" && p.Name == name }) {
			return fault.New(fault.Invalid, "unknown_parameter", "The query has a parameter that there is not here; see the description of the API.")
		}
	}
	return nil
}

// checkTexts refuses, in parameters, what PostgreSQL cannot keep as text.
func (r *Route) checkTexts(req *http.Request) error {
	for _, p := range r.Params {
		switch {
		case p.In == "path" && !isText(req.PathValue(p.Name)):
			return fault.New(fault.Invalid, "invalid_value", "The path is not UTF-8, or has the character U+0000.")
		case p.In == "query" && !isText(req.URL.Query()[p.Name]...):
			return fault.Input("?"+p.Name, "invalid_"+p.Name, "The parameter is not UTF-8, or has the character U+0000.")
		}
	}
	return nil
}

func isText(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(t string) bool { return !utf8.ValidString(t) || strings.Contains(t, "\x00") })
}

// read checks the parameters of a request and decodes its body into a pointer.
func (r *Route) read(req *http.Request, into any) error {
	if err := r.checkQuery(req); err != nil {
		return err
	}
	if err := r.checkTexts(req); err != nil {
		return err
	}
	if r.Body == nil || req.ContentLength == 0 && r.OptionalBody {
		return nil
	}
	return Decode(req, into, r.NUL...)
}

// Typed completes a route with a handler whose body and answer are JSON of
// the types In and Out. Either may be None.
func Typed[In, Out any](r Route, f func(ctx context.Context, c *Call, in In) (Out, error)) Route {
	if t := reflect.TypeFor[In](); t != reflect.TypeFor[None]() {
		r.Body = t
	}
	if t := reflect.TypeFor[Out](); t != reflect.TypeFor[None]() {
		r.Answer = t
	}
	if r.Status == 0 {
		r.Status = http.StatusOK
		if r.Answer == nil {
			r.Status = http.StatusNoContent
		}
	}
	r.typed = true
	r.Serve = func(w http.ResponseWriter, req *http.Request, c *Call) error {
		var in In
		err := r.read(req, &in)
		if r.Subject != nil {
			if err := c.spend(req.Context(), w.Header(), r.Subject(in)); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		out, err := f(req.Context(), c, in)
		if err != nil {
			return err
		}
		if r.Answer == nil {
			w.WriteHeader(r.Status)
			return nil
		}
		return Encode(w, cmp.Or(c.Status, r.Status), out)
	}
	return r
}
