package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// otherMethod stands for every method that HTTP does not name, as the semantic
// conventions of OpenTelemetry have it.
const otherMethod = "_OTHER"

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// method is a method out of a closed list: that of a request is anything.
func method(of string) string {
	if slices.Contains(methods, of) {
		return of
	}
	return otherMethod
}

// class is the class of a status, out of a closed list.
func class(status int) string {
	if status < 100 || status > 599 {
		return "5xx"
	}
	return [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[status/100-1]
}

// observed are the metrics of a Server. Every label is out of a closed list:
// methods, the paths of routes as they are declared, classes of status.
type observed struct {
	durations *prometheus.HistogramVec
	active    prometheus.GaugeFunc
}

func (s *Server) newObserved() *observed {
	return &observed{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fluxbase_http_request_duration_seconds",
			Help:    "Time from the first byte of a request to the end of its answer, by method, path of the route and class of status; / is every path that there is not.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "status"}),
		active: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fluxbase_http_requests_in_flight", Help: "Requests that are being served.",
		}, func() float64 { return float64(s.Active()) }),
	}
}

// Describe implements prometheus.Collector. It comes after Handler.
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	s.observed.durations.Describe(ch)
	s.observed.active.Describe(ch)
}

// Collect implements prometheus.Collector.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	s.observed.durations.Collect(ch)
	s.observed.active.Collect(ch)
}

func (s *Server) measure(r *http.Request, route Route, status int, took time.Duration) {
	s.observed.durations.WithLabelValues(method(r.Method), route.Path, class(status)).Observe(took.Seconds())
}

// traceparent reads the fields of W3C Trace Context, and nothing else: no
// baggage.
var traceparent propagation.TraceContext

// begin begins the span of a request, where requests are traced. What the request
// says of a trace is taken for its parent only if the server trusts that; else
// the two are linked, and whether this one is recorded is decided here alone.
//
// No attribute holds what the caller chose: no path, query, address or agent.
func (s *Server) begin(r *http.Request, route Route) (*http.Request, trace.Span) {
	if s.Tracer == nil {
		return r, trace.SpanFromContext(r.Context()) // which records nothing
	}
	name := method(r.Method)
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", name), attribute.String("http.route", route.Path)),
	}
	ctx := r.Context()
	if said := traceparent.Extract(ctx, propagation.HeaderCarrier(r.Header)); s.TrustTraceparent {
		ctx = said
	} else if from := trace.SpanContextFromContext(said); from.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: from.WithTraceState(trace.TraceState{})}))
	}
	ctx, span := s.Tracer.Start(ctx, name+" "+route.Path, options...)
	return r.WithContext(ctx), span
}

// end ends the span of a request.
func (c *Call) end(span trace.Span, status int) {
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", status), attribute.String("fluxbase.request_id", c.RequestID),
			attribute.String("fluxbase.role", string(c.Principal.Role)))
		if c.code != "" {
			span.SetAttributes(attribute.String("error.type", c.code))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
