package audit

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Metrics are what shows that the log is looked after. A record is sealed within
// seconds; one that waits for minutes is protected by nothing but the database.
func (s *Service) Metrics() prometheus.Collector {
	return telemetry.NewSampled("fluxbase_audit_oldest_unsealed_seconds", "The age of the oldest audit record that is not sealed; 0 if all are.", s.Now,
		func(ctx context.Context) (float64, error) {
			now := s.Now()
			at, err := selectWaiting(ctx, s.DB.Single())
			return telemetry.Age(now, at), err
		})
}
