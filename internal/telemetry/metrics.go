package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewMetrics returns a registry with what every program of ours measures: the
// runtime, the process and the version.
func NewMetrics(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fluxbase_build_info", Help: "1, with the version of the program.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return r
}

// MetricsHandler serves a registry in the formats of Prometheus. What cannot be
// collected is logged and left out.
func MetricsHandler(r *prometheus.Registry, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
}

// A look at the database for a metric takes looking at most, and there is one in
// every lookInterval at most, however often metrics are asked for.
const (
	looking      = 2 * time.Second
	lookInterval = 5 * time.Second
)

// Sampled is a gauge whose value is read from the database now and then. Make one
// with NewSampled. It implements prometheus.Collector.
type Sampled struct {
	gauge prometheus.Gauge
	now   func() time.Time
	read  func(context.Context) (float64, error)
	seen  atomic.Int64 // when it was read, in Unix seconds
}

// NewSampled returns a gauge that has not been read yet, and is 0. A read that
// fails leaves it as it was.
func NewSampled(name, help string, now func() time.Time, read func(context.Context) (float64, error)) *Sampled {
	return &Sampled{gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}), now: now, read: read}
}

// Describe implements prometheus.Collector.
func (s *Sampled) Describe(ch chan<- *prometheus.Desc) { s.gauge.Describe(ch) }

// Collect implements prometheus.Collector.
func (s *Sampled) Collect(ch chan<- prometheus.Metric) {
	now := s.now()
	seen := s.seen.Load()
	if now.Sub(time.Unix(seen, 0)) >= lookInterval && s.seen.CompareAndSwap(seen, now.Unix()) {
		ctx, cancel := context.WithTimeout(context.Background(), looking)
		defer cancel()
		if value, err := s.read(ctx); err == nil {
			s.gauge.Set(value)
		}
	}
	s.gauge.Collect(ch)
}

// Age is the time since an instant in seconds, to the millisecond; 0 for none,
// and for one that is to come.
func Age(now, since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(now.Sub(since).Round(time.Millisecond), 0).Seconds()
}
