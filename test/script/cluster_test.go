package script_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/embedded"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// cluster is a database that a test runs by itself, for programs that it kills.
type cluster struct {
	t       *testing.T
	options embedded.Options
	pg      *embedded.Cluster
	url     string       // as the owner
	crashes atomic.Int64 // how often PostgreSQL has gone and come back; odd while it is away
}

// newCluster starts one, migrates its database and makes version 1 its active
// key. Settings are those of embedded.Options.
func newCluster(t *testing.T, settings map[string]string) *cluster {
	t.Helper()
	c := &cluster{t: t, options: embedded.Options{Dir: folder(t), BundleRoots: []string{filepath.Join("..", "..", "tools", "postgres")}, Settings: settings}}
	c.launch()
	t.Cleanup(func() { _ = c.pg.Stop(context.Background()) })
	if err := migrate.Bootstrap(t.Context(), c.pg.AdminURL, "app", "fluxbase", "the-owners-password"); err != nil {
		t.Fatal(err)
	}
	c.url = c.pg.SocketURL("fluxbase", "the-owners-password", "app")
	if _, err := migrate.Up(t.Context(), c.url, slog.New(slog.DiscardHandler), migrate.Server()); err != nil {
		t.Fatal(err)
	}
	c.join(1).keys.Close(t.Context())
	return c
}

func (c *cluster) launch() {
	c.t.Helper()
	pg, err := embedded.Start(context.Background(), c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	c.pg = pg
}

// crash kills PostgreSQL with all its processes, as a power cut would, and
// starts it again.
func (c *cluster) crash() {
	c.t.Helper()
	pid, err := postmasterOf(c.options.Dir)
	if err != nil {
		c.t.Fatal(err)
	}
	c.crashes.Add(1)
	for _, p := range append(childrenOf(pid), pid) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	<-c.pg.Done()
	c.launch()
	c.crashes.Add(1)
}

// postmasterOf is the process of the PostgreSQL in a data directory of ours.
func postmasterOf(data string) (int, error) {
	home := filepath.Join(data, "postgres")
	if text, err := os.ReadFile(filepath.Join(home, "location")); err == nil {
		home = strings.TrimSpace(string(text))
	}
	text, err := os.ReadFile(filepath.Join(home, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// childrenOf finds the processes that a process has started, where /proc tells.
func childrenOf(parent int) (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// ask runs statements and returns their rows.
func (c *cluster) ask(statements string) string {
	c.t.Helper()
	rows, err := query(c.url, statements)
	if err != nil {
		c.t.Fatalf("%s: %v", statements, err)
	}
	return strings.TrimSpace(rows)
}

// count runs a query that returns a number.
func (c *cluster) count(query string) int {
	c.t.Helper()
	n, err := strconv.Atoi(c.ask(query))
	if err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// keyOf is the material of a key version.
func keyOf(version uint32) []byte {
	sum := sha256.Sum256(fmt.Append(nil, "script test key ", version))
	return sum[:]
}

// environ is the environment of a program on the database, with keys of some
// versions.
func (c *cluster) environ(versions ...uint32) []string {
	type key struct {
		Version uint32 `json:"version"`
		Key     string `json:"key"`
	}
	keys := []key{}
	for _, v := range versions {
		keys = append(keys, key{v, hex.EncodeToString(keyOf(v))})
	}
	text, err := json.Marshal(keys)
	if err != nil {
		c.t.Fatal(err)
	}
	return append(environment(os.Getenv("PATH")),
		"FLUXBASE_ENV=development", "FLUXBASE_DATABASE_URL="+c.url, "FLUXBASE_SECURITY_ENCRYPTION_KEYS="+string(text))
}

// command is one run of a program.
type command struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
	err    error // of its end
}

// begin starts fluxbase-cli on the database.
func (c *cluster) begin(environ []string, args ...string) *command {
	c.t.Helper()
	return c.beginProgram("fluxbase-cli", environ, args...)
}

func (c *cluster) beginProgram(name string, environ []string, args ...string) *command {
	c.t.Helper()
	run := &command{cmd: exec.CommandContext(context.Background(), program(name), args...), ended: make(chan struct{})}
	run.cmd.Env, run.cmd.Dir, run.cmd.Stdout, run.cmd.Stderr = environ, c.options.Dir, &run.output, &run.output
	if err := run.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(run.kill)
	go func() {
		run.err = run.cmd.Wait()
		close(run.ended)
	}()
	return run
}

// kill ends the command whether it wants to or not.
func (r *command) kill() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// over waits for the end of the command, for at most that long.
func (r *command) over(limit time.Duration) bool {
	select {
	case <-r.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// member is a program of the test's own on the database.
type member struct {
	db     *postgres.DB
	keys   *encryption.Service
	values *sealed.Service
}

// join opens the database with keys of some versions, as one more of the
// programs that hold them.
func (c *cluster) join(versions ...uint32) *member {
	c.t.Helper()
	db, err := postgres.Open(c.t.Context(), postgres.Config{OwnerURL: c.url, MaxConns: 8})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(db.Close)
	keys := &encryption.Service{DB: db, Provider: encryption.Local, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	for _, v := range versions {
		keys.Configured = append(keys.Configured, encryption.Configured{Version: v, Key: keyOf(v), Place: "the test"})
	}
	if err := keys.Open(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return &member{db, keys, &sealed.Service{Keys: keys, Now: time.Now}}
}
