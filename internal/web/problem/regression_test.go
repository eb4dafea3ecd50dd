package problem

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// A caller can put bytes that are no UTF-8 into a parameter's name, which
// faults repeat. The document must survive it.
func TestInvalidUTF8DoesNotEmptyTheDocument(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fault.Error{
		"in a pointer": {Kind: fault.Invalid, Code: "c", Fields: []fault.Field{{Pointer: "?\xff", Detail: "d"}}},
		"in a message": {Kind: fault.Invalid, Code: "c", SQL: &fault.SQL{State: "42703", Message: "column t.\xff does not exist"}},
	} {
		if doc := members(t, written(f)); doc["status"] != 400.0 || doc["request_id"] != "r1" {
			t.Errorf("%s: %v", name, doc)
		}
	}
}

// RFC 6750, section 3: a request without a token gets no error code; a client
// that reads invalid_token throws a good session away. data-api.md, section
// 2.2: the refusal of an anonymous statement is a bare challenge.
func TestNoTokenNoError(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fault.Error{
		"anonymous statement": {Kind: fault.Unauthenticated, Code: "insufficient_privilege", SQL: &fault.SQL{State: "42501"}},
		"wrong password":      {Kind: fault.Unauthenticated, Code: "invalid_credentials"},
	} {
		if got := written(f).Header().Get("WWW-Authenticate"); got != `Bearer realm="fluxbase"` {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// An internal failure carries nothing out, whatever is on it.
func TestInternalFailureHasNoFieldsOrReason(t *testing.T) {
	t.Parallel()
	doc := members(t, written(&fault.Error{Reason: "hunter2", Fields: []fault.Field{{Pointer: "/hunter2", Detail: "hunter2"}}}))
	if doc["reason"] != nil || doc["errors"] != nil {
		t.Errorf("%v", doc)
	}
}
