package mail

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// counters are those of this instance.
type counters struct {
	results *prometheus.CounterVec
	oldest  prometheus.Gauge
	seen    atomic.Int64 // when oldest was read, in Unix seconds
}

func newCounters() *counters {
	c := &counters{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fluxbase_mail_messages_total", Help: "Messages that this instance has sent, or has given up, by kind.",
		}, []string{"kind", "result"}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fluxbase_mail_oldest_queued_seconds", Help: "The age of the oldest message that waits to be sent; 0 if none does.",
		}),
	}
	for _, k := range kinds {
		for _, result := range []Status{Sent, Failed, Expired} {
			c.results.WithLabelValues(string(k), string(result))
		}
	}
	return c
}

func (c *counters) count(k Kind, result Status) {
	c.results.WithLabelValues(string(k), string(result)).Inc()
}

// Describe implements prometheus.Collector.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	s.counters.results.Describe(ch)
	s.counters.oldest.Describe(ch)
}

// looking is the time to find the oldest message; asked for at most once in
// every interval.
const (
	looking      = 2 * time.Second
	lookInterval = 5 * time.Second
)

// Collect implements prometheus.Collector. A database that does not answer
// leaves the age as it was.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	now := s.now()
	seen := s.counters.seen.Load()
	if now.Sub(time.Unix(seen, 0)) >= lookInterval && s.counters.seen.CompareAndSwap(seen, now.Unix()) {
		ctx, cancel := context.WithTimeout(context.Background(), looking)
		defer cancel()
		if state, err := selectState(ctx, s.db.Single(), now, id.Mail{}); err == nil {
			s.counters.oldest.Set(max(now.Sub(state.oldest).Round(time.Millisecond), 0).Seconds())
		}
	}
	s.counters.results.Collect(ch)
	s.counters.oldest.Collect(ch)
}

const (
	failuresSince = 24 * time.Hour
	late          = 5 * time.Minute
)

// Findings says how mail is doing, as far as the database knows.
func Findings(ctx context.Context, db *postgres.DB, configured bool, now time.Time) ([]telemetry.Finding, error) {
	const subject, where = "mail", "fluxbase mail test --to ADDRESS shows where it fails; GET /api/v1/admin/mail has each message."
	if !configured {
		return []telemetry.Finding{{
			Severity: telemetry.Warning, Subject: subject, Detail: "No mail server is configured: no link, code or notice reaches anybody.",
			Fix: "Set mail.smtp.host and mail.from; docs/mail.md has the rest.",
		}}, nil
	}
	state, err := selectState(ctx, db.Single(), now, id.Mail(firstAt(now.Add(-failuresSince))))
	if err != nil {
		return nil, err
	}
	var found []telemetry.Finding
	because := ""
	if state.reason != "" {
		because = " The latest reason: " + state.reason
	}
	if age := now.Sub(state.oldest); age > late {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Problem, Subject: subject, Detail: fmt.Sprintf("A message has been waiting for %s.%s", age.Round(time.Second), because), Fix: where,
		})
	}
	if state.failed > 0 {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Warning, Subject: subject, Detail: fmt.Sprintf("%d messages have failed in the last 24 hours.%s", state.failed, because), Fix: where,
		})
	}
	if len(found) == 0 {
		found = append(found, telemetry.Finding{Severity: telemetry.Fine, Subject: subject, Detail: "No message waits, and none has failed lately."})
	}
	return found, nil
}
