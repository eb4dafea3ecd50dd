package server_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// measured is a server that has every metric there is.
func measured(t *testing.T) *servertest.Server {
	t.Helper()
	return servertest.New(t, append(limits("limits.anonymous", "1000000"), servertest.With("ratelimit.backend", "postgres"),
		servertest.With("auth.password_breach_check", "true"), servertest.With("auth.password_breach_url", "http://127.0.0.1:1/"))...)
}

// metric is what the page of documentation says of a metric.
type metric struct{ name, kind, labels, help string }

var descriptor = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", (?:unit: "[^"]*", )?constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)

// metrics are those of a registry: everything that its collectors describe,
// whether or not there is a value of it yet.
func metrics(t *testing.T, r *prometheus.Registry) []metric {
	t.Helper()
	kinds := map[string]dto.MetricType{}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		kinds[f.GetName()] = f.GetType()
	}
	descriptions := make(chan *prometheus.Desc, 1000)
	r.Describe(descriptions)
	close(descriptions)
	var found []metric
	for d := range descriptions {
		m := descriptor.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("not read: %s", d)
		}
		if !strings.HasPrefix(m[1], "fluxbase_") {
			continue
		}
		kind, known := kinds[m[1]]
		if !known { // it has no value yet
			kind = dto.MetricType_GAUGE
		}
		var labels []string
		for _, label := range regexp.MustCompile(`[a-z_]+`).FindAllString(regexp.MustCompile(`="[^"]*"`).ReplaceAllString(m[3], "")+" "+m[4], -1) {
			labels = append(labels, "`"+label+"`")
		}
		found = append(found, metric{m[1], strings.ToLower(kind.String()), strings.Join(labels, ", "), m[2]})
	}
	slices.SortFunc(found, func(a, b metric) int { return cmp.Compare(a.name, b.name) })
	return slices.Compact(found)
}

const metricsPreface = `# Metrics

<!-- Made from what the parts of the server describe by: go test ./internal/server -run TestMetricsReference -update -->

GET /metrics on ` + "`server.admin_address`" + `, in the formats of Prometheus; the same over OTLP. [Observability](../operations/observability.md) has how, and what
to watch. Every label is out of a closed list: none has a value that a request, a user or a row brings along. Beside
these there are those of the Go runtime (` + "`go_*`" + `) and the process (` + "`process_*`" + `). What an instance does not do it does not have: limits that are
off, a check that is not made.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
`

// TestMetricsReference holds the page of documentation against what there is, both
// ways, and the names against the conventions of Prometheus.
func TestMetricsReference(t *testing.T) {
	t.Parallel()
	s := measured(t)
	s.SignUp()
	found := metrics(t, s.Registry())
	page := metricsPreface
	for _, m := range found {
		page += fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, m.help)
		if !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: no sentence: %q", m.name, m.help)
		}
		if (m.kind == "counter") != strings.HasSuffix(m.name, "_total") {
			t.Errorf("%s is a %s", m.name, m.kind)
		}
		for _, unit := range []string{"milliseconds", "_ms", "_minutes", "kilobytes", "percent"} {
			if strings.Contains(m.name, unit) {
				t.Errorf("%s is not in a base unit", m.name)
			}
		}
	}
	if len(found) < 30 {
		t.Errorf("control: %d metrics", len(found))
	}
	path := filepath.Join(pgtest.Root(), "docs", "reference", "metrics.md")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(path); err != nil || string(kept) != page {
		t.Errorf("docs/reference/metrics.md is out of date; run: make generate (%v)", err)
	}
}

// labelled are the values of labels that a server has, by metric and label, and how
// many series there are.
func labelled(t *testing.T, r *prometheus.Registry) (values map[string]bool, series int) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values = map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			series++
			for _, l := range m.GetLabel() {
				values[f.GetName()+" "+l.GetName()+" "+l.GetValue()] = true
			}
		}
	}
	return values, series
}

// TestLabelsStayOurs has callers send what they like in every place that they can:
// it adds no series to those that well-behaved callers make, and none has a word of
// theirs.
func TestLabelsStayOurs(t *testing.T) {
	t.Parallel()
	s := measured(t)
	p := s.SignUp()
	attack := func(word string) {
		fields := []string{
			"User-Agent", word, "X-Request-Id", word, "Origin", "https://" + word, "Accept-Language", word, "Prefer", word, "X-Client-Info", word,
			"Content-Profile", word, "Accept-Profile", word, "Traceparent", word, "X-Forwarded-For", word, "X-HTTP-Method-Override", word,
		}
		for _, bearer := range []string{"", p.Access, word, s.ServiceKey} {
			for _, method := range []string{"GET", "POST", "PATCH", "DELETE", "OPTIONS", strings.ToUpper(word)} {
				for _, path := range []string{"/" + word, "/api/v1/tables/" + word, "/api/v1/rpc/" + word, "/api/v1/auth/sessions/" + word, "/api/v1/admin/users/" + word + "?" + word + "=1"} {
					s.Do(method, path, bearer, `{"`+word+`":1}`, fields...)
				}
			}
		}
		s.Do("POST", "/api/v1/auth/signin", "", `{"email":"`+word+`@example.com","password":"`+word+word+`"}`)
		s.Do("POST", "/api/v1/auth/magiclink/verify", "", `{"token":"`+word+`"}`)
		s.Do("POST", "/api/v1/auth/2fa/verify", "", `{"mfa_token":"`+word+`","code":"`+word+`"}`)
		s.Do("POST", "/api/v1/auth/signup", "", `{"email":"x`+word+`@example.com","password":"`+word+`-quite-long"}`)
	}
	attack("firstword")
	_, before := labelled(t, s.Registry())
	for _, word := range []string{"secondword", "thirdword", "fourthword"} {
		attack(word)
	}
	values, after := labelled(t, s.Registry())
	if after != before {
		t.Errorf("%d series became %d", before, after)
	}
	for v := range values {
		if strings.Contains(strings.ToLower(v), "word ") || regexp.MustCompile(`(?i)(first|second|third|fourth)word`).MatchString(v) || strings.Contains(v, p.ID) || strings.Contains(v, "127.0.0.1") {
			t.Errorf("from outside: %s", v)
		}
	}
	for _, want := range []string{
		"fluxbase_http_request_duration_seconds method _OTHER", "fluxbase_http_request_duration_seconds route /api/v1/auth/signin",
		"fluxbase_sign_ins_total outcome rejected", "fluxbase_db_pool_connections_in_use pool authenticated",
	} {
		if !values[want] {
			t.Errorf("control: %s is not there", want)
		}
	}
}

// TestSignInsAreCounted by their method and outcome.
func TestSignInsAreCounted(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.SignUp()
	s.Do("POST", "/api/v1/auth/signin", "", `{"email":"`+p.Email+`","password":"`+servertest.Password+`"}`)
	s.Do("POST", "/api/v1/auth/signin", "", `{"email":"`+p.Email+`","password":"not-that-one"}`)
	s.Do("POST", "/api/v1/auth/signin", "", `{"email":"nobody@example.com","password":"not-that-one"}`)
	s.Do("POST", "/api/v1/auth/magiclink/verify", "", `{"token":"nothing"}`)
	s.Do("POST", "/api/v1/auth/anonymous", "", "")
	s.DB.Exec(t, "alter table auth.sessions rename to gone")
	s.Do("POST", "/api/v1/auth/signin", "", `{"email":"`+p.Email+`","password":"`+servertest.Password+`"}`)
	got := map[string]float64{}
	families, err := s.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fluxbase_sign_ins_total" && m.GetCounter().GetValue() > 0 {
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{"sign_up success": 1, "password success": 1, "password rejected": 2, "magic_link rejected": 1, "anonymous success": 1, "password error": 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
