package dataapi

import (
	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// scanner reads the one row of a statement that returns something.
func scanner(st plan.Statement, into *Result) postgres.Scan {
	return func(rows pgx.Rows) error {
		if !st.Returns {
			rows.Close()
			into.Count = rows.CommandTag().RowsAffected()
			return nil
		}
		body, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) ([]byte, error) {
			var text []byte
			err := row.Scan(&text, &into.Count)
			return text, err
		})
		into.Body = body
		return err
	}
}

// callScanner reads the one row of a call.
func callScanner(into *Answer) postgres.Scan {
	return func(rows pgx.Rows) error {
		_, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (struct{}, error) {
			var headers, status *string
			err := row.Scan(&into.Body, &into.Count, &headers, &status)
			into.Headers, into.Status = deref(headers), deref(status)
			return struct{}{}, err
		})
		return err
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
