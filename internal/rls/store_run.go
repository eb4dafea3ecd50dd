package rls

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const insertPersonSQL = `
with made as (insert into auth.users (id, email, app_metadata) values ($1, $2, $3))
select set_config($4, $5, true)`

func insertPerson(ctx context.Context, q postgres.Querier, p person) error {
	_, err := q.Exec(ctx, insertPersonSQL, p.subject.ID, p.subject.Email, string(p.subject.AppMetadata), p.setting, p.subject.ID.String())
	return postgres.CallersFault(err)
}

const (
	keepSetupSQL = `select set_config('fluxbase.setup', $1, true)`
	doSetup      = `do $do$ begin execute current_setting('fluxbase.setup'); end $do$`
)

// runSetup runs any number of statements within PL/pgSQL, where none can end the
// transaction.
func runSetup(ctx context.Context, r *postgres.Rehearsal, setup string) error {
	if setup == "" {
		return nil
	}
	if _, err := r.Exec(ctx, keepSetupSQL, setup); err != nil {
		return postgres.Fault(err)
	}
	_, err := r.Run(ctx, doSetup)
	return postgres.CallersFault(err)
}
