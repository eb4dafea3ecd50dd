package dataapi

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// run runs a statement. What a write did is undone if it is not what the
// request allows.
func (s *Service) run(ctx context.Context, r Request, st plan.Statement, readOnly bool) (Result, error) {
	result := Result{Count: -1}
	err := s.DB.As(ctx, r.Principal, postgres.Statement{
		SQL: st.SQL, Args: st.Args, ReadOnly: readOnly, Before: r.before, Isolation: r.Isolation,
		Held: !readOnly && (r.Single || r.MaxAffected != nil), Rollback: !readOnly && r.Rollback,
	}, scanner(st, &result, func() error { return check(r, result) }))
	if report := postgres.Report(err); report != nil && report.State == "40001" && r.Condition != nil {
		return Result{}, errChanged.Because(err)
	}
	if err != nil {
		return Result{}, s.hinted(sqlFault(err, r.Principal, &st), r.Principal)
	}
	return result, nil
}

// errChanged is the fault of a write on condition that the rows are as the
// caller has seen them. Another request may have changed them first.
var errChanged = detailed(fault.Precondition, "precondition_failed", "The rows are not in the state that the request names",
	"Read them again, and decide again.")

// guard has the rows that a write is about read first, as a read of the same URL
// returns them, if the write is on a condition. Both see one snapshot of the
// database, so a row that has changed in between, or changes yet, makes the
// write fail.
func (s *Service) guard(r *Request, table *catalog.Table, q query.Query) error {
	if r.Condition == nil {
		return nil
	}
	answer := plan.Answer{CSV: r.Answer.CSV, Stripped: r.Answer.Stripped, Count: true}
	st, err := plan.Read(table, q, s.MaxRows, answer)
	if err != nil {
		return planFault(err)
	}
	var seen Result
	r.before = append(r.before, postgres.Step{
		SQL: st.SQL, Args: st.Args, Decides: true,
		Scan: scanner(st, &seen, func() error { return r.Condition(seen) }),
	})
	if r.Isolation != postgres.Serializable {
		r.Isolation = postgres.RepeatableRead
	}
	return nil
}
