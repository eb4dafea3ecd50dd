package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// series returns the labels of the durations that a site has measured, and how
// many requests there were of each.
func series(t *testing.T, s *testSite) map[string]uint64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Server)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	for _, f := range families {
		if f.GetName() != "fluxbase_http_request_duration_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			found[strings.Join(labels, " ")] = m.GetHistogram().GetSampleCount()
		}
	}
	return found
}

// TestLabelsAreOurs asks with methods and paths that a caller makes up: none
// becomes a label, and there are no more series however many there are.
func TestLabelsAreOurs(t *testing.T) {
	t.Parallel()
	s := site(t)
	h := s.Handler(s.routes)
	for i := range 300 {
		made := strings.Repeat("x", i)
		for _, method := range []string{"GET", "POST", "PROPFIND", "X" + strings.ToUpper(made)} {
			for _, path := range []string{"/things/" + made, "/wp-admin/" + made, "//" + made, "/things", "/%0a%1b[31m" + made} {
				r := httptest.NewRequest(method, path, nil)
				r.Header.Set("X-Forwarded-For", made)
				r.Host = "evil" + made
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		}
	}
	got := series(t, s)
	if got["GET /things/{id} 2xx"] == 0 || got["_OTHER / 4xx"] == 0 || got["GET / 4xx"] == 0 {
		t.Errorf("control: %v", got)
	}
	for labels := range got {
		part := strings.Split(labels, " ")
		if !slices.Contains([]string{"GET", "POST", otherMethod}, part[0]) || !slices.Contains([]string{"/", "/things", "/things/{id}"}, part[1]) ||
			!slices.Contains([]string{"2xx", "4xx"}, part[2]) {
			t.Errorf("labels from outside: %q", labels)
		}
	}
	if len(got) > 3*3*2 {
		t.Errorf("%d series", len(got))
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{100: "1xx", 200: "2xx", 204: "2xx", 304: "3xx", 404: "4xx", 429: "4xx", 500: "5xx", 599: "5xx", 0: "5xx", 999: "5xx", -1: "5xx"} {
		if got := class(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}

// traced has a site record its spans.
func traced(t *testing.T, s *testSite, options ...sdktrace.TracerProviderOption) *tracetest.SpanRecorder {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	s.Tracer = sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(spans))...).Tracer("test")
	return spans
}

func attributesOf(span sdktrace.ReadOnlySpan) map[string]string {
	found := map[string]string{}
	for _, a := range span.Attributes() {
		found[string(a.Key)] = a.Value.String()
	}
	return found
}

// TestSpansOfRequests have what OpenTelemetry calls them, and nothing that the
// caller chose.
func TestSpansOfRequests(t *testing.T) {
	t.Parallel()
	s := site(t)
	spans := traced(t, s)
	const made = "hunter2"
	for _, method := range []string{"GET", "HUNTER2"} {
		s.do(method, "/things/"+made+"?q="+made, "User-Agent", made, "X-Forwarded-For", "203.0.113.9", "Host", made, "Baggage", "a="+made, "Traceparent", made)
	}
	s.handle = func(http.ResponseWriter, *http.Request, *Call) error { return errors.New(made) }
	failed := s.get("/things/" + made)
	s.handle = func(http.ResponseWriter, *http.Request, *Call) error { return fault.New(fault.Conflict, "taken", made) }
	s.get("/things/" + made)

	ended := spans.Ended()
	if len(ended) != 4 {
		t.Fatalf("%d spans", len(ended))
	}
	for i, want := range []struct {
		name, status, error string
		code                codes.Code
	}{
		{"GET /things/{id}", "200", "", codes.Unset},
		{"_OTHER /things/{id}", "405", "method_not_allowed", codes.Unset},
		{"GET /things/{id}", "500", "internal_error", codes.Error},
		{"GET /things/{id}", "409", "taken", codes.Unset},
	} {
		a := attributesOf(ended[i])
		if ended[i].Name() != want.name || a["http.response.status_code"] != want.status || a["error.type"] != want.error || ended[i].Status().Code != want.code ||
			a["http.route"] != "/things/{id}" || a["fluxbase.role"] != "anonymous" || a["fluxbase.request_id"] == "" {
			t.Errorf("%s: %v %v, want %v", ended[i].Name(), a, ended[i].Status(), want)
		}
		for name, value := range a {
			if strings.Contains(strings.ToLower(name+value), made) || strings.Contains(value, "203.0.113.9") {
				t.Errorf("%s: %s", name, value)
			}
		}
		if strings.Contains(ended[i].Status().Description, made) || len(ended[i].Events()) > 0 {
			t.Errorf("%v %v", ended[i].Status(), ended[i].Events())
		}
	}
	if a := attributesOf(ended[2]); a["fluxbase.request_id"] != failed.Header().Get("X-Request-Id") {
		t.Errorf("another request: %v", a)
	}
}

const (
	strangers = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampled   = "00-" + strangers + "-00f067aa0ba902b7-01"
	unsampled = "00-" + strangers + "-00f067aa0ba902b7-00"
)

// TestStrangersDoNotTrace sends the traceparent of another trace. It neither joins
// that, nor is recorded because of it, unless the server trusts who sends it.
func TestStrangersDoNotTrace(t *testing.T) {
	t.Parallel()
	never := sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample()))
	always := sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	for name, c := range map[string]struct {
		trust    bool
		sampler  sdktrace.TracerProviderOption
		said     string
		recorded bool
		joins    bool
	}{
		"forced":                   {false, never, sampled, false, false},
		"hidden":                   {false, always, unsampled, true, false},
		"linked":                   {false, always, sampled, true, false},
		"trusted, forced":          {true, never, sampled, true, true},
		"trusted, hidden":          {true, always, unsampled, false, true},
		"trusted, nothing is said": {true, always, "", true, false},
	} {
		s := site(t)
		s.TrustTraceparent = c.trust
		spans := traced(t, s, c.sampler)
		s.get("/things/1", "Traceparent", c.said, "Tracestate", "vendor=hunter2")
		ended := spans.Ended()
		if got := len(ended) == 1; got != c.recorded {
			t.Errorf("%s: recorded: %v", name, got)
			continue
		}
		if !c.recorded {
			continue
		}
		span := ended[0]
		if got := span.SpanContext().TraceID().String() == strangers; got != c.joins {
			t.Errorf("%s: joins: %v", name, got)
		}
		links := span.Links()
		if linked := len(links) == 1 && links[0].SpanContext.TraceID().String() == strangers && links[0].SpanContext.TraceState().Len() == 0; linked != (!c.joins && c.said != "") {
			t.Errorf("%s: links %v", name, links)
		}
	}
}

// TestUntracedCostsNothing counts what a span would allocate.
func TestUntracedCostsNothing(t *testing.T) { //nolint:paralleltest // allocations are counted
	s := site(t)
	r := httptest.NewRequest(http.MethodGet, "/things/1", nil)
	r.Header.Set("Traceparent", sampled)
	c := &Call{}
	if n := testing.AllocsPerRun(100, func() {
		same, span := s.begin(r, Route{Path: "/things/{id}"})
		if same != r {
			t.Error("the request is another")
		}
		c.end(span, http.StatusOK)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCodesThatAreMadeUp come from an application's SQL, and may be anything.
func TestCodesThatAreMadeUp(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"taken": "taken", "PGRST116": "PGRST116", "23505": "23505", marker + "@example.com": "other", "a\nSet-Cookie: b": "other", strings.Repeat("a", 65): "other",
	} {
		s := site(t)
		s.handle = func(http.ResponseWriter, *http.Request, *Call) error { return fault.New(fault.Conflict, code, "") }
		s.get("/things/1")
		if e := s.logged(t, "request"); len(e) != 1 || e[0]["error_code"] != want {
			t.Errorf("%q is logged as %v", code, e)
		}
	}
}
