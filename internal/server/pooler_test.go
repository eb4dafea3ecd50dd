package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/servertest"
)

// TestPooled has a server that prepares nothing do everything.
func TestPooled(t *testing.T) {
	t.Parallel()
	live(t, pgtest.New(t))
}

// TestPgBouncer has one do everything through a pooler, which gives few
// connections to many.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	live(t, behindPgBouncer(t, pgtest.New(t)))
}

// TestPgBouncerIsMigratedThrough: by one of many who start at once, with fewer
// connections than there are of them.
func TestPgBouncerIsMigratedThrough(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Empty(t)
	db := behindPgBouncer(t, &pgtest.Database{OwnerURL: url, UserURL: url, ServiceURL: url})
	var all sync.WaitGroup
	var files atomic.Int64
	for range 5 {
		all.Go(func() {
			err := migrate.EnsureRoles(t.Context(), db.OwnerURL)
			if err != nil {
				t.Error(err)
			}
			steps, err := migrate.Up(t.Context(), db.OwnerURL, slog.New(slog.DiscardHandler), migrate.Queue(), migrate.Server())
			if err != nil {
				t.Error(err)
			}
			files.Add(int64(len(steps)))
		})
	}
	all.Wait()
	if steps, err := migrate.Status(t.Context(), db.OwnerURL, migrate.Queue(), migrate.Server()); err != nil || files.Load() != int64(len(steps)) {
		t.Errorf("%d of %d files, %v", files.Load(), len(steps), err)
	}
}

// live runs a server on a database, and leads a life on it.
func live(t *testing.T, db *pgtest.Database) {
	t.Helper()
	db.Exec(t, `create table public.notes (id int primary key, owner uuid default auth.uid(), tags text[], body jsonb, at timestamptz);
		alter table public.notes enable row level security;
		create policy own on public.notes using (owner = (select auth.uid()));
		grant select, insert, update, delete on public.notes to authenticated`)
	hook := newReceiver(t)
	s := servertest.On(t, db, servertest.With("database.pooler", "transaction"), encryption("key_rotation.notification_webhook", hook.url),
		servertest.With("database.user_url", db.UserURL), servertest.With("database.service_url", db.ServiceURL))
	rows(t, s)

	if a := s.Do("PUT", "/api/v1/admin/secrets/STRIPE_KEY", s.ServiceKey, `{"value":"sk_live_example"}`); a.Status != 200 {
		t.Fatalf("a secret: %d %s", a.Status, a.Body)
	}
	for _, r := range []struct{ path, body string }{
		{"rotate", ""},
		{"rotate", ""},
		{"rollback", `{"to_version":2,"reason":"a test"}`},
		{"re-encrypt", `{"from_version":3,"to_version":2}`},
	} {
		if run := started(t, s, r.path, r.body); run.State != rotation.Succeeded {
			t.Errorf("%s: %+v", r.path, run)
		}
		if a := s.Do("GET", "/api/v1/admin/secrets/STRIPE_KEY/value", s.ServiceKey, ""); !strings.Contains(a.Body, "sk_live_example") {
			t.Errorf("a secret after %s: %d %s", r.path, a.Status, a.Body)
		}
	}
	var secret rotation.NotificationSecret
	s.Do("GET", "/api/v1/admin/keys/notification-secret", s.ServiceKey, "").JSON(t, &secret)
	await(t, "two messages for each run", func() bool { return len(hook.types(t, secret.Secret)) == 8 })
	rows(t, s)
	if strings.Contains(s.LogText(), "level=ERROR") {
		t.Error(s.LogText())
	}
}

// rows has somebody sign up, in and out, and read and write rows.
func rows(t *testing.T, s *servertest.Server) {
	t.Helper()
	p := s.SignUp()
	p = s.Person(p.Email, s.Do("POST", "/api/v1/auth/signin", "", fmt.Sprintf(`{"email":%q,"password":%q}`, p.Email, servertest.Password)))
	p = s.Person(p.Email, s.Do("POST", "/api/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, p.Refresh)))
	for _, r := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "", `{"id":1,"tags":["a","b"],"body":{"x":[1,null]},"at":"2026-01-02T03:04:05Z"}`, 201, ""},
		{"PATCH", "?id=eq.1", `{"tags":["c"]}`, 200, ""},
		{"GET", "?id=eq.1&select=tags,body", "", 200, `{"tags":["c"],"body":{"x": [1, null]}}`},
		{"DELETE", "?id=eq.1", "", 200, ""},
	} {
		a := s.Do(r.method, "/api/v1/tables/notes"+r.path, p.Access, r.body)
		if a.Status/100 != 2 || !strings.Contains(strings.ReplaceAll(a.Body, " ", ""), strings.ReplaceAll(r.want, " ", "")) {
			t.Errorf("%s %s: %d %s", r.method, r.path, a.Status, a.Body)
		}
	}
	if a := s.Do("POST", "/api/v1/auth/signout", p.Access, ""); a.Status/100 != 2 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// behindPgBouncer starts a pooler in transaction mode, and returns a database
// with URLs that lead through it.
func behindPgBouncer(t *testing.T, db *pgtest.Database) *pgtest.Database {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Skip("PgBouncer is not installed")
		}
	}
	dir, err := os.MkdirTemp("", "fluxbase-pooler-") //nolint:usetesting // an account without rights reads there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address, port := freeAddress(t)
	var users strings.Builder
	var target string
	through := func(databaseURL string) string {
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		fmt.Fprintf(&users, "%q %q\n", u.User.Username(), password)
		if target = u.Port(); target == "" {
			target = u.Query().Get("port")
		}
		u.Host, u.RawQuery = address, "sslmode=disable"
		return u.String()
	}
	behind := *db
	behind.OwnerURL, behind.UserURL, behind.ServiceURL = through(db.OwnerURL), through(db.UserURL), through(db.ServiceURL)
	for name, text := range map[string]string{
		"users": users.String(),
		"ini": "[databases]\n* = host=127.0.0.1 port=" + target + "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + port +
			"\nunix_socket_dir =\nauth_type = plain\nauth_file = " + filepath.Join(dir, "users") +
			"\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 500\n",
	} {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644), os.Chmod(dir, 0o711)); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-q", filepath.Join(dir, "ini")}
	if os.Getuid() == 0 { // it refuses to be root
		args = append([]string{"-u", "nobody"}, args...)
	}
	var log bytes.Buffer
	pooler := exec.CommandContext(context.Background(), program, args...)
	pooler.Stdout, pooler.Stderr = &log, &log
	if err := pooler.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pooler.Process.Kill()
		_ = pooler.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	await(t, "PgBouncer listens", func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return &behind
}

// freeAddress returns an address of this machine that nobody listens on, and its
// port.
func freeAddress(t *testing.T) (address, port string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	address = l.Addr().String()
	_, port, err = net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return address, port
}
