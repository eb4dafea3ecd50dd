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

// BenchmarkOneRowRead reads one row as a stranger, with limits in memory and
// without. cpu-ns/op is what this process used, without PostgreSQL's part; the
// difference of the two is what limits cost.
//
//	go test ./internal/server -run '^$' -bench OneRowRead -benchtime 20000x -count 5
func BenchmarkOneRowRead(b *testing.B) {
	for _, enabled := range []string{"false", "true"} {
		b.Run("limits="+enabled, func(b *testing.B) {
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
