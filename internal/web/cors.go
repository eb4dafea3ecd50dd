package web

import "net/http"

// cors answers for browsers of other origins. Credentials are bearer tokens
// and never cookies, so none are allowed to travel by themselves. It returns
// true when the request was a preflight, or one for the methods of a path that
// has no route for that, and has been answered.
func (s *Server) cors(w http.ResponseWriter, r *http.Request, route Route, allow string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := origin != "" && s.AllowOrigin != nil && s.AllowOrigin(origin)
	if allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Content-Profile, Content-Range, ETag, Location, Preference-Applied, Retry-After, X-Request-Id")
	}
	if r.Method != http.MethodOptions || allow == "" {
		return false
	}
	if route.Method == http.MethodOptions && (origin == "" || r.Header.Get("Access-Control-Request-Method") == "") {
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
