package dataapi

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/payload"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// Insert adds the rows of a body. What fits into one batch of rows with the same
// columns is one statement, in one round trip. More is several statements in one
// transaction, which begins when all of the body is here and has been found
// well-formed, so that no client can keep it open.
func (s *Service) Insert(ctx context.Context, r Request) (Result, error) {
	r.Answer = s.answer(r.Principal, r.Answer)
	table, q, err := s.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	kept := &spool{from: r.Body.Text, lying: &s.spooled, limit: spoolFactor * s.MaxBody}
	defer kept.close()
	rows := s.rows(r, table, q, kept)
	first, err := rows.Next()
	if errors.Is(err, io.EOF) {
		return s.nothing(ctx, r, table)
	}
	if err != nil {
		return Result{}, err
	}
	st, err := insertion(r, table, q, first[0])
	if err != nil {
		return Result{}, err
	}
	single, err := alone(rows, first)
	if err != nil {
		return Result{}, err
	}
	if single {
		return s.insertRows(ctx, r, table, st)
	}
	if q.Order != nil && r.Answer.Returning == plan.Rows {
		return Result{}, Detailed(fault.Invalid, "PGRST100", "order is for inserts of one statement",
			"The rows are too many, or lack different columns.")
	}
	return s.insertSeries(ctx, r, table, q, kept)
}

func (s *Service) rows(r Request, table *catalog.Table, q query.Query, from io.Reader) *payload.Reader {
	return payload.NewReader(r.Body.Media, from, payload.Options{
		MaxRow: s.MaxRow, Columns: q.Columns, JSON: jsonColumns(table), Default: r.Default, Ordered: r.Answer.Returning == plan.Rows,
	})
}

// alone reads a body to its end, and says whether the first batch is all there
// is, and one run.
func alone(rows *payload.Reader, first []payload.Run) (bool, error) {
	single := len(first) == 1
	for {
		_, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return single, nil
		}
		if err != nil {
			return false, err
		}
		single = false
	}
}

// insertion plans the statement for a run of rows.
func insertion(r Request, table *catalog.Table, q query.Query, run payload.Run) (plan.Statement, error) {
	var st plan.Statement
	err := known(table, append(slices.Clip(q.Columns), run.Columns...))
	if err != nil {
		return st, err
	}
	if r.Resolution == Refuse {
		st, err = plan.Insert(table, q, run.Columns, run.Rows, r.Answer)
	} else {
		st, err = plan.Upsert(table, q, run.Columns, run.Rows, r.Resolution == Merge, r.Answer)
	}
	if err != nil {
		return st, planFault(err)
	}
	return st, nil
}

// insertRows runs the one statement of an insert.
func (s *Service) insertRows(ctx context.Context, r Request, table *catalog.Table, st plan.Statement) (Result, error) {
	result, err := s.run(ctx, r, st, false)
	result.inserted(r, table)
	return result, err
}

// inserted tells the rows that are new from those that have been merged. A
// trigger may drop some of the latter, which are counted all the same.
func (r *Result) inserted(request Request, table *catalog.Table) {
	r.Table = table
	if request.Resolution != Refuse && r.Total != nil {
		n := max(0, r.Count-*r.Total)
		r.New, r.Total = &n, nil
	}
}

// Put writes the row that the filters name by its whole primary key, whether it
// is there or not.
func (s *Service) Put(ctx context.Context, r Request) (Result, error) {
	r.Answer = s.answer(r.Principal, r.Answer)
	table, q, err := s.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	if q.Limit != nil || q.Offset != nil {
		return Result{}, Fault(fault.Invalid, "PGRST114", "limit and offset are not for PUT")
	}
	key, ok := keyOf(table, q)
	if !ok {
		return Result{}, Fault(fault.MethodNotAllowed, "PGRST105",
			"Filters must include all and only primary key columns with 'eq' operators")
	}
	row, err := s.one(r.Body, payload.Options{Columns: q.Columns, JSON: jsonColumns(table)}, errOtherKey)
	if err != nil {
		return Result{}, err
	}
	if !hasKey(row.Rows, key) {
		return Result{}, errOtherKey
	}
	if err := s.guard(&r, table, q); err != nil {
		return Result{}, err
	}
	r.Resolution, q.OnConflict = Merge, nil
	st, err := insertion(r, table, q, row)
	if err != nil {
		return Result{}, err
	}
	return s.insertRows(ctx, r, table, st)
}

var errOtherKey = Fault(fault.Invalid, "PGRST115", "Payload values do not match URL in primary key column(s)")

// keyOf returns the values of the primary key that the filters ask for.
func keyOf(table *catalog.Table, q query.Query) (map[string]string, bool) {
	key := map[string]string{}
	for _, c := range q.Where {
		f := c.Filter
		if f == nil || f.Op != query.Eq || f.Negated || f.Quantifier != "" || f.Path != nil || !slices.Contains(table.PrimaryKey, f.Column) {
			return nil, false
		}
		key[f.Column] = f.Value
	}
	return key, len(key) == len(table.PrimaryKey) && len(key) == len(q.Where) && len(key) > 0
}

// hasKey says whether the one row of an array has the values of a key.
func hasKey(array string, key map[string]string) bool {
	var rows []map[string]jsontext.Value
	if json.Unmarshal([]byte(array), &rows) != nil || len(rows) != 1 {
		return false
	}
	for name, want := range key {
		value, given := rows[0][name]
		text := string(value)
		if value.Kind() == '"' && json.Unmarshal(value, &text) != nil {
			return false
		}
		if !given || value.Kind() == 'n' || text != want {
			return false
		}
	}
	return true
}
