package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// ErrCredentialRequired is the fault of a request without a credential where
// one is needed.
var ErrCredentialRequired = fault.New(fault.Unauthenticated, "credential_required", "Sign in first: this needs an access token.")

// ErrNotForCaller is the fault of a caller of the wrong kind.
var ErrNotForCaller = fault.New(fault.Forbidden, "not_allowed", "This is not open to the credential that was sent.")

// Server is the path of a request around its handler.
type Server struct {
	// Authenticate returns the principal of a request, Nobody if it carries no
	// credential, and a fault if it carries a bad one.
	Authenticate func(*http.Request) (*principal.Principal, error)

	Logger         *slog.Logger
	Now            func() time.Time
	MaxBody        int64 // bytes
	Deadline       time.Duration
	MinRate        int64 // of a body of any length, in bytes a second, on average after Deadline; 0 is any
	TrustedProxies []netip.Prefix
	LocalClients   bool                     // loopback and private addresses are those of clients, and not of what forwards for them
	Headers        map[string][]string      // set on every answer
	AllowOrigin    func(origin string) bool // never asked about null
	Limits         Limits                   // nil is none

	// Tracer makes the spans of requests; nil is none. TrustTraceparent lets
	// whoever sends a request decide which trace it belongs to, and whether that
	// is recorded.
	Tracer           trace.Tracer
	TrustTraceparent bool

	requests atomic.Int64        // that have come
	answered atomic.Int64        // of them
	fields   map[string][]string // Headers as they are set; shared by all answers and never appended to
	observed *observed
}

// Handler serves the routes. Two routes of one method and path, a pattern that
// ServeMux refuses, or a subject that nobody asks for, are defects and panic.
func (s *Server) Handler(routes []Route) http.Handler {
	s.observed = s.newObserved()
	s.fields = make(map[string][]string, len(s.Headers))
	for name, values := range s.Headers {
		s.fields[http.CanonicalHeaderKey(name)] = slices.Clip(slices.Clone(values))
	}
	byPath := map[string]map[string]Route{}
	for _, r := range routes {
		if byPath[r.Path] == nil {
			byPath[r.Path] = map[string]Route{}
		}
		if _, twice := byPath[r.Path][r.Method]; twice {
			panic("two routes for " + r.Method + " " + r.Path)
		}
		if r.Subject != nil && !r.typed {
			panic("a subject, and no type of body, for " + r.Method + " " + r.Path)
		}
		byPath[r.Path][r.Method] = r
	}
	mux := http.NewServeMux()
	for pattern, methods := range byPath {
		mux.Handle(pattern, s.resource(methods))
	}
	if byPath["/"] == nil {
		mux.Handle("/", s.resource(nil))
	}
	nothing := s.resource(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI == "*" || r.URL.Path != clean(r.URL.Path) { // ServeMux would redirect or refuse, past everything that serve does
			nothing.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Requests counts the requests that have come.
func (s *Server) Requests() int64 { return s.requests.Load() }

// Active counts the requests that are being served.
func (s *Server) Active() int64 { return s.requests.Load() - s.answered.Load() }

// clean is the form of a path that routes are matched against.
func clean(p string) string {
	c := path.Clean(p)
	if c != "/" && strings.HasSuffix(p, "/") {
		c += "/"
	}
	return c
}

// resource answers for all methods of one path.
func (s *Server) resource(methods map[string]Route) http.Handler {
	if get, ok := methods[http.MethodGet]; ok {
		methods[http.MethodHead] = get
	}
	var same bool
	for _, route := range methods {
		same = same || route.SameOrigin
	}
	names := make([]string, 0, len(methods)+1)
	for name := range methods {
		if name != "" && name != http.MethodOptions {
			names = append(names, name)
		}
	}
	names = append(names, http.MethodOptions)
	sort.Strings(names)
	allow := strings.Join(names, ", ")
	if len(methods) == 0 {
		allow = "" // there is nothing here to ask about
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, ok := methods[r.Method]
		if !ok {
			route, ok = methods[""]
		}
		if !ok {
			route = Route{Path: cmp.Or(r.Pattern, "/"), Scope: principal.AnyScope, Serve: func(http.ResponseWriter, *http.Request, *Call) error {
				return missing(w, len(methods) == 0, allow)
			}}
		}
		route.SameOrigin = same
		s.serve(w, r, route, allow) //nolint:contextcheck // the span's is the request's
	})
}

func missing(w http.ResponseWriter, unknown bool, allow string) error {
	if unknown {
		return fault.New(fault.NotFound, "route_not_found", "There is nothing at this path.")
	}
	w.Header().Set("Allow", allow)
	return fault.New(fault.MethodNotAllowed, "method_not_allowed", "This path does not take that method; see the Allow field.")
}

// serve is the path of one request, from the first byte to the log line.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, route Route, allow string) {
	began := s.Now()
	s.requests.Add(1)
	defer s.answered.Add(1)
	r, span := s.begin(r, route)
	c := &Call{
		RequestID: id.New(began).String(), request: r,
		Address: clientAddress(r, s.TrustedProxies), UserAgent: cut(r.UserAgent(), 512),
		Principal: principal.Nobody(),
	}
	if !route.Unlimited {
		c.limits, c.group = s.Limits, route.Limits
	}
	c.Shared = sharedAddress(r, c.Address, s.TrustedProxies, s.LocalClients)
	h := w.Header()
	for name, values := range s.fields {
		h[name] = values
	}
	h["X-Request-Id"] = []string{c.RequestID}
	answer := &recorder{ResponseWriter: w}

	broken, origin := false, s.origin(h, r, route.SameOrigin)
	if err := c.arrive(r.Context(), h); err != nil {
		s.fail(r.Context(), answer, c, err, route.Reports)
	} else if !preflight(answer, r, route, allow, origin) {
		ctx, cancel := s.deadline(r.Context(), route)
		r = r.WithContext(ctx)
		c.request = r
		if err := s.protected(answer, r, route, c); err != nil {
			broken = route.Stream && answer.status != 0
			s.fail(ctx, answer, c, err, route.Reports)
		}
		cancel()
	}
	took := s.Now().Sub(began)
	s.measure(r, route, answer.status, took)
	s.log(r, route, c, answer, took)
	c.end(span, answer.status)
	if broken {
		panic(http.ErrAbortHandler) // the one way to let the client see that the answer is not whole
	}
}

func (s *Server) deadline(ctx context.Context, route Route) (context.Context, context.CancelFunc) {
	if route.Stream {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.Deadline)
}

// protected runs a handler behind authentication, and turns a panic into an
// error.
func (s *Server) protected(w http.ResponseWriter, r *http.Request, route Route, c *Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if route.Stream {
		w = s.moving(w, r)
	} else {
		r.Body = http.MaxBytesReader(w, r.Body, s.limit(route))
	}
	if err := s.takes(r, route); err != nil {
		return err
	}
	if err := s.identify(r, route, c); err != nil {
		if limit := c.spend(r.Context(), w.Header(), ""); limit != nil {
			return limit
		}
		return err
	}
	if route.Subject == nil {
		if err := c.spend(r.Context(), w.Header(), ""); err != nil {
			return err
		}
	}
	return route.Serve(w, r, c)
}

// limit is how many bytes the body of a request may have.
func (s *Server) limit(route Route) int64 { return cmp.Or(route.MaxBody, s.MaxBody) }

// takes refuses a body by what its fields say, before anybody asks who sends it:
// one that is announced as too large, and one that is compressed.
func (s *Server) takes(r *http.Request, route Route) error {
	if limit := s.limit(route); !route.Stream && r.ContentLength > limit {
		return tooLarge(limit)
	}
	for _, coding := range r.Header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return fault.New(fault.UnsupportedMedia, "unsupported_content_encoding", "Send the body as it is: no Content-Encoding is read here.")
		}
	}
	return nil
}

func tooLarge(limit int64) error {
	return fault.Newf(fault.TooLarge, "body_too_large", "The body is larger than %d bytes.", limit)
}

// identify finds out who is calling, and whether they may call the route.
func (s *Server) identify(r *http.Request, route Route, c *Call) error {
	p, err := s.Authenticate(r)
	if err != nil {
		return err
	}
	if p == nil {
		return errors.New("authenticating returned nobody and no error")
	}
	c.Principal = p
	return admit(route, p)
}

// admit is the one place that decides whether somebody may call a route.
func admit(route Route, p *principal.Principal) error {
	if p.ByAPIKey() {
		return admitKey(route, p)
	}
	switch access := route.Access; {
	case access == Public:
		return nil
	case access == SignedIn && p.SignedIn(), access == Service && p.Role == principal.Service:
		return nil
	case p.Role == principal.Anonymous:
		return ErrCredentialRequired
	default:
		return ErrNotForCaller
	}
}

func (s *Server) fail(ctx context.Context, w *recorder, c *Call, err error, reports bool) {
	f := fault.From(err)
	c.code = loggedCode(f.Code)
	if f.Kind == fault.Internal && !errors.Is(err, context.Canceled) {
		s.Logger.ErrorContext(ctx, "request failed", slog.String("request_id", c.RequestID), slog.Any("error", err))
	}
	if w.status == 0 {
		problem.Write(w, f, c.RequestID, reports)
	}
}

// loggedCode is a code as it is logged. Those of an application's SQL can be any
// text, and say what is somebody's.
func loggedCode(code string) string {
	ours := func(r rune) bool {
		return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if len(code) > maxCode || strings.ContainsFunc(code, func(r rune) bool { return !ours(r) }) {
		return "other"
	}
	return code
}

const maxCode = 64

func (s *Server) log(r *http.Request, route Route, c *Call, w *recorder, took time.Duration) {
	if !s.Logger.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("request_id", c.RequestID), slog.String("method", method(r.Method)),
		slog.String("route", route.Path), slog.Int("status", w.status), slog.Int("bytes", w.bytes),
		slog.Duration("duration", took), slog.String("remote_addr", c.Address.String()), slog.String("role", string(c.Principal.Role)))
	if p := c.Principal; !p.User.IsZero() {
		attrs = append(attrs, slog.String("user_id", p.User.String()), slog.String("session_id", p.Session.String()))
	}
	if p := c.Principal; !p.Key.IsZero() {
		attrs = append(attrs, slog.String("key_id", p.Key.String()))
	}
	if c.code != "" {
		attrs = append(attrs, slog.String("error_code", c.code))
	}
	s.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func cut(s string, n int) string {
	return strings.ToValidUTF8(s[:min(n, len(s))], "?")
}
