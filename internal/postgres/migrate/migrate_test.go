package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/embedded"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func up(ctx context.Context, url string, sources ...migrate.Source) ([]migrate.Step, error) {
	return migrate.Up(ctx, url, slog.New(slog.DiscardHandler), sources...)
}

// project is a source of the project's own files.
func project(files map[string]string) migrate.Source {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return migrate.Source{Name: "project", Table: "auth.project_migrations", Files: tree}
}

// exec runs statements and returns the text of the first value of the last one.
func exec(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		return string(last.Rows[0][0])
	}
	return ""
}

func exists(t *testing.T, url, table string) bool {
	t.Helper()
	return exec(t, url, "select to_regclass('public."+table+"') is not null") == "t"
}

// pending lists the files that are not applied.
func pending(t *testing.T, url string, sources ...migrate.Source) string {
	t.Helper()
	steps, err := migrate.Status(t.Context(), url, sources...)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range steps {
		if !s.Applied {
			names = append(names, s.Name)
		} else if s.AppliedAt.IsZero() {
			t.Errorf("%s was applied at no time", s.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestUpTwiceAtOnce(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Empty(t)
	own := project(map[string]string{"1_slow.sql": "select pg_sleep(0.5); create table public.slow (id int);"})
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		done []int
	)
	for range 3 {
		all.Go(func() {
			if err := migrate.EnsureRoles(t.Context(), url); err != nil {
				t.Error(err)
			}
			steps, err := up(t.Context(), url, migrate.Queue(), migrate.Server(), own)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			done = append(done, len(steps))
		})
	}
	all.Wait()
	total := 0
	for _, n := range done {
		total += n
	}
	if steps, err := migrate.Status(t.Context(), url, migrate.Queue(), migrate.Server(), own); err != nil || total != len(steps) || len(steps) < 13 {
		t.Errorf("applied %v of %d files, %v", done, len(steps), err)
	}
	if names := pending(t, url, migrate.Queue(), migrate.Server(), own); names != "" {
		t.Errorf("pending: %s", names)
	}
	if steps, err := up(t.Context(), url, migrate.Queue(), migrate.Server(), own); err != nil || len(steps) > 0 {
		t.Errorf("once more: %v, %v", steps, err)
	}
}

// TestQueue adds the queue to a database that was migrated before there was
// one.
func TestQueue(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Empty(t)
	if err := migrate.EnsureRoles(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if _, err := up(t.Context(), url, migrate.Server()); err != nil {
		t.Fatal(err)
	}
	steps, err := migrate.Status(t.Context(), url, migrate.Queue(), migrate.Server())
	if err != nil {
		t.Fatal(err)
	}
	want := int64(2)
	for _, s := range steps {
		if s.Source != "queue" {
			continue
		}
		if s.Version != want || s.Applied || strings.Contains(s.SQL, "TEMPLATE") || !strings.HasPrefix(s.Name, fmt.Sprintf("%05d_", want)) {
			t.Errorf("%+v", s)
		}
		want++
	}
	if want < 9 {
		t.Errorf("%d migrations", want-2)
	}
	done, err := up(t.Context(), url, migrate.Queue(), migrate.Server())
	if err != nil || len(done) != int(want-2) {
		t.Errorf("applied %v, %v", done, err)
	}
	if names := pending(t, url, migrate.Queue(), migrate.Server()); names != "" {
		t.Errorf("pending: %s", names)
	}
	if n := exec(t, url, "select count(*) from pg_tables where tablename like 'river%' and schemaname <> 'auth'"); n != "0" {
		t.Errorf("%s tables are somewhere else", n)
	}
}

func TestUpIsKilled(t *testing.T) {
	t.Parallel()
	url, admin := pgtest.Empty(t)
	files := map[string]string{
		"1_first.sql":  "create table public.first (id int);",
		"2_second.sql": "create table public.begun (id int); alter table public.first add column more int; select pg_sleep(60); create table public.finished (id int);",
		"3_third.sql":  "create table public.third (id int);",
	}
	failed := make(chan error, 1)
	go func() {
		_, err := up(context.Background(), url, project(files))
		failed <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		const end = `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
		if exec(t, admin, end) == "1" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the migration does not come to where it is killed")
		}
	}
	select {
	case err := <-failed:
		if err == nil || !strings.Contains(err.Error(), "2_second.sql") {
			t.Errorf("the error does not name the file: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the killed migration does not end")
	}
	if !exists(t, url, "first") || exists(t, url, "begun") || exists(t, url, "finished") || exists(t, url, "third") {
		t.Error("the schema is not the one before the file")
	}
	if n := exec(t, url, "select count(*) from information_schema.columns where table_name = 'first'"); n != "1" {
		t.Errorf("the first table has %s columns", n)
	}
	if names := pending(t, url, project(files)); names != "2_second.sql 3_third.sql" {
		t.Errorf("pending: %s", names)
	}
	// Nothing holds the next one up.
	files["2_second.sql"] = strings.Replace(files["2_second.sql"], "select pg_sleep(60);", "", 1)
	if steps, err := up(t.Context(), url, project(files)); err != nil || len(steps) != 2 || !exists(t, url, "finished") {
		t.Errorf("afterwards: %v, %v", steps, err)
	}
}

func TestUpFails(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Empty(t)
	for name, text := range map[string]string{
		"2_statement.sql": "create table public.half (id int); insert into public.half values (1); select 1/0;",
		"2_syntax.sql":    "create table public.half (id int); create tabel public.other (id int);",
		"2_deferred.sql":  "create table public.half (id int primary key, next int references public.half deferrable initially deferred); insert into public.half values (1, 2);",
	} {
		files := map[string]string{"1_first.sql": "create table if not exists public.first (id int);", name: text}
		_, err := up(t.Context(), url, project(files))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error does not name the file: %v", name, err)
		}
		if _, ok := errors.AsType[*pgconn.PgError](err); !ok {
			t.Errorf("%s: the error does not hold what PostgreSQL said: %v", name, err)
		}
		if !exists(t, url, "first") || exists(t, url, "half") {
			t.Errorf("%s: leaves something, or takes something with it", name)
		}
	}
}

func TestProject(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Empty(t)
	dir := t.TempDir()
	for name, d := range map[string]string{"no folder": filepath.Join(dir, "missing"), "an empty folder": dir} {
		if steps, err := up(t.Context(), url, migrate.Project(d)); err != nil || len(steps) > 0 {
			t.Errorf("%s: %v, %v", name, steps, err)
		}
		if steps, err := migrate.Status(t.Context(), url, migrate.Project(d)); err != nil || len(steps) > 0 {
			t.Errorf("%s: %v, %v", name, steps, err)
		}
	}
	text := "-- +goose Up\ncreate table public.own (id int);\n"
	if err := os.WriteFile(filepath.Join(dir, "20260101000000_own.sql"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	steps, err := migrate.Status(t.Context(), url, migrate.Project(dir))
	if err != nil || len(steps) != 1 || steps[0].Applied || steps[0].SQL != text || steps[0].Name != "20260101000000_own.sql" || steps[0].Source != "project" {
		t.Errorf("%+v, %v", steps, err)
	}
	if _, err := up(t.Context(), url, migrate.Project(dir)); err != nil || !exists(t, url, "own") {
		t.Error(err)
	}
	// Applied files that have been deleted since are no obstacle to the server.
	if err := os.Remove(filepath.Join(dir, "20260101000000_own.sql")); err != nil {
		t.Fatal(err)
	}
	if _, err := up(t.Context(), url, migrate.Server(), migrate.Project(dir)); err != nil {
		t.Error(err)
	}
}

// cluster is a PostgreSQL in which nothing has been prepared.
func cluster(t *testing.T) *embedded.Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "fluxbase-migrate-") //nolint:usetesting // t.TempDir is below a folder that only this user can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	c, err := embedded.Start(t.Context(), embedded.Options{
		Dir: dir, BundleRoots: []string{filepath.Join(pgtest.Root(), "tools", "postgres")},
		Settings: map[string]string{"fsync": "off", "full_page_writes": "off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestRoles is about a cluster that somebody else administrates. The roles are
// the cluster's, so its parts follow one another.
func TestRoles(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	for _, owner := range []string{"plain", "maker"} {
		exec(t, c.AdminURL("postgres"), "create role "+owner+" login password 'word'")
		exec(t, c.AdminURL("postgres"), "create database "+owner+" owner "+owner)
	}
	exec(t, c.AdminURL("postgres"), "alter role maker createrole")
	plain, maker := c.SocketURL("plain", "word", "plain"), c.SocketURL("maker", "word", "maker")

	// Somebody who may not make roles is told what has to be run, by whom, and
	// leaves nothing half made.
	err := migrate.EnsureRoles(t.Context(), plain)
	told, ok := errors.AsType[*migrate.RolesError](err)
	if !ok || told.User != "plain" || !strings.Contains(err.Error(), told.SQL) || !strings.Contains(err.Error(), "administrator") {
		t.Fatalf("EnsureRoles as plain: %v", err)
	}
	if n := exec(t, plain, "select count(*) from pg_roles where rolname in ('anonymous', 'authenticated', 'service_role') or rolname like 'fluxbase%'"); n != "0" {
		t.Errorf("%s roles were made", n)
	}
	// It works as it stands, twice, and then so does everything.
	exec(t, c.AdminURL("plain"), told.SQL)
	exec(t, c.AdminURL("plain"), told.SQL)
	if err := migrate.EnsureRoles(t.Context(), plain); err != nil {
		t.Errorf("EnsureRoles after that: %v", err)
	}
	if _, err := up(t.Context(), plain, migrate.Queue(), migrate.Server()); err != nil {
		t.Errorf("Up: %v", err)
	}
	// A password is more than it may set; the way out is named.
	if err := migrate.EnsureLogin(t.Context(), plain, migrate.UserLogin, "first"); err == nil || !strings.Contains(err.Error(), "database.user_url") {
		t.Errorf("EnsureLogin as plain: %v", err)
	}
	ownerWithRoles(t, c, maker)
	logins(t, c)
}

// ownerWithRoles does what the server does at its start, as an owner who may
// create roles and is no superuser. (The roles are there by now; PostgreSQL
// wants an administrator for BYPASSRLS.)
func ownerWithRoles(t *testing.T, c *embedded.Cluster, url string) {
	t.Helper()
	exec(t, c.AdminURL("maker"), migrate.AdministratorSQL("maker"))
	if err := migrate.EnsureRoles(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if _, err := up(t.Context(), url, migrate.Queue(), migrate.Server()); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{migrate.UserLogin, migrate.ServiceLogin} {
		if err := migrate.EnsureLogin(t.Context(), url, login, "a-word"); err != nil {
			t.Errorf("%s: %v", login, err)
		}
		if !canLogIn(t, c, login, "a-word", "maker") {
			t.Errorf("%s cannot log in", login)
		}
	}
	if super := exec(t, url, "select bool_or(rolsuper) from pg_roles where rolname <> 'postgres' and rolname !~ '^pg_'"); super != "f" {
		t.Error("there is a superuser besides the cluster's own")
	}
	if exec(t, url, "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolbypassrls and not rolsuper") != "service_role" {
		t.Error("somebody besides service_role bypasses Row-Level Security")
	}
	if exec(t, url, "select count(*) from pg_roles where rolname ~ '^fluxbase_' and (rolinherit or rolcreaterole or rolcreatedb)") != "0" {
		t.Error("a login has more than it needs")
	}
}

// logins sets passwords and signs in with them.
func logins(t *testing.T, c *embedded.Cluster) {
	t.Helper()
	admin := c.AdminURL("maker")
	stored := func() string {
		return exec(t, admin, "select rolpassword from pg_authid where rolname = '"+migrate.UserLogin+"'")
	}
	before := ""
	for _, password := range []string{"first", "second", `p'a"s$s\w%o:r@d/`, strings.Repeat("long", 30)} {
		if err := migrate.EnsureLogin(t.Context(), admin, migrate.UserLogin, password); err != nil {
			t.Fatal(err)
		}
		verifier := stored()
		if !strings.HasPrefix(verifier, "SCRAM-SHA-256$4096:") || strings.Contains(verifier, password) || verifier == before {
			t.Errorf("what is stored for %q is %s", password, verifier)
		}
		if !canLogIn(t, c, migrate.UserLogin, password, "maker") {
			t.Errorf("cannot log in with %q", password)
		}
		for _, wrong := range []string{"", "x" + password, password + "x", strings.ToUpper(password), "a-word"} {
			if canLogIn(t, c, migrate.UserLogin, wrong, "maker") {
				t.Errorf("can log in with %q instead of %q", wrong, password)
			}
		}
		// The right one is left alone, so that servers that start together
		// do not take it from one another.
		if err := migrate.EnsureLogin(t.Context(), admin, migrate.UserLogin, password); err != nil || stored() != verifier {
			t.Errorf("was set again, %v", err)
		}
		before = verifier
	}
}

func canLogIn(t *testing.T, c *embedded.Cluster, user, password, database string) bool {
	t.Helper()
	url, err := postgres.WithLogin(c.SocketURL("x", "x", database), user, password)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		if refusal, ok := errors.AsType[*pgconn.PgError](err); password != "" && (!ok || refusal.Code != "28P01") {
			t.Errorf("refused for another reason than the password: %v", err)
		}
		return false
	}
	return conn.Close(t.Context()) == nil
}

// TestBootstrap prepares a cluster of our own, twice, as a start and a restart
// do.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	for n := range 2 {
		if err := migrate.Bootstrap(t.Context(), c.AdminURL, "app", "owner", "word"); err != nil {
			t.Fatal(err)
		}
		url := c.SocketURL("owner", "word", "app")
		if _, err := up(t.Context(), url, migrate.Queue(), migrate.Server()); err != nil {
			t.Fatal(err)
		}
		if err := migrate.WatchCatalog(t.Context(), c.AdminURL("app")); err != nil {
			t.Fatal(err)
		}
		exec(t, url, fmt.Sprintf("create table public.t%d (id int)", n)) // the event trigger lets it be
		if got := exec(t, url, "select rolsuper::text || rolbypassrls::text from pg_roles where rolname = 'owner'"); got != "falsefalse" {
			t.Errorf("the owner is a superuser, or passes policies: %s", got)
		}
	}
}
