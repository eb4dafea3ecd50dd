package server

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/login"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/telemetry"
	"github.com/fluxbase/fluxbase/internal/web"
)

// healthOf is what has to work for the server to be ready, in the order in which
// one rests on the other.
func (s *Server) healthOf(now func() time.Time) *telemetry.Health {
	return &telemetry.Health{Logger: s.logger, Now: now, Checks: []telemetry.Check{
		{Name: "the database does not answer", Run: s.db.Ping},
		{Name: "the schema of the database is not that of this version", Run: func(ctx context.Context) error {
			return migrate.Current(ctx, s.db.Single())
		}},
		{Name: "it does not have the active encryption key", Run: s.encryption.Ready},
		{Name: "it does not know which tables there are", Run: s.catalog.Ready},
		{Name: "the job queue is not worked", Run: s.jobs.Ready},
	}}
}

// measure registers what the parts count, and sends it to whoever collects it.
func (s *Server) measure(ctx context.Context, passwords *password.Service, signIns *login.SignIns, frame *web.Server) error {
	parts := []prometheus.Collector{
		frame, s.gate, signIns, passwords.Pool, s.rotation, s.mail, s.jobs, s.audit.Metrics(), postgres.Pools{"owner": s.db, "background": s.background},
	}
	if s.certificates != nil {
		parts = append(parts, s.certificates)
	}
	if passwords.Breaches != nil {
		parts = append(parts, passwords.Breaches)
	}
	if s.limits != nil {
		parts = append(parts, s.limits.measured...)
	}
	s.metrics = telemetry.NewMetrics(Version)
	for _, part := range parts {
		if err := s.metrics.Register(part); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return s.export.Metrics(ctx, s.metrics) //nolint:wrapcheck // says what it was doing
}
