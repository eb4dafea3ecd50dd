package audit

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const insertSQL = `
insert into auth.audit_log (action, outcome, actor_kind, actor_id, target_kind, target_id, ip, request_id, details)
values ($1, $2, $3, $4, nullif($5, ''), $6, $7, nullif($8, ''), $9)`

func insert(ctx context.Context, q postgres.Querier, e Event) error {
	outcome := "success"
	if e.Failed {
		outcome = "failure"
	}
	details := e.Details
	if details == nil {
		details = map[string]string{}
	}
	var address any
	if e.Address.IsValid() {
		address = e.Address
	}
	_, err := q.Exec(ctx, insertSQL, string(e.Action), outcome, e.ActorKind, e.Actor.Nullable(),
		e.TargetKind, e.Target.Nullable(), address, e.RequestID, details)
	return postgres.Fault(err)
}
