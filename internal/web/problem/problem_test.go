package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
)

func written(f *fault.Error) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Write(w, f, "r1", false)
	return w
}

// members returns the document as a client sees it.
func members(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	return doc
}

func TestEveryKindHasItsStatus(t *testing.T) {
	t.Parallel()
	for kind, want := range map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.Conflict: 409, fault.MethodNotAllowed: 405, fault.NotAcceptable: 406, fault.Ambiguous: 300, fault.Misbehaved: 500, fault.TooLarge: 413, fault.UnsupportedMedia: 415,
		fault.TooMany: 429, fault.Unavailable: 503, fault.Timeout: 504,
		fault.OutOfRange: 416, fault.Precondition: 412, fault.TooSlow: 408,
		fault.TooSlow + 1: 500, -1: 500, // a kind without a status is a defect of ours
	} {
		if got := Status(kind); got != want {
			t.Errorf("kind %d: status %d, want %d", kind, got, want)
		}
		w := written(fault.New(kind, "some_code", "Some detail."))
		doc := members(t, w)
		if w.Code != want || doc["status"] != float64(want) || doc["title"] != http.StatusText(want) {
			t.Errorf("kind %d: %d %s", kind, w.Code, w.Body)
		}
	}
	if len(statuses) != int(fault.TooSlow)+1 {
		t.Errorf("%d kinds have a status, of %d", len(statuses), fault.TooSlow+1)
	}
}

// RFC 9457, section 3.
func TestDocument(t *testing.T) {
	t.Parallel()
	w := written(fault.Input("/email", "bad_email", "That is no <address>.").Because(errors.New("hunter2")))
	want := map[string]any{
		"type": "about:blank", "title": "Bad Request", "status": 400.0, "detail": "That is no <address>.", "code": "bad_email",
		"request_id": "r1", "errors": []any{map[string]any{"pointer": "/email", "detail": "That is no <address>."}},
	}
	if diff := cmp.Diff(want, members(t, w)); diff != "" {
		t.Error(diff)
	}
	wantHeader := http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "Content-Length": {strconv.Itoa(w.Body.Len())},
	}
	if diff := cmp.Diff(wantHeader, w.Header()); diff != "" {
		t.Error(diff)
	}
}

func TestSessionThatIsOverSaysWhy(t *testing.T) {
	t.Parallel()
	w := written(&fault.Error{Kind: fault.Unauthenticated, Code: "session_ended", Reason: "reuse_detected"})
	if got := members(t, w)["reason"]; got != "reuse_detected" {
		t.Errorf("reason %v", got)
	}
	if w := written(fault.New(fault.Forbidden, "no", "")); strings.Contains(w.Body.String(), "reason") {
		t.Errorf("an empty reason: %s", w.Body)
	}
}

// Whatever an internal failure carries stays in the log.
func TestInternalFailureTellsNothing(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fault.Error{
		"a fault":    {Code: "hunter2", Detail: "hunter2", Err: errors.New("hunter2"), RetryAfter: time.Hour},
		"a report":   {Code: "database_error", SQL: &fault.SQL{State: "XX000", Message: "hunter2", Details: "hunter2", Hint: "hunter2"}},
		"any error":  fault.From(errors.New("hunter2")),
		"zero value": {},
	} {
		w := written(f)
		want := map[string]any{
			"type": "/docs/errors#internal_error", "title": "Internal Server Error", "status": 500.0, "code": "internal_error",
			"detail": "Something went wrong on our side.", "request_id": "r1",
		}
		if diff := cmp.Diff(want, members(t, w)); diff != "" || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The cause of any fault is for the log.
func TestCauseIsNotSent(t *testing.T) {
	t.Parallel()
	for kind := range statuses {
		if w := written(fault.New(kind, "c", "d").Because(errors.New("hunter2"))); strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("kind %d: %s", kind, w.Body)
		}
	}
}

// Clients of PostgREST read code, message, details and hint.
func TestReportOfPostgreSQL(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Conflict, "unique_violation", "The database refused the statement.")
	f.SQL = &fault.SQL{State: "23505", Message: "duplicate key", Details: "Key (a) exists."}
	doc := members(t, written(f))
	for name, want := range map[string]any{"code": "23505", "message": "duplicate key", "details": "Key (a) exists.", "status": 409.0} {
		if doc[name] != want {
			t.Errorf("%s: %v, want %v", name, doc[name], want)
		}
	}
	if _, has := doc["hint"]; has {
		t.Errorf("an empty hint: %v", doc)
	}
	f.SQL = &fault.SQL{State: "42501", Message: "denied", Hint: "Ask."}
	if doc := members(t, written(f)); doc["message"] != "denied" || doc["hint"] != "Ask." || doc["details"] != nil {
		t.Errorf("%v", doc)
	}
	if doc := members(t, written(fault.New(fault.Conflict, "taken", ""))); doc["message"] != nil {
		t.Errorf("a message without a report: %v", doc)
	}
}

// RFC 6750, section 3: an error code only where a token was sent.
func TestChallenge(t *testing.T) {
	t.Parallel()
	for kind := range statuses {
		for code, want := range map[string]string{
			"credential_required": `Bearer realm="fluxbase"`,
			"token_expired":       `Bearer realm="fluxbase", error="invalid_token", error_description="token_expired"`,
		} {
			if kind != fault.Unauthenticated {
				want = ""
			}
			if got := written(fault.New(kind, code, "")).Header().Get("WWW-Authenticate"); got != want {
				t.Errorf("kind %d, %s: %q, want %q", kind, code, got, want)
			}
		}
	}
}

// RFC 9110, section 10.2.3: whole seconds, and never "at once".
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		0: "1", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 1500 * time.Millisecond: "2", time.Hour: "3600", -time.Hour: "1",
	} {
		for kind := range statuses {
			f := fault.New(kind, "x", "")
			f.RetryAfter = wait
			expected := ""
			if kind == fault.TooMany || kind == fault.Unavailable || kind == fault.Conflict && wait > 0 { // not every conflict passes
				expected = want
			}
			if got := written(f).Header().Get("Retry-After"); got != expected {
				t.Errorf("kind %d, %v: %q, want %q", kind, wait, got, expected)
			}
		}
	}
}

// What a handler has set before it failed does not describe the problem.
func TestProblemReplacesFieldsOfTheAnswer(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", "7")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	Write(w, fault.New(fault.NotFound, "gone", ""), "r1", true)
	if h := w.Header(); h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" ||
		h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Errorf("%v", h)
	}
}

// An application's SQL chooses status and fields of its errors. A code of its
// own making goes into no field unless it is fit for one.
func TestChosenByTheApplication(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Invalid, "x", "")
	f.SQL = &fault.SQL{State: "PT402", Status: 402, Header: map[string]string{"X-Plan": "free", "Cache-Control": "private"}}
	w := written(f)
	if w.Code != 402 || w.Header().Get("X-Plan") != "free" || w.Header().Get("Cache-Control") != "private" || w.Header().Get("Proxy-Status") != "Fluxbase; error=PT402" ||
		!strings.Contains(w.Body.String(), `"title":"Payment Required","status":402`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for code, want := range map[string]string{"22P02": "Fluxbase; error=22P02", "a b": "", "a;b": "", "a\r\nb": "", "ä": "", "": ""} {
		f.SQL = &fault.SQL{State: code}
		if got := written(f).Header().Get("Proxy-Status"); got != want {
			t.Errorf("%q: %q", code, got)
		}
	}
	f.Kind = fault.Internal
	if got := written(f).Header().Get("Proxy-Status"); got != "Fluxbase; error=internal_error" {
		t.Errorf("a failure of ours: %q", got)
	}
}

// TestReports gives errors of the data API a message, and says no more by it.
func TestReports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   *fault.Error
		reports bool
		want    string
	}{
		"of the data API": {fault.New(fault.Unauthenticated, "invalid_token", "It does not hold."), true, `"message":"It does not hold."`},
		"of PostgreSQL":   {&fault.Error{Kind: fault.Invalid, Detail: "ours", SQL: &fault.SQL{State: "22P02", Message: "theirs"}}, true, `"message":"theirs"`},
		"internal":        {&fault.Error{Detail: "hunter2", SQL: &fault.SQL{Message: "hunter2"}}, true, `"message":"Something went wrong on our side."`},
		"elsewhere":       {fault.New(fault.NotFound, "gone", "It is gone."), false, ""},
	} {
		w := httptest.NewRecorder()
		Write(w, c.fault, "r1", c.reports)
		if body := w.Body.String(); !strings.Contains(body, c.want) || strings.Contains(body, "hunter2") || (c.want == "") == strings.Contains(body, "message") {
			t.Errorf("%s: %s", name, body)
		}
	}
}
