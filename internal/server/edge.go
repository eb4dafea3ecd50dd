package server

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config"
)

// headers are the fields on every answer: safe defaults under what the
// configuration says. An empty value removes a field.
func headers(c *config.Config) map[string]string {
	h := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "cross-origin",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Cache-Control":                "no-store",
	}
	if strings.HasPrefix(c.PublicURL, "https://") {
		h["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
	}
	for name, value := range c.Server.SecurityHeaders {
		if value == "" {
			delete(h, name)
		} else {
			h[name] = value
		}
	}
	return h
}

// origins says which pages may read answers. In development those of this
// machine may, on any port.
func origins(c *config.Config) func(string) bool {
	allowed := c.Server.CORS.AllowedOrigins
	return func(origin string) bool {
		if slices.Contains(allowed, origin) || slices.Contains(allowed, "*") {
			return true
		}
		return c.Environment == config.Development && loopback(origin)
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
