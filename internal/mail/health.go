package mail

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// counters are those of this instance.
type counters struct {
	results *prometheus.CounterVec
	oldest  *telemetry.Sampled
}

func newCounters(db *postgres.DB, now func() time.Time) *counters {
	c := &counters{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fluxbase_mail_messages_total", Help: "Messages that this instance has sent, or has given up, by kind.",
		}, []string{"kind", "result"}),
		oldest: telemetry.NewSampled("fluxbase_mail_oldest_queued_seconds", "The age of the oldest message that waits to be sent; 0 if none does.", now,
			func(ctx context.Context) (float64, error) {
				at := now()
				state, err := selectState(ctx, db.Single(), at, id.Mail{})
				return telemetry.Age(at, state.oldest), err
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

// Collect implements prometheus.Collector.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
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
