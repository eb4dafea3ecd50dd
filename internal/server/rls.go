package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rls"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// policies makes what explains and lints policies.
func policies(c *config.Config, db *postgres.DB, sessions *session.Service, now func() time.Time) *rls.Service {
	return &rls.Service{
		DB: db, Sessions: sessions, Schemas: c.Data.Schemas, AllowWithoutRLS: set(c.Data.AllowWithoutRLS), Now: now,
	}
}

// pretending knows what tokens would say, and issues none.
func pretending(c *config.Config, now func() time.Time) *session.Service {
	return &session.Service{Now: now, Config: sessionConfig(c)}
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
func logPolicies(ctx context.Context, s *rls.Service, logger *slog.Logger) {
	found, err := s.Lint(ctx)
	if err != nil && ctx.Err() != nil {
		return // stopping
	}
	if err != nil {
		logger.WarnContext(ctx, "policies could not be looked at", slog.Any("error", err))
		return
	}
	problems, warnings, _ := rls.Summary(found)
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
	linted, err := policies(c, db, nil, time.Now).Lint(ctx)
	if err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Subject: subject, Detail: err.Error()}}
	}
	var found []telemetry.Finding
	for _, f := range linted {
		severity := map[rls.Severity]telemetry.Severity{rls.Problem: telemetry.Problem, rls.Warning: telemetry.Warning}[f.Severity]
		if severity == "" {
			continue
		}
		object := f.Object
		if f.Policy != "" {
			object = f.Policy + " on " + f.Object
		}
		found = append(found, telemetry.Finding{Severity: severity, Subject: subject, Detail: object + ": " + f.Detail, Fix: f.SQL})
	}
	if len(found) == 0 {
		_, _, notices := rls.Summary(linted)
		found = append(found, telemetry.Finding{Severity: telemetry.Fine, Subject: subject, Detail: fmt.Sprintf("Nothing wrong with them; %d notices (fluxbase-cli rls lint).", notices)})
	}
	return found
}
