package server_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracesv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// collector receives OTLP over HTTP.
type collector struct {
	*httptest.Server

	mu       sync.Mutex
	resource map[string]string
	spans    []*tracev1.Span
	metrics  map[string]bool
	text     []byte // all that came, as it came
	wrong    []string
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{metrics: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text = append(c.text, body...)
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("X-Collector-Key") != "a key" {
			c.wrong = append(c.wrong, r.URL.Path)
		}
		switch r.URL.Path {
		case "/v1/traces":
			var in tracesv1.ExportTraceServiceRequest
			if err := proto.Unmarshal(body, &in); err != nil {
				c.wrong = append(c.wrong, err.Error())
			}
			for _, r := range in.GetResourceSpans() {
				c.resource = attributes(r.GetResource().GetAttributes())
				for _, s := range r.GetScopeSpans() {
					c.spans = append(c.spans, s.GetSpans()...)
				}
			}
		case "/v1/metrics":
			var in metricsv1.ExportMetricsServiceRequest
			if err := proto.Unmarshal(body, &in); err != nil {
				c.wrong = append(c.wrong, err.Error())
			}
			for _, r := range in.GetResourceMetrics() {
				for _, s := range r.GetScopeMetrics() {
					for _, m := range s.GetMetrics() {
						c.metrics[m.GetName()] = true
					}
				}
			}
		case "/range/", "/range/00000":
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func attributes(list []*commonv1.KeyValue) map[string]string {
	found := map[string]string{}
	for _, a := range list {
		found[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return found
}

// named returns the spans of a name.
func (c *collector) named(name string) []*tracev1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*tracev1.Span
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

var traceID = regexp.MustCompile(`trace_id=([0-9a-f]{32})`)

// TestCollector sends traces and metrics to a collector, as the standard variables
// say, and nothing that is anybody's.
func TestCollector(t *testing.T) { //nolint:paralleltest // it sets the environment
	c := collect(t)
	breaches := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(breaches.Close)
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=a%20key",
		"OTEL_SERVICE_NAME": "sign-in", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test", "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "100",
	} {
		t.Setenv(name, value)
	}
	s := servertest.New(t, servertest.With("auth.password_breach_check", "true"), servertest.With("auth.password_breach_url", breaches.URL))
	s.DB.Exec(t, `create table public.notes (id int primary key, text text); alter table public.notes enable row level security;
		create policy own on public.notes to authenticated using (true) with check (true); grant select, insert on public.notes to authenticated`)
	p := s.SignUp()
	await(t, "the table", func() bool { return s.Do("GET", "/api/v1/tables/notes?text=eq.hunter2", p.Access, "").Status == 200 })
	s.Do("POST", "/api/v1/tables/notes", p.Access, `{"id":1,"text":"hunter2"}`)
	s.Do("POST", "/api/v1/tables/notes", p.Access, `{"id":1,"text":"hunter2"}`) // a conflict
	s.Do("POST", "/api/v1/auth/magiclink", "", `{"email":"`+p.Email+`"}`)
	await(t, "a job", func() bool { return len(c.named("job mail.send")) > 0 })
	await(t, "metrics", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.metrics["fluxbase_http_request_duration_seconds"] && c.metrics["fluxbase_sign_ins_total"] && c.metrics["go_goroutines"]
	})
	s.Stop() // sends the rest

	signUp := c.named("POST /api/v1/auth/signup")
	if len(signUp) != 1 {
		t.Fatalf("%d spans of the sign-up", len(signUp))
	}
	children := map[string]int{}
	for _, span := range c.spans {
		if string(span.GetTraceId()) == string(signUp[0].GetTraceId()) && string(span.GetParentSpanId()) == string(signUp[0].GetSpanId()) {
			children[span.GetName()]++
		}
	}
	if children["BEGIN"] != 1 || children["COMMIT"] != 1 || children["INSERT"] == 0 || children["GET"] != 1 {
		t.Errorf("within the sign-up: %v", children)
	}
	var conflicts, mails int
	for _, span := range c.spans {
		a := attributes(span.GetAttributes())
		if a["db.system.name"] == "postgresql" && a["db.response.status_code"] == "23505" && a["fluxbase.role"] == "authenticated" && strings.Contains(a["db.query.text"], "notes") {
			conflicts++
		}
		if span.GetName() == "mail" {
			mails++
		}
	}
	if conflicts != 1 || mails != 1 {
		t.Errorf("%d conflicts, %d mails", conflicts, mails)
	}
	if c.resource["service.name"] != "sign-in" || c.resource["deployment.environment"] != "test" || c.resource["service.version"] == "" || c.resource["service.instance.id"] == "" {
		t.Errorf("resource %v", c.resource)
	}
	if len(c.wrong) > 0 {
		t.Errorf("wrong: %q", c.wrong)
	}
	for name, value := range map[string]string{
		"a value of a row": "hunter2", "address": p.Email, "password": servertest.Password, "access token": p.Access, "refresh token": p.Refresh, "user": p.ID, "session": p.Session,
		"client": "127.0.0.1", "key": s.ServiceKey,
	} {
		if name != "client" && strings.Contains(string(c.text), value) {
			t.Errorf("the collector has the %s", name)
		}
		for _, span := range c.spans {
			for k, v := range attributes(span.GetAttributes()) {
				if strings.Contains(v, value) && k != "server.address" {
					t.Errorf("%s has the %s", k, name)
				}
			}
		}
	}
	found := map[string]bool{}
	for _, m := range traceID.FindAllStringSubmatch(s.LogText(), -1) {
		found[m[1]] = true
	}
	if len(found) < 4 {
		t.Errorf("traces in the log: %v", slices.Collect(maps.Keys(found)))
	}
}

// TestCollectorThatDoesNotAnswer costs nobody anything: requests are answered, and
// the server ends.
func TestCollectorThatDoesNotAnswer(t *testing.T) {
	over := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-over
	}))
	defer hangs.Close()
	defer close(over)
	gone := httptest.NewServer(nil)
	gone.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	defer refuses.Close()
	for name, url := range map[string]string{"hangs": hangs.URL, "gone": gone.URL, "refuses": refuses.URL} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
			t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
			t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
			t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
			s := servertest.New(t)
			p := s.SignUp()
			for range 100 {
				if a := s.Do("GET", "/api/v1/auth/user", p.Access, ""); a.Status != 200 {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
			}
			if name == "refuses" {
				await(t, "a word about it", func() bool { return strings.Contains(s.LogText(), "traces or metrics are not delivered") })
			}
			s.Stop()
			if n := strings.Count(s.LogText(), "traces or metrics are not delivered"); n > 1 {
				t.Errorf("said %d times", n)
			}
		})
	}
}
