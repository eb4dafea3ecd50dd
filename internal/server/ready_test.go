package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// notReady waits until a server says that it is not ready because of a part, and
// nothing else that a stranger has no business with.
func notReady(t *testing.T, s *servertest.Server, part string) {
	t.Helper()
	var a servertest.Answer
	await(t, part, func() bool {
		a = s.Do("GET", "/readyz", "", "")
		return a.Status == http.StatusServiceUnavailable && strings.Contains(a.Body, part)
	})
	if a.Code() != "not_ready" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", a.Body, a.Header)
	}
	for _, inside := range []string{s.DB.Name, "postgres", "127.0.0.1", ".s.PGSQL", "fluxbase_", "migrations", "SQLSTATE", "dial"} {
		if strings.Contains(a.Body, inside) {
			t.Errorf("%s tells of %s", a.Body, inside)
		}
	}
	if l := s.Do("GET", "/livez", "", ""); l.Status != http.StatusOK {
		t.Errorf("/livez: %d", l.Status)
	}
	if !strings.Contains(s.LogText(), "not ready") {
		t.Error("the log does not say so")
	}
}

func ready(t *testing.T, s *servertest.Server) {
	t.Helper()
	await(t, "readiness", func() bool { return s.Do("GET", "/readyz", "", "").Status == http.StatusOK })
}

// TestReadiness names the part that fails, and is whole again when that works.
func TestReadiness(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ready(t, s)
	s.DB.Exec(t, `update auth.server_migrations set is_applied = false where version_id = (select max(version_id) from auth.server_migrations)`)
	notReady(t, s, "the schema of the database is not that of this version")
	s.DB.Exec(t, `update auth.server_migrations set is_applied = true`)
	ready(t, s)

	admin, err := pgx.Connect(t.Context(), strings.Replace(s.DB.AdminURL, "/"+s.DB.Name, "/postgres", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	exec := func(sql string, args ...any) {
		if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`alter database ` + s.DB.Name + ` allow_connections false`)
	exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, s.DB.Name)
	notReady(t, s, "the database does not answer")
	exec(`alter database ` + s.DB.Name + ` allow_connections true`)
	ready(t, s)
}

// TestReadinessWithoutJobs asks a server that serves and works no queue.
func TestReadinessWithoutJobs(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	c := servertest.Config(t, db)
	c.PublicURL = "http://127.0.0.1"
	s, err := server.New(t.Context(), c, db.OwnerURL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the job queue is not worked") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	listener := httptest.NewUnstartedServer(nil).Listener
	if err := s.Run(ended, listener); err != nil {
		t.Error(err)
	}
}

// TestDraining tells a server to stop: it is not ready from then on, and serves
// for as long as it was told to.
func TestDraining(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.With("server.shutdown_delay", "5s"))
	ready(t, s)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Stop()
	}()
	await(t, "draining", func() bool {
		a := s.Do("GET", "/readyz", "", "")
		return a.Status == http.StatusServiceUnavailable && strings.Contains(a.Body, "it is stopping")
	})
	if a := s.Do("GET", "/livez", "", ""); a.Status != http.StatusOK {
		t.Errorf("/livez: %d", a.Status)
	}
	s.SignUp()
	<-stopped
}
