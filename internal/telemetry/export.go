package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fluxbase/fluxbase/internal/id"
)

// Export sends traces and metrics to a collector, as the standard variables
// OTEL_* say (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
// Where they say nothing it does nothing and costs nothing. What cannot be sent
// is dropped; nothing ever waits for it.
type Export struct {
	Tracer trace.Tracer // nil: nothing is traced

	resource *resource.Resource
	metrics  bool
	closes   []func(context.Context) error
}

// Variables are the environment: it returns "" for what is not set.
type Variables func(name string) string

// OpenExport reads what is to be sent where. A value of a variable that cannot
// be followed is an error: silence would look like a system without traffic.
func OpenExport(ctx context.Context, get Variables, version string, now time.Time, logger *slog.Logger) (*Export, error) {
	e := &Export{}
	if strings.EqualFold(strings.TrimSpace(get("OTEL_SDK_DISABLED")), "true") {
		return e, nil
	}
	traces, err := wanted(get, "TRACES")
	if err != nil {
		return nil, err
	}
	if e.metrics, err = wanted(get, "METRICS"); err != nil || !traces && !e.metrics {
		return e, err
	}
	otel.SetErrorHandler(&complaints{logger: logger})
	otel.SetLogger(logr.FromSlogHandler(logger.Handler()))
	e.resource, err = resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "fluxbase"), attribute.String("service.version", version),
			attribute.String("service.instance.id", id.New(now).String())),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if traces {
		return e, e.openTraces(ctx, get)
	}
	return e, nil
}

// wanted says whether a signal is to be sent: if its exporter or an address is
// named.
func wanted(get Variables, signal string) (bool, error) {
	first := func(names ...string) (name, value string) {
		for _, name = range names {
			if value = strings.TrimSpace(get(name)); value != "" {
				return name, value
			}
		}
		return "", ""
	}
	name, exporter := first("OTEL_" + signal + "_EXPORTER")
	_, endpoint := first("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	switch {
	case exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("%s takes otlp or none", name)
	}
	if name, protocol := first("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("%s takes http/protobuf", name)
	}
	return true, nil
}

var samplers = []string{"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// openTraces begins to send spans. The SDK reads the variables about samplers,
// batches and limits itself.
func (e *Export) openTraces(ctx context.Context, get Variables) error {
	if !slices.Contains(samplers, get("OTEL_TRACES_SAMPLER")) {
		return errors.New("OTEL_TRACES_SAMPLER takes " + strings.Join(samplers[1:], ", "))
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("preparing to send traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(e.resource))
	e.Tracer = provider.Tracer("fluxbase")
	e.closes = append(e.closes, provider.Shutdown)
	return nil
}

// Metrics begins to send what a registry has, from time to time, if that was
// asked for. It is called once.
func (e *Export) Metrics(ctx context.Context, from prometheus.Gatherer) error {
	if !e.metrics {
		return nil
	}
	exporter, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return fmt.Errorf("preparing to send metrics: %w", err)
	}
	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(from))))
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(e.resource))
	e.closes = append(e.closes, provider.Shutdown)
	return nil
}

// closing bounds the sending of what is left when the server ends.
const closing = 3 * time.Second

// Close sends what is left, within three seconds, and ends. The zero value and
// nil have nothing to send.
func (e *Export) Close(ctx context.Context) {
	if e == nil || len(e.closes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	for _, ends := range e.closes {
		if err := ends(ctx); err != nil {
			otel.Handle(err)
		}
	}
	e.closes = nil
}

// complaining is how often a failure to send is logged.
const complaining = time.Minute

// complaints are the failures of the SDK, of which one a minute is logged.
type complaints struct {
	logger *slog.Logger
	next   atomic.Int64 // in Unix nanoseconds
	others atomic.Int64
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	now := time.Now() //nolint:forbidigo // how often to log
	next := c.next.Load()
	if now.UnixNano() < next || !c.next.CompareAndSwap(next, now.Add(complaining).UnixNano()) {
		c.others.Add(1)
		return
	}
	c.logger.Warn("traces or metrics are not delivered", slog.Any("error", err), slog.Int64("others", c.others.Swap(0)))
}
