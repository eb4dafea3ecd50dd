package dataapi

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// expected is what the planner expects of a statement.
type expected struct {
	Cost float64 `json:"Total Cost"`
	Rows int64   `json:"Plan Rows"`
}

// expectation returns a statement that asks the planner about another one.
func expectation(st plan.Statement, told func(expected) error) step {
	return step{Statement: st.Explained("format json"), scan: linesScanner(func(text []byte) error {
		var plans []struct{ Plan expected }
		if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
			return fmt.Errorf("reading a plan: %w", err)
		}
		return told(plans[0].Plan)
	})}
}

// affordable returns a step that refuses a statement by its cost. How much that
// is only those are told whom policies do not bind: the planner draws it from
// all rows, also from those that policies hide.
func affordable(st plan.Statement, p *principal.Principal, limit float64) step {
	asked := expectation(st, func(e expected) error {
		if e.Cost <= limit {
			return nil
		}
		details := fmt.Sprintf("PostgreSQL expects a higher cost than %.0f, which is what requests of this role are allowed.", limit)
		if p.Role == principal.Service {
			details = fmt.Sprintf("PostgreSQL expects a cost of %.0f; requests of this role are allowed %.0f.", e.Cost, limit)
		}
		f := Detailed(fault.Invalid, "cost_limit", "The statement would cost too much", details)
		f.SQL.Hint = "Ask for less at a time, by filters on indexed columns or a limit."
		return f
	})
	asked.decides = true
	return asked
}
