package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/server"
)

// BenchmarkOneRowRead reads one row as a stranger: by itself, with limits in
// memory, and traced, with a collector that is not there, to none or all of the
// requests. cpu-ns/op is what this process used, without PostgreSQL's part; the
// difference to the first is what the others cost.
//
//	go test ./internal/server -run '^$' -bench OneRowRead -benchtime 20000x -count 5
func BenchmarkOneRowRead(b *testing.B) {
	for _, c := range []struct{ name, limits, ratio string }{{"bare", "false", ""}, {"limits", "true", ""}, {"sampled=0", "false", "0"}, {"sampled=1", "false", "1"}} {
		b.Run(c.name, func(b *testing.B) {
			enabled := c.limits
			if c.ratio != "" {
				b.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces")
				b.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
				b.Setenv("OTEL_TRACES_SAMPLER_ARG", c.ratio)
			}
			db := pgtest.New(b)
			db.Exec(b, `create table public.notes (id int primary key, body text);
				insert into public.notes select n, 'note ' || n from generate_series(1, 100) n;
				alter table public.notes enable row level security;
				create policy everybody on public.notes for select to anonymous using (true);
				grant select on public.notes to anonymous`)
			c, err := config.Load(config.Sources{Defaults: map[string]string{"environment": "development"}, Flags: map[string]string{
				"secret_key": fmt.Sprintf("%x", pgtest.SecretKey()), "migrations.dir": b.TempDir(), "database.url": db.OwnerURL,
				"ratelimit.enabled": enabled, "ratelimit.global_rate_limit": "true", "ratelimit.limits.anonymous": "1000000", "ratelimit.address": "1000000/1m",
			}})
			if err != nil {
				b.Fatal(err)
			}
			s, err := server.New(context.Background(), c, db.OwnerURL, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			read := func() {
				w := httptest.NewRecorder()
				s.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/tables/notes?id=eq.7", nil))
				if w.Code != 200 || w.Header().Get("RateLimit") == "" == (enabled == "true") {
					b.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
				}
			}
			read()
			before := cpu(b)
			for b.Loop() {
				read()
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpu is how long this process has run on all cores.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
