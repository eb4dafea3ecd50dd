package dataapi

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/dataapi/query"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// Insert adds the rows of a JSON body: an object, or an array of objects with
// the same keys.
func (s *Service) Insert(ctx context.Context, r Request) (Result, error) {
	table, q, err := s.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	rows, err := parseRows(r.Body)
	if err != nil {
		return Result{}, err
	}
	if q.Columns != nil {
		rows.columns = q.Columns
	}
	return s.insertRows(ctx, r, table, q, rows)
}

func (s *Service) insertRows(ctx context.Context, r Request, table *catalog.Table, q query.Query, rows written) (Result, error) {
	if rows.count == 0 {
		return s.nothing(ctx, r, table)
	}
	if r.Resolution == Refuse {
		st, err := plan.Insert(table, q, rows.columns, rows.array, r.Answer)
		if err != nil {
			return Result{}, planFault(err)
		}
		result, err := s.run(ctx, r, st, false)
		result.Table = table
		return result, err
	}
	st, err := plan.Upsert(table, q, rows.columns, rows.array, r.Resolution == Merge, r.Answer)
	if err != nil {
		return Result{}, planFault(err)
	}
	result, err := s.run(ctx, r, st, false)
	result.Table, result.New, result.Total = table, result.Total, nil
	return result, err
}

// Put writes the row that the filters name by its whole primary key, whether it
// is there or not.
func (s *Service) Put(ctx context.Context, r Request) (Result, error) {
	table, q, err := s.prepare(ctx, r)
	if err != nil {
		return Result{}, err
	}
	if q.Limit != nil || q.Offset != nil {
		return Result{}, dataFault(fault.Invalid, "PGRST114", "limit and offset are not for PUT")
	}
	key, ok := keyOf(table, q)
	if !ok {
		return Result{}, dataFault(fault.MethodNotAllowed, "PGRST105",
			"Filters must include all and only primary key columns with 'eq' operators")
	}
	rows, err := parseRows(r.Body)
	if err != nil {
		return Result{}, err
	}
	if rows.count != 1 || !hasKey(rows.array, key) {
		return Result{}, dataFault(fault.Invalid, "PGRST115", "Payload values do not match URL in primary key column(s)")
	}
	if err := s.guard(&r, table, q); err != nil {
		return Result{}, err
	}
	r.Resolution, q.OnConflict = Merge, nil
	return s.insertRows(ctx, r, table, q, rows)
}

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
