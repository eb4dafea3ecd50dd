package dataapi

import (
	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// Counting is how the rows on all pages are counted.
type Counting string

// The ways of counting.
const (
	Exact     Counting = "exact"
	Planned   Counting = "planned"   // by what the planner expects
	Estimated Counting = "estimated" // exact up to the bound of an answer, and then as the planner expects
)

// CountingFor is how rows are counted for a caller. What the planner expects is
// drawn from all rows, also from those that policies hide, and so is for
// callers only whom policies do not bind.
func CountingFor(p *principal.Principal, asked Counting) Counting {
	if asked != "" && p.Role != principal.Service {
		return Exact
	}
	return asked
}

// guess is a count that is not exact.
type guess struct {
	planned int64
	counted *int64 // up to the bound; nil if nothing was
	bound   int64
}

// count arranges for the rows on all pages to be counted. It returns nil where
// the count is exact, or none.
func (s *Service) count(r *Request, table *catalog.Table, q query.Query) (*guess, error) {
	r.Count = CountingFor(r.Principal, r.Count)
	g := &guess{bound: s.maxRows(r.Principal)}
	if r.Count == "" || r.Explain != "" {
		return nil, nil //nolint:nilnil // no guess is no error
	}
	if r.Count == Exact || r.Count == Estimated && g.bound == 0 {
		r.Answer.Count = true
		return nil, nil //nolint:nilnil // no guess is no error
	}
	st, err := plan.Matching(table, q, 0, s.answer(r.Principal, r.Answer))
	if err != nil {
		return nil, planFault(err)
	}
	r.after = append(r.after, expectation(st, func(e expected) error {
		g.planned = e.Rows
		return nil
	}))
	if r.Count == Estimated {
		if st, err = plan.Matching(table, q, g.bound+1, s.answer(r.Principal, r.Answer)); err != nil {
			return nil, planFault(err)
		}
		g.counted = new(int64)
		r.after = append(r.after, step{Statement: st, scan: numberScanner(g.counted)})
	}
	return g, nil
}

// total is how many rows there may be, and never less than are known.
func (g *guess) total(known int64) *int64 {
	n := max(g.planned, known)
	if g.counted != nil {
		n = max(n, *g.counted)
		if *g.counted <= g.bound {
			n = *g.counted
		}
	}
	return &n
}
