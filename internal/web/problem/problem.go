// Package problem turns a fault into an HTTP answer: the one table of kinds
// and statuses, and the problem document of RFC 9457.
package problem

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// Document is the body of every error, as application/problem+json.
type Document struct {
	Type      string        `json:"type"`   // where the page of errors has the code; about:blank for what an application has made up
	Title     string        `json:"title"`  // the words of the status
	Status    int           `json:"status"` // HTTP status
	Detail    string        `json:"detail"` // one sentence for people
	Code      string        `json:"code"`   // stable name of the problem; for data routes the SQLSTATE or PGRST code
	RequestID string        `json:"request_id"`
	Reason    string        `json:"reason,omitempty"` // why a session is over
	Errors    []fault.Field `json:"errors,omitempty"` // what is wrong where in the input
	Message   *string       `json:"message,omitempty"`
	Details   any           `json:"details,omitempty"` // a sentence, or the candidates that an ambiguous request may mean
	Hint      *string       `json:"hint,omitempty"`
}

var statuses = map[fault.Kind]int{
	fault.Internal:         http.StatusInternalServerError,
	fault.Invalid:          http.StatusBadRequest,
	fault.Unauthenticated:  http.StatusUnauthorized,
	fault.Forbidden:        http.StatusForbidden,
	fault.NotFound:         http.StatusNotFound,
	fault.Conflict:         http.StatusConflict,
	fault.MethodNotAllowed: http.StatusMethodNotAllowed,
	fault.NotAcceptable:    http.StatusNotAcceptable,
	fault.Ambiguous:        http.StatusMultipleChoices,
	fault.Misbehaved:       http.StatusInternalServerError,
	fault.TooLarge:         http.StatusRequestEntityTooLarge,
	fault.UnsupportedMedia: http.StatusUnsupportedMediaType,
	fault.TooMany:          http.StatusTooManyRequests,
	fault.Unavailable:      http.StatusServiceUnavailable,
	fault.Timeout:          http.StatusGatewayTimeout,
	fault.OutOfRange:       http.StatusRequestedRangeNotSatisfiable,
	fault.Precondition:     http.StatusPreconditionFailed,
	fault.TooSlow:          http.StatusRequestTimeout,
}

// Status returns the HTTP status of a kind.
func Status(kind fault.Kind) int {
	if s, ok := statuses[kind]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// Write sends f as the answer to a request. A failure that may pass says when
// to try again.
func Write(w http.ResponseWriter, f *fault.Error, requestID string, reports bool) {
	doc := Document{
		Status: Status(f.Kind), Detail: f.Detail, Code: f.Code,
		RequestID: requestID, Reason: f.Reason, Errors: f.Fields,
	}
	if f.SQL != nil && f.SQL.Status != 0 {
		doc.Status = f.SQL.Status
	}
	doc.Title = http.StatusText(doc.Status)
	if f.Kind == fault.Internal {
		doc.Code, doc.Detail, doc.Reason, doc.Errors = "internal_error", "Something went wrong on our side.", "", nil
	} else if f.SQL != nil {
		doc.Code, doc.Message, doc.Hint = f.SQL.State, &f.SQL.Message, notEmpty(f.SQL.Hint)
		if f.SQL.Candidates != nil {
			doc.Details = f.SQL.Candidates
		} else if f.SQL.Details != "" {
			doc.Details = f.SQL.Details
		}
	}
	doc.Type = typeOf(doc.Code)
	if reports && doc.Message == nil {
		doc.Message = &doc.Detail
	}
	body, err := json.Marshal(doc, jsontext.AllowInvalidUTF8(true)) // names of parameters are whatever was sent
	if err != nil {
		body = []byte(`{}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	switch {
	case f.Kind == fault.Unauthenticated:
		h.Set("WWW-Authenticate", challenge(f))
	case f.Kind == fault.TooMany, f.Kind == fault.Unavailable, f.Kind == fault.Conflict && f.RetryAfter > 0:
		h.Set("Retry-After", seconds(f.RetryAfter))
	}
	if f.SQL != nil {
		own(h, f.SQL, doc.Code)
	}
	w.WriteHeader(doc.Status)
	_, _ = w.Write(body)
}

// refusals are the codes of credentials that were sent and do not hold.
var refusals = map[string]bool{
	"invalid_token": true, "token_expired": true, "session_ended": true, "invalid_key": true, "ambiguous_credentials": true,
}

// challenge follows RFC 6750, section 3: an error code says that a token was
// sent and is of no use, and a client that reads it throws the token away.
func challenge(f *fault.Error) string {
	if !refusals[f.Code] {
		return `Bearer realm="fluxbase"`
	}
	return `Bearer realm="fluxbase", error="invalid_token", error_description="` + f.Code + `"`
}

// own sets the fields of a failure of the data API: its code, where PostgREST has
// it, and what the application wants sent along.
func own(h http.Header, report *fault.SQL, code string) {
	if isToken(code) {
		h.Set("Proxy-Status", "Fluxbase; error="+code)
	}
	for name, value := range report.Header {
		h.Set(name, value)
	}
}

// isToken says whether a code is letters, digits and underscores: applications
// make up their own.
func isToken(code string) bool {
	return code != "" && !strings.ContainsFunc(code, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
