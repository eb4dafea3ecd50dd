package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var errTaken = New(Conflict, "taken", "It is taken.")

func TestFromFindsTheFault(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"itself":     errTaken,
		"wrapped":    fmt.Errorf("signing up: %w", errTaken),
		"twice":      fmt.Errorf("a: %w", fmt.Errorf("b: %w", errTaken)),
		"joined":     errors.Join(io.EOF, errTaken),
		"with cause": fmt.Errorf("signing up: %w", errTaken.Because(io.EOF)),
	} {
		f := From(err)
		if f.Kind != Conflict || f.Code != "taken" || f.Detail != "It is taken." {
			t.Errorf("%s: From = %+v", name, f)
		}
		if KindOf(err) != Conflict {
			t.Errorf("%s: KindOf = %v", name, KindOf(err))
		}
	}
}

// The outermost fault is the one that was meant for the caller.
func TestFromTakesTheOutermost(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("x: %w", New(Forbidden, "no", "").Because(errTaken))
	if f := From(err); f.Kind != Forbidden || f.Code != "no" {
		t.Errorf("From = %+v", f)
	}
}

func TestOtherErrorsAreInternal(t *testing.T) {
	t.Parallel()
	cause := errors.New("pq: password authentication failed for hunter2")
	f := From(fmt.Errorf("opening: %w", cause))
	if f.Kind != Internal || f.Code != "internal_error" || KindOf(cause) != Internal {
		t.Errorf("From = %+v", f)
	}
	if !errors.Is(f, cause) {
		t.Error("the cause is lost to the log")
	}
	if cmp.Diff(f.Detail, "Something went wrong on our side.") != "" {
		t.Errorf("the caller is told %q", f.Detail)
	}
	if got := From(nil); got != nil {
		t.Errorf("From(nil) = %+v", got)
	}
	if KindOf(nil) != Internal || (&Error{}).Kind != Internal {
		t.Error("what has no kind is not internal")
	}
}

func TestIsComparesCodes(t *testing.T) {
	t.Parallel()
	same, other, blank := New(Invalid, "taken", "In other words."), New(Conflict, "gone", "It is taken."), &Error{}
	for _, c := range []struct {
		name   string
		err    error
		target error
		want   bool
	}{
		{"itself", errTaken, errTaken, true},
		{"same code", errTaken, same, true},
		{"wrapped", fmt.Errorf("x: %w", same), errTaken, true},
		{"copy with a cause", errTaken.Because(io.EOF), errTaken, true},
		{"its cause", errTaken.Because(io.EOF), io.EOF, true},
		{"a fault that is the cause", other.Because(errTaken), errTaken, true},
		{"other code", errTaken, other, false},
		{"no code on both sides", &Error{Detail: "a"}, blank, false},
		{"no code in the target", errTaken, blank, false},
		{"no fault", errTaken, io.EOF, false},
		{"not a fault at all", io.EOF, errTaken, false},
	} {
		if got := errors.Is(c.err, c.target); got != c.want {
			t.Errorf("%s: errors.Is = %v", c.name, got)
		}
	}
}

// Faults are package variables: a cause of one request must not stay on them.
func TestBecauseCopies(t *testing.T) {
	t.Parallel()
	original := &Error{
		Kind: TooMany, Code: "slow_down", Detail: "Later.", Fields: []Field{{"/a", "b"}},
		RetryAfter: time.Second, Reason: "r", SQL: &SQL{State: "42501"},
	}
	before := *original
	c := original.Because(io.ErrUnexpectedEOF)
	if diff := cmp.Diff(&before, original, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("Because changed the original:\n%s", diff)
	}
	want := before
	want.Err = io.ErrUnexpectedEOF
	if diff := cmp.Diff(&want, c, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("the copy differs:\n%s", diff)
	}
	if !errors.Is(c.Unwrap(), io.ErrUnexpectedEOF) {
		t.Errorf("Unwrap = %v", c.Unwrap())
	}
}

func TestMakers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got  *Error
		want Error
		text string
	}{
		{New(NotFound, "gone", "It is gone."), Error{Kind: NotFound, Code: "gone", Detail: "It is gone."}, "gone: It is gone."},
		{Newf(TooLarge, "big", "Over %d.", 3), Error{Kind: TooLarge, Code: "big", Detail: "Over 3."}, "big: Over 3."},
		{
			Input("/email", "bad", "No address."),
			Error{Kind: Invalid, Code: "bad", Detail: "No address.", Fields: []Field{{"/email", "No address."}}},
			"bad: No address.",
		},
		{(&Error{Code: "x"}).Because(io.EOF), Error{Code: "x", Err: io.EOF}, "x: EOF"},
		{New(Invalid, "a", "b").Because(io.EOF), Error{Kind: Invalid, Code: "a", Detail: "b", Err: io.EOF}, "a: b: EOF"},
	} {
		if diff := cmp.Diff(&c.want, c.got, cmpopts.EquateErrors()); diff != "" {
			t.Error(diff)
		}
		if c.got.Error() != c.text {
			t.Errorf("Error() = %q, want %q", c.got.Error(), c.text)
		}
	}
}
