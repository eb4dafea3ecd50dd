package dataapi

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// The settings return no row, so that nothing has to travel back.
const (
	timezoneSQL = `select where set_config('TimeZone', $1, true) is null`

	seenSQL = `select where concat(
	set_config('request.method', $1, true),
	set_config('request.path', $2, true),
	set_config('request.headers', $3, true)) is null`

	outcomeSQL = `select coalesce(current_setting('response.headers', true), ''), coalesce(current_setting('response.status', true), '')`
)

// settle returns what stands before everything that a request is about: its own
// settings, and the function that the configuration puts before each statement.
func (s *Service) settle(t Terms) []step {
	var steps []step
	if t.Timezone != "" {
		steps = append(steps, step{Statement: plan.Statement{SQL: timezoneSQL, Args: []any{t.Timezone}}})
	}
	if t.Seen.Method != "" {
		steps = append(steps, step{Statement: plan.Statement{SQL: seenSQL, Args: []any{t.Seen.Method, t.Seen.Path, t.Seen.Headers}}})
	}
	if s.PreRequest != "" {
		schema, function, _ := strings.Cut(s.PreRequest, ".")
		steps = append(steps, step{Statement: plan.Statement{SQL: "select " + postgres.Quote(schema, function) + "()"}})
	}
	return steps
}

func outcomeScanner(into *Outcome) postgres.Scan {
	return func(rows pgx.Rows) error {
		_, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (struct{}, error) {
			return struct{}{}, row.Scan(&into.Headers, &into.Status)
		})
		return err
	}
}
