package dataapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/net/http/httpguts"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// apply sets the header fields that the application's SQL has asked for, and
// returns the status: its own, or the usual one.
func (o Outcome) apply(h http.Header, usual int) (int, error) {
	if err := o.setHeaders(h); err != nil {
		return 0, err
	}
	if o.Status == "" {
		return usual, nil
	}
	status, err := strconv.Atoi(o.Status)
	if err != nil || status < 200 || status > 599 {
		return 0, dataFault(fault.Misbehaved, "PGRST112", "response.status must be a number from 200 to 599")
	}
	return status, nil
}

// bodiless says whether an answer of a status has no body.
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// setHeaders adds the fields of a JSON array of objects with one member each.
// What the server has set by itself gives way.
func (o Outcome) setHeaders(h http.Header) error {
	if o.Headers == "" {
		return nil
	}
	var fields []map[string]string
	if json.Unmarshal([]byte(o.Headers), &fields, jsontext.AllowDuplicateNames(false)) != nil {
		return headersFault("response.headers must be a JSON array of objects with one text each")
	}
	first := map[string]bool{"Vary": true}
	for _, field := range fields {
		if len(field) != 1 {
			return headersFault("response.headers must be a JSON array of objects with one text each")
		}
		for name, value := range field {
			if !allowedField(name, value) {
				return headersFault("response.headers has a field that a function cannot set")
			}
			if name = http.CanonicalHeaderKey(name); !first[name] {
				h.Del(name)
				first[name] = true
			}
			h.Add(name, value)
		}
	}
	return nil
}

func headersFault(message string) error {
	return dataFault(fault.Misbehaved, "PGRST111", message)
}

// allowedField says whether SQL may set a header field to a value.
func allowedField(name, value string) bool {
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
