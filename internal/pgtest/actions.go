package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// SeenActions is the variable that names a folder in which the tests of all
// packages note the actions of the audit records that they have caused, as empty
// files.
const SeenActions = "AUDIT_ACTIONS_SEEN"

// NoteActions notes the actions in a database, in a folder unless that is empty,
// and returns those that are not declared. A test may have taken the table away.
func NoteActions(ctx context.Context, q postgres.Querier, folder string) (undeclared []audit.Action, err error) {
	var actions []audit.Action
	for range 5 { // a test may have ended the connections, too
		rows, _ := q.Query(ctx, `select distinct action from auth.audit_log`)
		if actions, err = pgx.CollectRows(rows, pgx.RowTo[audit.Action]); err == nil || !pgconn.SafeToRetry(err) {
			break
		}
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42P01" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the actions of a test: %w", err)
	}
	for _, a := range actions {
		if !a.Declared() {
			undeclared = append(undeclared, a)
		} else if folder != "" {
			err = errors.Join(err, os.WriteFile(filepath.Join(folder, string(a)), nil, 0o600)) //nolint:gosec // the folder is the test runner's, and the name is declared
		}
	}
	return undeclared, err
}
