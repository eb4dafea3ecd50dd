package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/audit/syslog"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// auditOf is the audit log as it is read and verified.
func auditOf(c *config.Config, db *postgres.DB, values *sealed.Service, logger *slog.Logger) *audit.Service {
	return &audit.Service{DB: db, Keys: values, Logger: logger, Now: time.Now, Retention: c.Audit.Retention}
}

// auditing is the audit log with what is done about it from time to time.
func auditing(ctx context.Context, c *config.Config, db *postgres.DB, jobs *job.Service, values *sealed.Service, logger *slog.Logger) (*audit.Service, error) {
	s := auditOf(c, db, values, logger)
	if err := s.Open(ctx); err != nil {
		return nil, err //nolint:wrapcheck // says what it was doing
	}
	if c.Audit.Syslog.URL != "" {
		roots, err := rootsIn("audit.syslog.ca_file", c.Audit.Syslog.CAFile)
		if err != nil {
			return nil, err
		}
		if s.Out, err = syslog.New(c.Audit.Syslog.URL, roots, c.Audit.Syslog.Timeout); err != nil {
			return nil, err //nolint:wrapcheck // says what it was doing
		}
	}
	job.Register(jobs, job.Kind[upkeep]{Timeout: upkeepLimit, Handle: func(ctx context.Context, _ upkeep) error { return s.Maintain(ctx) }})
	job.Every[upkeep](jobs, upkeepInterval)
	return s, nil
}

// upkeep is the job that makes the months of the audit log, and lets go of old
// ones.
type upkeep struct{}

// Kind implements job.Args.
func (upkeep) Kind() string { return "audit.upkeep" }

const (
	upkeepInterval = time.Hour
	upkeepLimit    = 10 * time.Minute
)
