package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/ratelimit/redistest"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/servertest"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// TestViolationsAreRecorded counts all, and records a sample.
func TestViolationsAreRecorded(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, append(limits("limits.anonymous", "2", "limits.authenticated", "1"), servertest.With("server.admin_address", "127.0.0.1:0"))...)
	p := s.SignUp()
	for range 10 {
		s.Do("GET", settings, "", "")
		s.Do("GET", settings, p.Access, "")
	}
	var anonymous, own, records int
	s.DB.Scan(t, `select count(*) filter (where details->>'bucket' = 'anonymous' and actor_kind = 'anonymous' and ip = '127.0.0.1'),
		count(*) filter (where details->>'bucket' = 'authenticated' and actor_id = $1), count(*)
		from auth.audit_log where action = 'rate_limit.exceeded' and outcome = 'failure' and request_id <> ''`, []any{p.ID}, &anonymous, &own, &records)
	if anonymous != 1 || own != 1 || records != 2 {
		t.Errorf("%d records, %d and %d", records, anonymous, own)
	}
	if n := strings.Count(s.LogText(), "a rate limit refuses requests"); n != 2 {
		t.Errorf("%d lines in the log", n)
	}
	metrics := metricsOf(t, s)
	for _, want := range []string{
		`fluxbase_rate_limit_hits_total{bucket="anonymous"} 9`, `fluxbase_rate_limit_hits_total{bucket="authenticated"} 9`,
		`fluxbase_rate_limit_hits_total{bucket="sign_in_account"} 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not among\n%s", want, metrics)
		}
	}
	s.DB.Exec(t, `alter table auth.audit_log rename to gone`)
	if a := s.Do("GET", settings, "", ""); a.Status != 429 {
		t.Errorf("without a table of records: %d", a.Status)
	}
}

func metricsOf(t *testing.T, s *servertest.Server) string {
	t.Helper()
	_, rest, ok := strings.Cut(s.LogText(), `msg="admin listener" address=`)
	if !ok {
		t.Fatal("no admin listener")
	}
	address, _, _ := strings.Cut(rest, "\n")
	r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+strings.TrimSpace(address)+"/metrics", nil)
	a, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTwoServersShareALimit over HTTP, by each backend that can be shared.
func TestTwoServersShareALimit(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	for backend, shared := range map[string]bool{"redis": true, "postgres": true, "memory": false} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			pairs := []string{"backend", backend, "redis.url", redis.URL(), "limits.anonymous", "20"}
			servers := []*servertest.Server{limitedOn(t, db, pairs...), limitedOn(t, db, pairs...)}
			admitted := 0
			for i := range 100 {
				if servers[i%2].Do("GET", settings, "", "").Status == 200 {
					admitted++
				}
			}
			if want := map[bool]int{true: 20, false: 40}[shared]; admitted != want {
				t.Errorf("%d were admitted, want %d", admitted, want)
			}
		})
	}
}

// TestRedisDiesUnderTheServer: nobody gets an error, and nobody gets through who
// is over the limit.
func TestRedisDiesUnderTheServer(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := limited(t, "backend", "redis", "redis.url", redis.URL(), "limits.anonymous", "30")
	statuses := map[int]int{}
	for i := range 100 {
		if i == 10 {
			redis.Kill()
		}
		statuses[s.Do("GET", settings, "", "").Status]++
	}
	if statuses[200] != 30 || statuses[429] != 70 {
		t.Errorf("%v", statuses)
	}
	if n := strings.Count(s.LogText(), "does not answer; this instance counts for itself"); n != 1 {
		t.Errorf("%d lines about the outage", n)
	}
}

// TestDoctorAsksTheBackend of rate limits.
func TestDoctorAsksTheBackend(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	db := pgtest.New(t)
	servertest.On(t, db).Stop()
	finding := func(pairs ...string) telemetry.Finding {
		t.Helper()
		for _, f := range server.Diagnose(context.Background(), servertest.Config(t, db, limits(pairs...)...), db.OwnerURL, true) {
			if f.Subject == "rate limits" {
				return f
			}
		}
		t.Fatal("nothing is said of rate limits")
		return telemetry.Finding{}
	}
	for _, backend := range []string{"redis", "postgres", "memory"} {
		if f := finding("backend", backend, "redis.url", redis.URL()); f.Severity != telemetry.Fine {
			t.Errorf("%s: %+v", backend, f)
		}
	}
	if f := finding("enabled", "false"); f.Severity != telemetry.Fine || !strings.Contains(f.Detail, "not limited") {
		t.Errorf("none in development: %+v", f)
	}
	redis.Kill()
	if f := finding("backend", "redis", "redis.url", "redis://:hunter2@"+redis.Address); f.Severity != telemetry.Problem || strings.Contains(f.Detail, "hunter2") {
		t.Errorf("a Redis that is gone: %+v", f)
	}
}
