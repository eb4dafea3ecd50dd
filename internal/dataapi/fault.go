package dataapi

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// dataFault is a fault in the words of PostgREST.
func dataFault(kind fault.Kind, code, message string) *fault.Error {
	f := fault.New(kind, code, message)
	f.SQL = &fault.SQL{State: code, Message: message}
	return f
}

// detailed is dataFault with details, which hold no value that was sent.
func detailed(kind fault.Kind, code, message, details string) *fault.Error {
	f := dataFault(kind, code, message)
	f.SQL.Details = details
	return f
}

func planFault(err error) error {
	if unknown, ok := errors.AsType[*plan.UnknownColumnError](err); ok {
		return dataFault(fault.Invalid, "42703", unknown.Error())
	}
	return fmt.Errorf("planning a statement: %w", err)
}

// blame names the column that PostgreSQL's words are about where they do not.
// An operator that does not fit a column is a mistake in the request.
func blame(f *fault.Error, st *plan.Statement) {
	column := st.Blame(f.SQL.Position, f.SQL.Context)
	if column == "" {
		return
	}
	switch {
	case f.SQL.State == "42883":
		f.Kind = fault.Invalid
	case !strings.HasPrefix(f.SQL.State, "22") && f.SQL.State != "42804":
		return
	}
	f.Fields = []fault.Field{{Pointer: "?" + column, Detail: "This does not fit the column."}}
	if f.SQL.Details == "" {
		f.SQL.Details = "It is about the column " + column + "."
	}
}

// sqlFault adds PostgreSQL's report, which the caller's own role would see as
// well. A privilege that nobody has yet may come with signing in.
func sqlFault(err error, p *principal.Principal, st *plan.Statement) error {
	report := postgres.Report(err)
	if report != nil {
		if own := raised(report); own != nil {
			return own.Because(err)
		}
	}
	f := fault.From(err)
	if report == nil || f.Kind == fault.Internal || f.Kind == fault.Unavailable {
		return err
	}
	c := *f
	c.SQL, c.Detail = report, report.Message
	blame(&c, st)
	if c.Kind == fault.Conflict && !strings.HasPrefix(report.State, "23") && report.Hint == "" {
		c.RetryAfter, c.SQL.Hint = time.Second, "Nothing has been done, since another request came in between. Repeat this one."
	}
	if report.State == "42501" && p.Role == principal.Anonymous {
		c.Kind = fault.Unauthenticated
		if report.Hint == "" {
			c.SQL.Hint = "Nobody is signed in. Send an access token: Authorization: Bearer TOKEN"
		}
	}
	return &c
}
