package certificate

import (
	"net"
	"net/http"
)

// HTTPHandler answers the challenge http-01 of any instance, and gives everything
// else to next. Without it that challenge is not taken. It listens on port 80, as
// the world sees it; an authority of one's own may ask on another.
func (a *ACME) HTTPHandler(next http.Handler) http.Handler {
	answers := a.Manager.HTTPHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			r.Host = host // the list of domains has no ports
		}
		answers.ServeHTTP(w, r)
	})
}
