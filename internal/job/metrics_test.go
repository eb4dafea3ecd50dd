package job_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/pgtest"
)

// TestAttemptsAreCounted by result, and are traces of their own without what they
// are about. One that panics counts too.
func TestAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	db, ran := pgtest.New(t), make(chan string, 10)
	s, _ := queue(t, db.DB, job.Kind[note]{Attempts: 2, Pause: time.Millisecond, Handle: func(ctx context.Context, n note) error {
		ran <- trace.SpanContextFromContext(ctx).TraceID().String()
		switch n.Text {
		case "panics":
			panic("hunter2")
		case "fails":
			return errors.New("hunter2")
		case "is over":
			return job.Permanent(errors.New("hunter2"))
		}
		return nil
	}})
	spans := tracetest.NewSpanRecorder()
	s.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
	if err := s.Ready(t.Context()); !errors.Is(err, job.ErrNotWorked) {
		t.Errorf("before it runs: %v", err)
	}
	insert(t, db.DB, s, "hunter2", "")
	db.Exec(t, "update auth.river_job set scheduled_at = now() - interval '1 minute'")
	if due := dueFor(t, s); due < 60 || due > 120 {
		t.Errorf("due for a minute: %v", due)
	}
	stop := run(t, s)
	receive(t, ran)
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	traces := map[string]bool{}
	for text, attempts := range map[string]int{"panics": 2, "fails": 2, "is over": 1} {
		insert(t, db.DB, s, text, "")
		for range attempts {
			traces[receive(t, ran)] = true
		}
	}
	stop()
	const want = `
# HELP fluxbase_job_attempts_total Attempts at jobs that this instance has made, by kind and result.
# TYPE fluxbase_job_attempts_total counter
fluxbase_job_attempts_total{kind="test.note",result="done"} 1
fluxbase_job_attempts_total{kind="test.note",result="failed"} 2
fluxbase_job_attempts_total{kind="test.note",result="gave_up"} 3
# HELP fluxbase_jobs_running Jobs that this instance is working.
# TYPE fluxbase_jobs_running gauge
fluxbase_jobs_running 0
`
	if err := testutil.CollectAndCompare(s, strings.NewReader(want), "fluxbase_job_attempts_total", "fluxbase_jobs_running"); err != nil {
		t.Error(err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, job.ErrNotWorked) {
		t.Errorf("after its end: %v", err)
	}
	failed := 0
	for _, span := range spans.Ended() {
		if span.Name() != "job test.note" || span.Parent().IsValid() || span.Status().Description != "" || len(span.Events()) > 0 {
			t.Errorf("%s %v %v", span.Name(), span.Status(), span.Events())
		}
		if span.Status().Code == codes.Error {
			failed++
		}
		for _, a := range span.Attributes() {
			if strings.Contains(a.Value.String(), "hunter2") {
				t.Errorf("%v", a)
			}
		}
	}
	if len(traces) != 5 || failed != 5 || len(spans.Ended()) != 6 {
		t.Errorf("%d traces, %d spans, %d of them failed", len(traces), len(spans.Ended()), failed)
	}
}

// dueFor is for how long the oldest job has been due, as a scrape has it.
func dueFor(t *testing.T, s *job.Service) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(s)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "fluxbase_jobs_oldest_due_seconds" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no such metric")
	return 0
}
