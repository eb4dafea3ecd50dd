package dataapi

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// scanner reads the one row of a statement that returns something, and asks
// whether the result may stand.
func scanner(st plan.Statement, into *Result, check func() error) postgres.Scan {
	return func(rows pgx.Rows) error {
		if !st.Returns {
			rows.Close()
			into.Count = rows.CommandTag().RowsAffected()
		} else if err := scanRow(rows, st, into); err != nil {
			return err
		}
		if rows.Err() != nil {
			return rows.Err()
		}
		return check()
	}
}

// callScanner reads the one row of a call, and asks whether it may stand.
func callScanner(st plan.Statement, into *Result, check func() error) postgres.Scan {
	return func(rows pgx.Rows) error {
		if err := scanRow(rows, st, into, &into.Headers, &into.Status); err != nil {
			return err
		}
		return check()
	}
}

// whenRead is a scan, or one that drops the result, which says that it has been
// reached.
func whenRead(scan postgres.Scan, reached func()) postgres.Scan {
	return func(rows pgx.Rows) error {
		if scan != nil {
			if err := scan(rows); err != nil {
				return err
			}
		}
		rows.Close()
		if rows.Err() == nil {
			reached()
		}
		return rows.Err()
	}
}

// linesScanner reads the lines of a plan, and tells of their text.
func linesScanner(told func([]byte) error) postgres.Scan {
	return func(rows pgx.Rows) error {
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		return told([]byte(strings.Join(lines, "\n")))
	}
}

func numberScanner(into *int64) postgres.Scan {
	return func(rows pgx.Rows) error {
		var err error
		*into, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
		return err
	}
}

// scanRow reads an answer, and the columns beside it.
func scanRow(rows pgx.Rows, st plan.Statement, into *Result, beside ...any) error {
	body, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) ([]byte, error) {
		text := []byte(st.Header)
		var answer []byte
		columns := []any{&answer, &into.Count}
		if st.Counted {
			columns = append(columns, &into.Total)
		}
		err := row.Scan(append(columns, beside...)...)
		if st.Header == "" {
			return answer, err
		}
		return append(text, answer...), err
	})
	into.Body = body
	return err
}
