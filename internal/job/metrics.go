package job

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// The results of an attempt.
const (
	resultDone   = "done"
	resultFailed = "failed" // and is tried again
	resultGaveUp = "gave_up"
)

// measured are the metrics of a queue, as far as this instance works it.
type measured struct {
	attempts *prometheus.CounterVec
	seconds  *prometheus.CounterVec
	running  prometheus.Gauge
	oldest   *telemetry.Sampled
	started  atomic.Bool
}

func newMeasured(db *postgres.DB, now func() time.Time) *measured {
	return &measured{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fluxbase_job_attempts_total", Help: "Attempts at jobs that this instance has made, by kind and result.",
		}, []string{"kind", "result"}),
		seconds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fluxbase_job_seconds_total", Help: "Time that attempts at jobs have taken, by kind.",
		}, []string{"kind"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "fluxbase_jobs_running", Help: "Jobs that this instance is working."}),
		oldest: telemetry.NewSampled("fluxbase_jobs_oldest_due_seconds", "For how long the job has been due that waits longest; 0 if none is.", now,
			func(ctx context.Context) (float64, error) {
				at := now()
				oldest, err := selectOldest(ctx, db, at)
				return telemetry.Age(at, oldest), err
			}),
	}
}

// know makes the series of a kind: a rate needs the zero.
func (m *measured) know(kind string) {
	for _, result := range []string{resultDone, resultFailed, resultGaveUp} {
		m.attempts.WithLabelValues(kind, result)
	}
	m.seconds.WithLabelValues(kind)
}

func (m *measured) parts() []prometheus.Collector {
	return []prometheus.Collector{m.attempts, m.seconds, m.running, m.oldest}
}

// Describe implements prometheus.Collector.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range s.measured.parts() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	for _, c := range s.measured.parts() {
		c.Collect(ch)
	}
}

// ErrNotWorked means that this instance does not work the queue.
var ErrNotWorked = errors.New("the queue has not been started")

// Ready says whether this instance works the queue. It returns ErrNotWorked if it
// does not.
func (s *Service) Ready(context.Context) error {
	if !s.measured.started.Load() {
		return ErrNotWorked
	}
	return nil
}

// observe begins an attempt, and returns what ends it. Arguments of a job are no
// part of its span.
func (s *Service) observe(ctx context.Context, row *rivertype.JobRow) (context.Context, func(error)) {
	began := s.now()
	s.measured.running.Inc()
	span := trace.SpanFromContext(ctx)
	if s.Tracer != nil {
		ctx, span = s.Tracer.Start(ctx, "job "+row.Kind, trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(attribute.String("fluxbase.job.kind", row.Kind), attribute.Int("fluxbase.job.attempt", row.Attempt)))
	}
	return ctx, func(err error) {
		s.measured.running.Dec()
		s.measured.attempts.WithLabelValues(row.Kind, result(row, err)).Inc()
		s.measured.seconds.WithLabelValues(row.Kind).Add(s.now().Sub(began).Seconds())
		if s.Tracer == nil {
			return
		}
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

func result(row *rivertype.JobRow, err error) string {
	switch {
	case err == nil:
		return resultDone
	case isPermanent(err) || row.Attempt >= row.MaxAttempts:
		return resultGaveUp
	default:
		return resultFailed
	}
}
