package rest

import (
	"net/http"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/dataapi"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// apply sets the header fields that the application's SQL has asked for, and
// returns the status: its own, or the usual one.
func apply(o dataapi.Outcome, h http.Header, usual int) (int, error) {
	if err := setHeaders(o, h); err != nil {
		return 0, err
	}
	if o.Status == "" {
		return usual, nil
	}
	status, err := strconv.Atoi(o.Status)
	if err != nil || status < 200 || status > 599 {
		return 0, dataapi.Fault(fault.Misbehaved, "PGRST112", "response.status must be a number from 200 to 599")
	}
	return status, nil
}

// bodiless says whether an answer of a status has no body.
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// setHeaders adds the fields of a JSON array of objects with one member each.
// What the server has set by itself gives way.
func setHeaders(o dataapi.Outcome, h http.Header) error {
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
			if !dataapi.AllowedField(name, value) {
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
	return dataapi.Fault(fault.Misbehaved, "PGRST111", message)
}
