package dataapi

import (
	"context"
	"time"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Terms are what a request asks of the transaction that it runs in.
type Terms struct {
	Principal *principal.Principal
	Rollback  bool // undo what it did after all, once its answer is known
	Isolation postgres.Isolation
	Timezone  string // "" is the database's
	Explain   string // options of EXPLAIN, to answer with a plan instead; "" for the rows
	Seen      Seen
}

// Seen is what functions get to see of a request, in settings.
type Seen struct {
	Method  string // request.method; "" for nothing to see
	Path    string // request.path: /TABLE or /rpc/FUNCTION
	Headers string // request.headers: a JSON object
}

// Limits bound what the requests of a role may cost.
type Limits struct {
	Timeout time.Duration // of a statement; 0 is that of the database
	MaxRows int64         // in one answer to a read; 0 is no bound
	MaxCost float64       // that the planner may expect of a statement; 0 is no bound
}

// Outcome is what the application's SQL wants the answer to be.
type Outcome struct {
	Headers string // as a JSON array; "" for none
	Status  string // "" for none
}

// step is a statement of a transaction.
type step struct {
	plan.Statement

	scan    postgres.Scan
	decides bool // whether the next ones run at all
}

// perform runs a statement as the caller, with steps around it and everything
// that configuration and request put before those.
func (s *Service) perform(ctx context.Context, t Terms, do postgres.Statement, before []step, main step, after ...step) error {
	limits := s.Limits[t.Principal.Role]
	steps := append(s.settle(t), before...)
	if limits.MaxCost > 0 && t.Explain == "" {
		steps = append(steps, affordable(main.Statement, t.Principal, limits.MaxCost))
	}
	at := len(steps)
	steps = append(append(steps, main), after...)

	under := 0 // way
	run := make([]postgres.Step, len(steps))
	for i, st := range steps {
		run[i] = postgres.Step{SQL: st.SQL, Args: st.Args, Decides: st.decides, Scan: whenRead(st.scan, func() { under = i + 1 })}
	}
	do.SQL, do.Args, do.Before, do.After = main.SQL, main.Args, run[:at], run[at+1:]
	do.Isolation, do.Timeout = t.Isolation, limits.Timeout
	if err := s.DB.As(ctx, t.Principal, do, run[at].Scan); err != nil {
		return sqlFault(err, t.Principal, &steps[min(under, len(steps)-1)].Statement)
	}
	return nil
}

// run runs a statement that a request for rows was planned as. What a write did
// is undone if it is not what the request allows.
func (s *Service) run(ctx context.Context, r Request, st plan.Statement, readOnly bool) (Result, error) {
	result := Result{Count: -1}
	do := postgres.Statement{ReadOnly: readOnly, Held: !readOnly && (r.Single || r.MaxAffected != nil), Rollback: !readOnly && (r.Rollback || r.Explain != "")}
	main := r.main(st, scanner(st, &result, func() error { return check(r, result) }), &result)
	after := r.after
	if !readOnly || s.PreRequest != "" {
		after = append(after, step{Statement: plan.Statement{SQL: outcomeSQL}, scan: outcomeScanner(&result.Outcome)})
	}
	err := s.perform(ctx, r.Terms, do, r.before, main, after...)
	if report := postgres.Report(err); report != nil && report.State == "40001" && r.Condition != nil {
		return Result{}, ErrChanged.Because(err)
	}
	if err != nil {
		return Result{}, s.hinted(err, r.Principal)
	}
	return result, nil
}

// main is the step that a statement is: its own, or one that shows its plan.
func (t Terms) main(st plan.Statement, scan postgres.Scan, into *Result) step {
	if t.Explain == "" {
		return step{Statement: st, scan: scan}
	}
	return step{Statement: st.Explained(t.Explain), scan: linesScanner(func(text []byte) error {
		into.Body = text
		return nil
	})}
}

// ErrChanged is the fault of a write on condition that the rows are as the
// caller has seen them. Another request may have changed them first.
var ErrChanged = Detailed(fault.Precondition, "precondition_failed", "The rows are not in the state that the request names",
	"Read them again, and decide again.")

// guard has the rows that a write is about read first, as a read of the same URL
// returns them, if the write is on a condition. Both see one snapshot of the
// database, so a row that has changed in between, or changes yet, makes the
// write fail.
func (s *Service) guard(r *Request, table *catalog.Table, q query.Query) error {
	if r.Condition == nil {
		return nil
	}
	answer := s.answer(r.Principal, plan.Answer{CSV: r.Answer.CSV, Stripped: r.Answer.Stripped, GeoJSON: r.Answer.GeoJSON, Count: true})
	st, err := plan.Read(table, q, s.maxRows(r.Principal), answer)
	if err != nil {
		return planFault(err)
	}
	var seen Result
	r.before = append(r.before, step{
		Statement: st, decides: true, scan: scanner(st, &seen, func() error { return r.Condition(seen) }),
	})
	if r.Isolation != postgres.Serializable {
		r.Isolation = postgres.RepeatableRead
	}
	return nil
}

// maxRows bounds an answer to a read; 0 is no bound.
func (s *Service) maxRows(p *principal.Principal) int64 { return s.Limits[p.Role].MaxRows }
