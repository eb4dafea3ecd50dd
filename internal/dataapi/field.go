package dataapi

import (
	"strings"

	"golang.org/x/net/http/httpguts"
)

// AllowedField says whether SQL may set a header field to a value.
func AllowedField(name, value string) bool {
	return httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value) && !reservedField(name)
}

// reservedField says whether a field is the server's own: it frames or describes
// the answer, or keeps browsers from mistaking it.
func reservedField(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "trailer", "upgrade", "keep-alive", "te", "date",
		"x-content-type-options", "content-security-policy", "strict-transport-security", "x-frame-options", "referrer-policy", "x-request-id", "clear-site-data":
		return true
	}
	return strings.HasPrefix(name, "access-control-") || strings.HasPrefix(name, "cross-origin-") || strings.HasPrefix(name, "proxy-")
}
