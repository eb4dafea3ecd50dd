package server

import (
	"context"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
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

// dataOf is the data API as it is configured.
func dataOf(c *config.Config, db *postgres.DB, tables *catalog.Service) *dataapi.Service {
	return &dataapi.Service{
		DB: db, Catalog: tables, Schemas: c.Data.Schemas, AllowWithoutRLS: set(c.Data.AllowWithoutRLS),
		Limits: limits(c.Data), PreRequest: c.Data.PreRequest, MaxRow: int64(c.Server.MaxBodySize), MaxBody: int64(c.Data.MaxBodySize),
		Aggregates: c.Data.Aggregates, Development: c.Environment == config.Development,
		Rollback: strings.HasPrefix(c.Data.TxEnd, "rollback"), TxOverride: strings.HasSuffix(c.Data.TxEnd, "allow-override"),
		IsolationOverride: c.Data.IsolationOverride, PlanEnabled: c.Data.PlanEnabled,
	}
}
