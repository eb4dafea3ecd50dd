package web

import "net/http"

// origin tells browsers whether a page of another origin may read the answer, and
// says so. Credentials are bearer tokens and never cookies, so none are allowed
// to travel by themselves. The origin null is that of any sandboxed frame, and
// nobody's.
func (s *Server) origin(h http.Header, r *http.Request, same bool) (allowed bool) {
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if same || origin == "" || origin == "null" || len(r.Header["Origin"]) > 1 || s.AllowOrigin == nil || !s.AllowOrigin(origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Content-Profile, Content-Range, ETag, Location, Preference-Applied, RateLimit, RateLimit-Policy, "+
		"Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id")
	return true
}

// preflight answers what browsers ask before a request of another origin. It
// returns true when the request was that, or one for the methods of a path that
// has no route for that, and has been answered.
func preflight(w http.ResponseWriter, r *http.Request, route Route, allow string, allowed bool) bool {
	h := w.Header()
	if r.Method != http.MethodOptions || allow == "" {
		return false
	}
	if route.Method == http.MethodOptions && (r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "") {
		return false
	}
	h.Set("Allow", allow)
	if allowed && r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", allow)
		h.Set("Access-Control-Allow-Headers",
			"Authorization, apikey, X-API-Key, Content-Type, Prefer, Range, Range-Unit, If-Match, If-None-Match, Accept-Profile, Content-Profile, "+
				"X-Client-Info, X-Sub-Tenant-ID, X-Retry-Count")
		h.Set("Access-Control-Max-Age", "600")
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
