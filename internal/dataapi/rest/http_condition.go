package rest

import (
	"net/http"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// named says whether a list of tags has one, by weak comparison (RFC 9110,
// section 8.8.3.2), or stands for any.
func named(fields []string, tag string) bool {
	return listed(fields, "*") || listed(fields, tag) || listed(fields, "W/"+tag)
}

// listed says whether a list has an element.
func listed(fields []string, element string) bool {
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			if strings.TrimSpace(part) == element {
				return true
			}
		}
	}
	return false
}

// condition is what If-Match and If-None-Match want of the rows that a write is
// about (RFC 9110, section 13.1): nil if they are not there. A tag is that of a
// read of the same URL in the same media type, without a count; the first is
// compared strongly, the second weakly.
func (s *API) condition(r *http.Request, m media) (func(dataapi.Result) error, error) {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	switch {
	case match == nil && none == nil:
		return nil, nil //nolint:nilnil // no condition is no error
	case r.Method == http.MethodPost:
		return nil, dataapi.Fault(fault.Invalid, "invalid_precondition", "If-Match and If-None-Match are for PATCH, PUT and DELETE: an insert is of rows that are not there yet")
	}
	return func(seen dataapi.Result) error {
		whole := seen.Total == nil || *seen.Total == seen.Count // a tag is not about rows beyond the answer
		seen.Total = nil
		tag, there := s.tags.of(seen, m), seen.Count > 0
		matches := listed(match, "*") && there || listed(match, tag) && whole
		if match != nil && !matches || listed(none, "*") && there || listed(none, tag) || listed(none, "W/"+tag) {
			return dataapi.ErrChanged
		}
		return nil
	}, nil
}
