package telemetry

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// opened is what variables ask for.
func opened(t *testing.T, variables ...string) (*Export, error) {
	t.Helper()
	given := map[string]string{}
	for i := 0; i+1 < len(variables); i += 2 {
		given[variables[i]] = variables[i+1]
	}
	e, err := OpenExport(t.Context(), func(name string) string { return given[name] }, "1", time.Now(), slog.New(slog.DiscardHandler))
	if err == nil {
		t.Cleanup(func() { e.Close(t.Context()) })
	}
	return e, err
}

// TestWhatIsSent follows the variables of the specification.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	const endpoint, at = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"
	for _, c := range []struct {
		variables       []string
		traces, metrics bool
	}{
		{nil, false, false},
		{[]string{endpoint, at}, true, true},
		{[]string{endpoint, at, "OTEL_SDK_DISABLED", "true"}, false, false},
		{[]string{endpoint, at, "OTEL_SDK_DISABLED", "TRUE"}, false, false},
		{[]string{endpoint, at, "OTEL_SDK_DISABLED", "false"}, true, true},
		{[]string{endpoint, at, "OTEL_TRACES_EXPORTER", "none"}, false, true},
		{[]string{endpoint, at, "OTEL_METRICS_EXPORTER", "none"}, true, false},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", at}, true, false},
		{[]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", at}, false, true},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp"}, true, false},
		{[]string{"OTEL_METRICS_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"}, false, true},
		{[]string{endpoint, at, "OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, false, false},
	} {
		e, err := opened(t, c.variables...)
		if err != nil || (e.Tracer != nil) != c.traces || e.metrics != c.metrics {
			t.Errorf("%q: traces %v, metrics %v, %v", c.variables, e.Tracer != nil, e.metrics, err)
		}
	}
}

// TestWhatCannotBeFollowed is refused, by the name of the variable.
func TestWhatCannotBeFollowed(t *testing.T) {
	t.Parallel()
	for _, variables := range [][]string{
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
		{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"},
		{"OTEL_TRACES_EXPORTER", "zipkin"},
		{"OTEL_METRICS_EXPORTER", "prometheus"},
		{"OTEL_TRACES_SAMPLER", "sometimes"},
	} {
		_, err := opened(t, append(variables, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")...)
		if err == nil || !strings.Contains(err.Error(), variables[0]) || strings.Contains(err.Error(), variables[1]+" ") {
			t.Errorf("%q: %v", variables, err)
		}
	}
}

// TestOffIsNothing has nothing to send and nothing to end.
func TestOffIsNothing(t *testing.T) {
	t.Parallel()
	e, err := opened(t)
	if err != nil || e.Tracer != nil || len(e.closes) != 0 || e.Metrics(t.Context(), nil) != nil {
		t.Errorf("%+v, %v", e, err)
	}
	(*Export)(nil).Close(t.Context())
}
