package server

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config"
)

// hsts is for https alone (RFC 6797, section 7.2).
const hsts = "Strict-Transport-Security"

// headers are the fields on every answer: safe defaults under what the
// configuration says. An empty value removes a field. A policy of the
// configuration stands beside ours, since browsers hold to all that they get: it
// can only add to what JSON may do, which is nothing. Pages replace both.
func headers(c *config.Config) map[string][]string {
	const policy = "Content-Security-Policy"
	https := strings.HasPrefix(c.PublicURL, "https://")
	h := map[string][]string{
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"}, // of which CORS knows nothing: pages of allowed origins read all the same
		"Permissions-Policy":           {"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
		policy:                         {"default-src 'none'; frame-ancestors 'none'"},
		"Cache-Control":                {"no-store"},
	}
	if https {
		h[hsts] = []string{"max-age=31536000; includeSubDomains"}
	}
	for name, value := range c.Server.SecurityHeaders {
		switch {
		case value == "":
			delete(h, name)
		case name == policy:
			h[name] = append([]string{value}, h[name]...)
		case name != hsts || https:
			h[name] = []string{value}
		}
	}
	return h
}

// origins says which pages may read answers: those of the origins that are
// listed, compared as they are. In development those of this machine may, on any
// port.
func origins(c *config.Config) func(string) bool {
	allowed := c.Server.CORS.AllowedOrigins
	development := c.Environment == config.Development
	return func(origin string) bool {
		return slices.Contains(allowed, origin) || development && (slices.Contains(allowed, "*") || loopback(origin))
	}
}

// originOf is the origin of the pages under a URL, as browsers write it.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

func loopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, n := range names {
		s[n] = true
	}
	return s
}
