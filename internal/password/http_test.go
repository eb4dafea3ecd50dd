package password

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/outbound"
)

// counts returns how many checks there were of each result.
func counts(t *testing.T, b *Breaches) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(b); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "fluxbase_password_breach_checks_total" {
		t.Fatalf("%v, %v", families, err)
	}
	all := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		if m.GetCounter().GetValue() > 0 {
			all[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return all
}

// The SHA-1 of "correct horse" is 2F9E53523B62ABC141A2B4D6019D23CBA835DBD0 (sha1sum).
const (
	breachPrefix = "2F9E5"
	breachSuffix = "3523B62ABC141A2B4D6019D23CBA835DBD0"
)

func TestBreaches(t *testing.T) {
	t.Parallel()
	const others = "0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n" + "FFFFF5C4D1DEF81644B54AB7F969B88D651:0\r\n"
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"breached":             {200, others + breachSuffix + ":12\r\n", resultBreached},
		"breached, at the end": {200, others + breachSuffix + ":1", resultBreached},
		"in lower case":        {200, strings.ToLower(breachSuffix) + ":1\n", resultBreached},
		"others":               {200, others, resultUnknown},
		"padding":              {200, others + breachSuffix + ":0\r\n", resultUnknown},
		"nothing":              {200, "", resultUnknown},
		"no answer to this":    {404, breachSuffix + ":1", resultUnanswered},
		"refused":              {429, "", resultUnanswered},
		"down":                 {503, "", resultUnanswered},
		"elsewhere":            {302, "", resultUnanswered},
		"endless":              {200, strings.Repeat(others, 1<<15), resultUnanswered},
	} {
		var asked *http.Request
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r
			w.Header().Set("Location", "/")
			w.WriteHeader(c.status)
			_, _ = fmt.Fprint(w, c.body)
		}))
		var log bytes.Buffer
		s := newService(t, 1, 0)
		s.Breaches = NewBreaches(outbound.New(outbound.Options{AllowPrivate: true}), service.URL+"/range", slog.New(slog.NewTextHandler(leaktest.Tee(&log), nil)))
		got := details(t, s.Check(context.Background(), "/password", "correct horse"))
		service.Close()
		var want []string
		if c.want == resultBreached {
			want = []string{breached}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(map[string]float64{c.want: 1}, counts(t, s.Breaches)); diff != "" {
			t.Errorf("%s: counted (-want +got):\n%s", name, diff)
		}
		if (log.Len() > 0) != (c.want == resultUnanswered) || strings.Contains(log.String(), breachPrefix) {
			t.Errorf("%s: the log says %q", name, log.String())
		}
		if asked.Method != http.MethodGet || asked.URL.Path != "/range/"+breachPrefix || asked.URL.RawQuery != "" || asked.Header.Get("Add-Padding") != "true" {
			t.Errorf("%s: asked %s %s %v", name, asked.Method, asked.URL, asked.Header)
		}
	}
}

// TestBreachesUnreachable has nobody listening, and a caller who has left while
// the service hangs: neither may take longer than the caller does.
func TestBreachesUnreachable(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(hanging)
		<-r.Context().Done()
	}))
	defer service.Close()
	nobody := httptest.NewServer(nil)
	nobody.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-hanging; cancel() }()
	for _, url := range []string{nobody.URL, service.URL} {
		var log bytes.Buffer
		b := NewBreaches(outbound.New(outbound.Options{AllowPrivate: true}), url, slog.New(slog.NewTextHandler(leaktest.Tee(&log), nil)))
		if b.has(ctx, "correct horse") || log.Len() == 0 || strings.Contains(log.String(), breachPrefix) {
			t.Errorf("%s: %s", url, log.String())
		}
		if diff := cmp.Diff(map[string]float64{resultUnanswered: 1}, counts(t, b)); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
	}
}

// TestBreachesAreBounded looks at the deadline of a request.
func TestBreachesAreBounded(t *testing.T) {
	t.Parallel()
	bounded := false
	b := NewBreaches(clientFunc(func(r *http.Request) (*http.Response, error) {
		deadline, limited := r.Context().Deadline()
		bounded = limited && time.Until(deadline) <= 2*time.Second
		return nil, context.DeadlineExceeded
	}), "http://127.0.0.1/range/", slog.New(slog.DiscardHandler))
	if b.has(context.Background(), "correct horse") || !bounded {
		t.Errorf("bounded %v", bounded)
	}
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// What is refused anyway is nobody else's business.
func TestBreachesAreNotAskedAboutWeakPasswords(t *testing.T) {
	t.Parallel()
	asked := 0
	s := newService(t, 1, 0)
	s.Breaches = NewBreaches(clientFunc(func(*http.Request) (*http.Response, error) {
		asked++
		return nil, context.DeadlineExceeded
	}), "http://127.0.0.1/range/", slog.New(slog.DiscardHandler))
	for _, password := range []string{"short", "password", "ada@example.com", strings.Repeat("x", 73)} {
		if s.Check(context.Background(), "/password", password, "ada@example.com") == nil {
			t.Errorf("%q is accepted", password)
		}
	}
	if asked != 0 {
		t.Errorf("asked %d times", asked)
	}
	if err := s.Check(context.Background(), "/password", "correct horse"); err != nil || asked != 1 {
		t.Errorf("control: %v, asked %d times", err, asked)
	}
}
