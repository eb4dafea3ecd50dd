package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/ratelimit/database"
	"github.com/fluxbase/fluxbase/internal/ratelimit/memory"
	"github.com/fluxbase/fluxbase/internal/ratelimit/redis"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// rateLimits are those of a server.
type rateLimits struct {
	*ratelimit.Limiter

	measured []prometheus.Collector
	closes   func()
}

// newLimits returns nil where there are to be none.
func newLimits(c *config.Config, db *postgres.DB, jobs *job.Service, logger *slog.Logger, now func() time.Time) (*rateLimits, error) {
	if !c.RateLimit.Enabled {
		return nil, nil //nolint:nilnil // none were asked for
	}
	rates, err := ratesOf(c.RateLimit)
	if err != nil {
		return nil, err
	}
	l := &rateLimits{closes: func() {}}
	var store ratelimit.Store = memory.New(memory.Keys, now)
	if c.RateLimit.Backend != config.BackendMemory {
		shared, closes, err := sharedCounts(c, db)
		if err != nil {
			return nil, err
		}
		l.closes = closes
		f := ratelimit.NewFallback(c.RateLimit.Backend, shared, store, c.RateLimit.Timeout, logger, now)
		store, l.measured = f, append(l.measured, f)
		if counts, ok := shared.(*database.Store); ok {
			cleanCounts(jobs, counts)
		}
	}
	l.Limiter = ratelimit.New(rates, memory.New(memory.Keys, now), store, recordViolation(db, logger), logger, now)
	l.measured = append(l.measured, l.Limiter)
	return l, nil
}

// sharedCounts returns the store that several instances have in common.
func sharedCounts(c *config.Config, db *postgres.DB) (ratelimit.Store, func(), error) {
	if c.RateLimit.Backend == config.BackendPostgres {
		return &database.Store{DB: db}, func() {}, nil
	}
	r := c.RateLimit.Redis
	o := redis.Options{URL: r.URL.Reveal(), Prefix: r.Prefix, Patience: c.RateLimit.Timeout}
	if r.CAFile != "" {
		var err error
		if o.CA, err = os.ReadFile(r.CAFile); err != nil {
			return nil, nil, fmt.Errorf("reading ratelimit.redis.ca_file: %w", err)
		}
	}
	s, err := redis.Open(o)
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the backend of rate limits: %w", err)
	}
	return s, func() { _ = s.Close() }, nil
}

// ratesOf returns the rate of each bucket.
func ratesOf(c config.RateLimit) (ratelimit.Rates, error) {
	var rates ratelimit.Rates
	var problems error
	for bucket, text := range map[ratelimit.Bucket]string{
		ratelimit.Arrival: c.Address, ratelimit.SignIn: c.Routes.SignIn, ratelimit.SignInAccount: c.Routes.SignInAccount,
		ratelimit.SignUp: c.Routes.SignUp, ratelimit.Mail: c.Routes.Mail, ratelimit.MailRecipient: c.Routes.MailRecipient,
		ratelimit.MFA: c.Routes.MFA, ratelimit.Refresh: c.Routes.Refresh,
	} {
		limit, window, err := config.ParseRate(text)
		problems = errors.Join(problems, err)
		rates.Set(bucket, ratelimit.Rate{Limit: limit, Window: window})
	}
	if c.GlobalRateLimit {
		rates.Set(ratelimit.Anonymous, ratelimit.Rate{Limit: c.Limits.Anonymous, Window: c.Window})
		rates.Set(ratelimit.Authenticated, ratelimit.Rate{Limit: c.Limits.Authenticated, Window: c.Window})
		rates.Set(ratelimit.ServiceRole, ratelimit.Rate{Limit: c.Limits.ServiceRole, Window: c.Window})
	}
	return rates, problems
}

// recording bounds the writing of an audit record, which a refusal waits for.
const recording = time.Second

// recordViolation writes the audit record of a sample of refusals. They are
// refused whether or not it can be written.
func recordViolation(db *postgres.DB, logger *slog.Logger) func(context.Context, ratelimit.Violation) {
	return func(ctx context.Context, v ratelimit.Violation) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
		defer cancel()
		e := audit.By(v.Principal, v.Address, v.RequestID).Did(audit.RateLimited, "", id.UUID{},
			"bucket", v.Bucket.String(), "others", fmt.Sprint(v.Others))
		e.Failed = true
		if err := audit.Write(ctx, db.Single(), e); err != nil {
			logger.WarnContext(ctx, "a refusal by a rate limit is not in the audit log", slog.Any("error", err))
		}
	}
}

// countSweep is the job that removes counts that are over.
type countSweep struct{}

// Kind implements job.Args.
func (countSweep) Kind() string { return "rate_limits.sweep" }

const (
	countSweepInterval = time.Minute
	countSweepBatch    = 5000
)

func cleanCounts(jobs *job.Service, counts *database.Store) {
	job.Register(jobs, job.Kind[countSweep]{Timeout: countSweepInterval, Attempts: 1, Handle: func(ctx context.Context, _ countSweep) error {
		for {
			more, err := counts.Clean(ctx, countSweepBatch)
			if err != nil || !more {
				return err //nolint:wrapcheck // says what it was doing
			}
			if err := breathe(ctx); err != nil {
				return err
			}
		}
	}})
	job.Every[countSweep](jobs, countSweepInterval)
}

// limitAnswer is how long doctor waits, which is no request.
const limitAnswer = 2 * time.Second

// diagnoseLimits says whether requests are limited, and whether what counts them
// answers.
func diagnoseLimits(ctx context.Context, c *config.Config, db *postgres.DB) telemetry.Finding {
	const subject = "rate limits"
	if !c.RateLimit.Enabled {
		return telemetry.Finding{Severity: unlessDevelopment(c), Subject: subject, Detail: "Requests are not limited.", Fix: "ratelimit.enabled: true"}
	}
	if c.RateLimit.Backend == config.BackendMemory {
		return telemetry.Finding{Severity: telemetry.Fine, Subject: subject, Detail: "Each instance counts for itself."}
	}
	ctx, cancel := context.WithTimeout(ctx, limitAnswer)
	defer cancel()
	store, closes, err := sharedCounts(c, db)
	if err == nil {
		defer closes()
		_, _, err = store.Spend(ctx, ratelimit.Trial())
	}
	if err != nil {
		return telemetry.Finding{
			Severity: telemetry.Problem, Subject: subject, Detail: "The backend does not answer, and each instance counts for itself: " + err.Error(),
			Fix: "Check ratelimit.redis.url, and that Redis runs; for postgres, that the schema is up to date.",
		}
	}
	return telemetry.Finding{Severity: telemetry.Fine, Subject: subject, Detail: "The backend " + c.RateLimit.Backend + " answers."}
}

// unlessDevelopment is a warning where it matters.
func unlessDevelopment(c *config.Config) telemetry.Severity {
	if c.Environment == config.Development {
		return telemetry.Fine
	}
	return telemetry.Warning
}
