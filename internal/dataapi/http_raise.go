package dataapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// raised makes a fault of what the application's SQL has raised in the words of
// PostgREST: SQLSTATE PTxyz, which has the status xyz, or PGRST, whose message
// and detail are JSON. It returns nil for anything else.
func raised(report *fault.SQL) *fault.Error {
	if digits, ok := strings.CutPrefix(report.State, "PT"); ok {
		status, err := strconv.Atoi(digits)
		if err != nil || !raisable(status) {
			return Detailed(fault.Misbehaved, report.State, report.Message, "The last three characters of the SQLSTATE are no status of an error.")
		}
		f := Fault(kindOf(status), report.State, report.Message)
		f.SQL = report
		f.SQL.Status = status
		return f
	}
	if report.State != "PGRST" {
		return nil
	}
	var said struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Details string `json:"details"`
		Hint    string `json:"hint"`
	}
	var how struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
	}
	if json.Unmarshal([]byte(report.Message), &said) != nil || json.Unmarshal([]byte(report.Details), &how) != nil ||
		said.Code == "" || !raisable(how.Status) {
		return errRaise
	}
	f := Fault(kindOf(how.Status), said.Code, said.Message)
	f.SQL.Details, f.SQL.Hint, f.SQL.Status = said.Details, said.Hint, how.Status
	for name, value := range how.Headers {
		if !AllowedField(name, value) {
			return errRaise
		}
	}
	f.SQL.Header = how.Headers
	return f
}

var errRaise = Detailed(fault.Misbehaved, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
	`MESSAGE is an object of the texts code, message, details and hint; DETAIL one of a status from 300 to 599 and of headers, as {"status":402,"headers":{"X-Plan":"free"}}.`)

// raisable says whether a status is fit for an answer whose work was undone, and
// which has a body.
func raisable(status int) bool {
	return status >= 300 && status <= 599 && status != http.StatusNotModified
}

// kindOf is the kind of a status that SQL has chosen.
func kindOf(status int) fault.Kind {
	switch {
	case status == http.StatusUnauthorized:
		return fault.Unauthenticated
	case status >= http.StatusInternalServerError:
		return fault.Misbehaved
	default:
		return fault.Invalid
	}
}
