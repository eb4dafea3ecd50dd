// Package fault says how an operation failed, in words that do not depend on
// HTTP, SQL or any feature.
//
// A function that fails for a reason its caller can act on returns an *Error
// (or wraps one); everything else is an Internal failure whose text is for the
// log only. The one table that turns a Kind into an HTTP status is in
// internal/web/problem.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a failure: what the caller may do about it.
type Kind int

// The kinds, from the caller's point of view.
const (
	Internal         Kind = iota // a defect or an unknown failure of ours; the detail never leaves the log
	Invalid                      // the request is malformed or breaks a rule; it will fail again unchanged
	Unauthenticated              // no credential where one is needed, or one that does not hold
	Forbidden                    // known caller, refused
	NotFound                     // no such thing, or none that the caller may know of
	Conflict                     // the state of the resource is against it
	MethodNotAllowed             // the resource exists and does not take this method
	NotAcceptable                // no representation that the caller accepts
	Ambiguous                    // the request could mean several things; the answer lists them
	Misbehaved                   // a defect of the application's own SQL, which its author is told of
	TooLarge                     // body, header or answer over its limit
	UnsupportedMedia             // a body in a media type the route does not read
	TooMany                      // a rate limit; see RetryAfter
	Unavailable                  // a part that we need is down or full; see RetryAfter
	Timeout                      // the work took longer than it may
	OutOfRange                   // a range of rows that there are not
	Precondition                 // the resource is not in the state that the request names
	TooSlow                      // the caller did not send what it announced in time
)

// Field is one fault in the input: Pointer is an RFC 6901 JSON pointer into
// the body ("/email"), or a query parameter name preceded by "?".
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is a failure with a kind. The zero value is an internal failure.
type Error struct {
	Kind       Kind
	Code       string        // stable, snake_case, documented: "invalid_credentials"
	Detail     string        // one sentence for the caller; never holds a value that was sent
	Fields     []Field       // what is wrong with the input, for Invalid
	RetryAfter time.Duration // for TooMany and Unavailable; 0 is "unknown"
	Reason     string        // why a session is over: "signed_out"; empty elsewhere
	SQL        *SQL          // what PostgreSQL said, for statements that the caller wrote
	Err        error         // the cause, for the log; may be nil
}

// SQL carries PostgreSQL's own report to the caller of the data API, who runs
// statements as a database role and is owed what that role would be told.
type SQL struct {
	State   string // SQLSTATE, five characters
	Message string
	Details string
	Hint    string
	Status  int               // the HTTP status that the application's own SQL asks for; 0 for that of the kind
	Header  map[string]string // fields that it wants sent along

	// Candidates are what an ambiguous request may mean; they take the place of
	// Details.
	Candidates []Candidate

	Position int    // in the statement, in characters from 1; 0 if not known; not for the caller
	Context  string // where it was found; not for the caller
}

// Candidate is one of several relations between two tables.
type Candidate struct {
	Cardinality  string `json:"cardinality"`  // one-to-many and so on
	Embedding    string `json:"embedding"`    // "films with directors"
	Relationship string `json:"relationship"` // the keys that make it
}

// New returns a failure of a kind with a code and a sentence for the caller.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Newf is New with a formatted detail. Do not format values that a caller
// sent into it; names that we know (a column, a route) are fine.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Input returns an Invalid failure about one place in the input.
func Input(pointer, code, detail string) *Error {
	return &Error{Kind: Invalid, Code: code, Detail: detail, Fields: []Field{{pointer, detail}}}
}

// Because returns a copy of e with a cause, which is logged and never sent.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// Error implements error: the code, the detail and the cause.
func (e *Error) Error() string {
	s := e.Code
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes two failures equal for errors.Is when their codes are.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code != "" && t.Code == e.Code
}

// From returns the failure in err's chain, or an Internal one that wraps err.
// From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal_error", Detail: "Something went wrong on our side.", Err: err}
}

// KindOf returns the kind of err's failure; Internal for errors of no kind.
func KindOf(err error) Kind {
	if e := From(err); e != nil {
		return e.Kind
	}
	return Internal
}
