package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rls"
	"github.com/fluxbase/fluxbase/internal/rls/lint"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/telemetry"
	"github.com/fluxbase/fluxbase/internal/typescript"
)

// explaining makes what explains policies, and tests them in development.
func explaining(c *config.Config, db *postgres.DB, sessions *session.Service, now func() time.Time) *rls.Service {
	return &rls.Service{DB: db, Sessions: sessions, Now: now, Explains: true, Tests: c.Environment == config.Development}
}

// testing makes what tests policies for whoever has the database.
func testing(c *config.Config, db *postgres.DB) *rls.Service {
	sessions := &session.Service{Now: time.Now, Config: sessionConfig(c)} // knows what tokens would say, and issues none
	return &rls.Service{DB: db, Sessions: sessions, Now: time.Now, Tests: true}
}

// linter makes what finds faults with policies.
func linter(c *config.Config, db *postgres.DB) *lint.Service {
	return &lint.Service{DB: db, Schemas: c.Data.Schemas, AllowWithoutRLS: set(c.Data.AllowWithoutRLS)}
}

// describing makes what describes the database to compilers.
func describing(c *config.Config, db *postgres.DB) *typescript.Service {
	return &typescript.Service{DB: db, Schemas: c.Data.Schemas}
}

func sessionConfig(c *config.Config) session.Config {
	return session.Config{
		Issuer: c.Auth.JWT.Issuer, Audience: c.Auth.JWT.Audience,
		AccessTTL: c.Auth.JWT.Expiry, IdleTTL: c.Auth.JWT.RefreshExpiry,
		MaxLifetime: c.Auth.SessionMaxLifetime, Grace: c.Auth.RefreshGrace, Single: c.Auth.SingleSession,
	}
}

// logPolicies says at the start what the linter finds. A server that cannot look
// starts all the same.
func logPolicies(ctx context.Context, s *lint.Service, logger *slog.Logger) {
	found, err := s.Lint(ctx)
	if err != nil && ctx.Err() != nil {
		return // stopping
	}
	if err != nil {
		logger.WarnContext(ctx, "policies could not be looked at", slog.Any("error", err))
		return
	}
	problems, warnings, _ := lint.Summary(found)
	if problems+warnings == 0 {
		return
	}
	var views []string
	for _, f := range found {
		if f.Rule == "owner_view" {
			views = append(views, f.Object)
		}
	}
	logger.WarnContext(ctx, "policies want looking after; see: fluxbase-cli rls lint",
		slog.Int("problems", problems), slog.Int("warnings", warnings), slog.Any("views_past_policies", views))
}

// diagnosePolicies has the linter's problems and warnings; notices may be meant.
func diagnosePolicies(ctx context.Context, c *config.Config, db *postgres.DB) []telemetry.Finding {
	const subject = "policies"
	linted, err := linter(c, db).Lint(ctx)
	if err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Subject: subject, Detail: err.Error()}}
	}
	var found []telemetry.Finding
	for _, f := range linted {
		severity := map[lint.Severity]telemetry.Severity{lint.Problem: telemetry.Problem, lint.Warning: telemetry.Warning}[f.Severity]
		if severity == "" {
			continue
		}
		where := f.Object
		if f.Policy != "" {
			where = "policy " + f.Policy + " on " + f.Object
		}
		found = append(found, telemetry.Finding{Severity: severity, Subject: subject, Where: where, Detail: f.Detail, Fix: f.SQL})
	}
	if len(found) == 0 {
		detail := "Nothing wrong with them."
		if _, _, notices := lint.Summary(linted); notices > 0 {
			detail = fmt.Sprintf("Nothing wrong with them; notices (fluxbase-cli rls lint): %d.", notices)
		}
		found = append(found, telemetry.Finding{Severity: telemetry.Fine, Subject: subject, Detail: detail})
	}
	return found
}
