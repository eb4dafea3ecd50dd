// Package pgtest gives tests a real PostgreSQL: one private cluster for each
// test binary, a migrated template in it, and a database of its own for every
// test that asks.
//
// Durability is off and nothing else: roles, logins and policies are those of
// production, and the owner is no superuser. A package that uses it runs its
// tests through Main.
package pgtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/embedded"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

const (
	template = "template_fluxbase"
	owner    = "fluxbase"
	password = "test-owner-password"
)

// cluster is shared by the tests of one binary.
var cluster struct {
	once sync.Once
	err  error
	dir  string
	pg   *embedded.Cluster
	next atomic.Int64

	userURL, serviceURL func(database string) (string, error)
}

// Main runs the tests of a package and stops the cluster afterwards.
func Main(m *testing.M) {
	code := m.Run()
	if cluster.pg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_ = cluster.pg.Stop(ctx)
		cancel()
	}
	if cluster.dir != "" {
		_ = os.RemoveAll(cluster.dir)
	}
	os.Exit(code)
}

// SecretKey is the key that the sealed values of test databases are under.
func SecretKey() []byte {
	key := sha256.Sum256([]byte("the key of test databases"))
	return key[:]
}

// Secrets seals and opens under SecretKey, which test databases know as their
// key of version 1.
func Secrets() *sealed.Service { return SealedUnder(1, map[uint32][]byte{1: SecretKey()}) }

// SealedUnder seals and opens under keys that do not change.
func SealedUnder(active uint32, keys map[uint32][]byte) *sealed.Service {
	ring, err := keyring.New(active, keys)
	if err != nil {
		panic(err)
	}
	return &sealed.Service{Keys: fixed{ring}, Now: time.Now}
}

// fixed is a keyring that never changes.
type fixed struct{ ring *keyring.Keyring }

func (f fixed) Keyring() *keyring.Keyring    { return f.ring }
func (f fixed) Reload(context.Context) error { return nil }

// Database is a migrated database that one test has for itself.
type Database struct {
	*postgres.DB

	Name       string
	OwnerURL   string
	AdminURL   string // superuser
	UserURL    string
	ServiceURL string
}

// New returns a migrated database with its doors open. It is dropped when the
// test ends.
func New(tb testing.TB) *Database {
	tb.Helper()
	start(tb)

	ctx := context.Background()
	name := fmt.Sprintf("test_%d", cluster.next.Add(1))
	admin(tb, "create database "+name+" template "+template+" owner "+owner+" strategy file_copy")
	tb.Cleanup(func() { admin(tb, "drop database "+name+" with (force)") })

	d := &Database{Name: name, OwnerURL: cluster.pg.SocketURL(owner, password, name), AdminURL: cluster.pg.AdminURL(name)}
	var err error
	if d.UserURL, err = cluster.userURL(name); err != nil {
		tb.Fatal(err)
	}
	if d.ServiceURL, err = cluster.serviceURL(name); err != nil {
		tb.Fatal(err)
	}
	for _, url := range []string{d.OwnerURL, d.UserURL, d.ServiceURL} {
		leaktest.Secret(leaktest.DatabaseURL, url)
	}
	for _, word := range []string{password, loginPassword(migrate.UserLogin), loginPassword(migrate.ServiceLogin)} {
		leaktest.Secret(leaktest.Password, word)
	}
	d.DB, err = postgres.Open(ctx, postgres.Config{OwnerURL: d.OwnerURL, MaxConns: 4, StatementTimeout: 10 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	tb.Cleanup(func() { d.noteActions(tb) })
	if err := d.OpenRoles(ctx, d.UserURL, d.ServiceURL); err != nil {
		tb.Fatal(err)
	}
	return d
}

// noteActions fails the test if it has caused an audit record of an action that
// there is not.
func (d *Database) noteActions(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	undeclared, err := NoteActions(ctx, d.Single(), os.Getenv(SeenActions))
	if err != nil || len(undeclared) > 0 {
		tb.Errorf("the actions of the audit log: %v %v; internal/audit/action.go has those that there are", undeclared, err)
	}
}

// Empty returns the URL of a database that belongs to the owner and has never
// been migrated, and that of a superuser in it.
func Empty(t *testing.T) (ownerURL, adminURL string) {
	t.Helper()
	start(t)

	name := fmt.Sprintf("empty_%d", cluster.next.Add(1))
	admin(t, "create database "+name+" owner "+owner)
	t.Cleanup(func() { admin(t, "drop database "+name+" with (force)") })
	return cluster.pg.SocketURL(owner, password, name), cluster.pg.AdminURL(name)
}

// Exec runs statements as the owner.
func (d *Database) Exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	if _, err := d.Single().Exec(context.Background(), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Scan runs a query of one row as the owner.
func (d *Database) Scan(tb testing.TB, sql string, args []any, into ...any) {
	tb.Helper()
	if err := d.Single().QueryRow(context.Background(), sql, args...).Scan(into...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

func start(tb testing.TB) {
	tb.Helper()
	cluster.once.Do(func() { cluster.err = prepare() })
	if cluster.err != nil {
		tb.Fatal(cluster.err)
	}
}

// prepare starts the cluster and migrates the template. The folder is not below
// a test's own, which an unprivileged PostgreSQL could not enter.
func prepare() error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "fluxbase-test-")
	if err != nil {
		return err
	}
	cluster.dir = dir
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's own account passes through
		return err
	}
	cluster.pg, err = embedded.Start(ctx, embedded.Options{
		Dir: dir, BundleRoots: []string{filepath.Join(Root(), "tools", "postgres")},
		Settings: map[string]string{
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300",
		},
	})
	if err != nil {
		return err
	}
	if err := migrate.Bootstrap(ctx, cluster.pg.AdminURL, template, owner, password); err != nil {
		return err
	}
	url := cluster.pg.SocketURL(owner, password, template)
	if _, err := migrate.Up(ctx, url, slog.New(slog.DiscardHandler), migrate.Queue(), migrate.Server()); err != nil {
		return err
	}
	if err := migrate.WatchCatalog(ctx, cluster.pg.AdminURL(template)); err != nil {
		return err
	}
	return logins(ctx, url)
}

// logins gives the login roles passwords that every clone of the template has
// the sealed copy of.
func logins(ctx context.Context, url string) error {
	db, err := postgres.Open(ctx, postgres.Config{OwnerURL: url, MaxConns: 1})
	if err != nil {
		return err
	}
	defer db.Close()

	keys := &encryption.Service{
		DB: db, Provider: encryption.Local, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Configured: []encryption.Configured{{Version: 1, Key: SecretKey(), Place: "pgtest"}},
	}
	if err := keys.Open(ctx); err != nil {
		return err
	}
	keys.Close(ctx)
	for login, urlOf := range map[string]*func(string) (string, error){
		migrate.UserLogin: &cluster.userURL, migrate.ServiceLogin: &cluster.serviceURL,
	} {
		word := loginPassword(login)
		if _, err := Secrets().Ensure(ctx, db.Single(), "database_login", login, func() []byte { return []byte(word) }); err != nil {
			return err
		}
		if err := migrate.EnsureLogin(ctx, url, login, word); err != nil {
			return err
		}
		*urlOf = func(database string) (string, error) {
			return postgres.WithLogin(cluster.pg.SocketURL(owner, password, database), login, word)
		}
	}
	return nil
}

func loginPassword(login string) string { return "test-" + login }

func admin(tb testing.TB, sql string) {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), cluster.pg.AdminURL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		tb.Errorf("%s: %v", sql, err)
	}
}

// Root is the folder of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
