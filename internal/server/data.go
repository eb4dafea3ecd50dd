package server

import (
	"context"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/dataapi"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// limits are those of requests for data, by role.
func limits(c config.Data) map[principal.Role]dataapi.Limits {
	of := map[principal.Role]dataapi.Limits{}
	for role, own := range map[principal.Role]config.RoleLimits{
		principal.Anonymous: c.Limits.Anonymous, principal.Authenticated: c.Limits.Authenticated, principal.Service: c.Limits.Service,
	} {
		l := dataapi.Limits{Timeout: own.StatementTimeout, MaxRows: int64(own.MaxRows), MaxCost: float64(own.MaxCost)}
		if l.MaxRows == 0 {
			l.MaxRows = int64(c.MaxRows)
		}
		of[role] = l
	}
	return of
}

// diagnoseData looks at what requests for data need in the database.
func diagnoseData(ctx context.Context, c *config.Config, db *postgres.DB) []telemetry.Finding {
	const subject = "data API"
	if err := dataapi.CheckPreRequest(ctx, db.Single(), c.Data.PreRequest); err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Subject: subject, Detail: err.Error(), Fix: "Create the function, or change data.pre_request."}}
	}
	return nil
}
