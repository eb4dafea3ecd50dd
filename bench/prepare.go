package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/fluxbase/fluxbase/bench/pgbench"
)

// rig is a server with people, rows and floors to measure it by.
type rig struct {
	options *options
	dir     string
	server  *server
	people  []*person
	digest  []byte // of everybody's password, as the server makes them
	cost    int    // of bcrypt
	serial  uint64 // of accounts made while measuring
	seeded  int    // users of the scripts
	bulked  int64  // rows that bulk inserts are to have made since the last look

	conn    *pgx.Conn // the owner's
	program string    // pgbench
	owner   pgbench.Target
	caller  pgbench.Target // may become authenticated, and is nothing else
	idle    [2]float64     // memory of the server before any load, in MB
	plans   plans
}

// benchRole is the login that floors act as users through.
const benchRole = "bench_login"

// prepare starts a server with cheap hashing to make people and sessions, and
// starts it again as it is meant to run.
func prepare(ctx context.Context, o *options) (*rig, error) {
	program, err := pgbench.Find()
	if err != nil {
		return nil, err //nolint:wrapcheck // says what to do
	}
	dir, err := os.MkdirTemp("", "fluxbase-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	b := &rig{options: o, dir: dir, program: program}
	if err := b.begin(ctx); err != nil {
		return nil, errors.Join(err, b.close(ctx))
	}
	return b, nil
}

func (b *rig) begin(ctx context.Context) error {
	if err := os.Chmod(b.dir, 0o711); err != nil { //nolint:gosec // PostgreSQL, another user, works below it
		return fmt.Errorf("opening the temporary folder: %w", err)
	}
	if err := b.start(ctx, "FLUXBASE_AUTH_BCRYPT_COST=4"); err != nil {
		return err
	}
	if err := b.populate(ctx, slices.Max(b.options.workers)); err != nil {
		return err
	}
	first := b.server
	b.server = nil
	if err := first.stop(); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.weigh(ctx); err != nil {
		return err
	}
	if err := b.connect(ctx); err != nil {
		return err
	}
	if err := b.makeLogin(ctx); err != nil {
		return err
	}
	return b.furnish(ctx)
}

// start starts the server; settings are environment variables.
func (b *rig) start(ctx context.Context, settings ...string) (err error) {
	b.server, err = startServer(ctx, b.options, b.dir, settings...)
	return err
}

// weigh measures the memory of a server that has done nothing yet.
func (b *rig) weigh(ctx context.Context) error {
	if !b.options.wants("idle") {
		return nil
	}
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the sentinel of an interruption
	}
	var err error
	b.idle[0], b.idle[1], err = b.server.resident()
	return err
}

// connect opens the owner's connection.
func (b *rig) connect(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.server.ready.DatabaseURL)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	b.conn = conn
	u, err := url.Parse(b.server.ready.DatabaseURL)
	if err != nil {
		return errors.New("the database URL is malformed")
	}
	password, _ := u.User.Password()
	b.owner = pgbench.Target{
		Host: u.Hostname(), Port: u.Port(), Database: u.Path[1:], User: u.User.Username(), Password: password,
	}
	// The server reaches its own cluster through a socket; the floors take the same way.
	socket := filepath.Join(b.dir, "data", "postgres", "run")
	if _, err := os.Stat(filepath.Join(socket, ".s.PGSQL."+u.Port())); err == nil {
		b.owner.Host = socket
	}
	login := b.caller.Password
	b.caller = b.owner
	b.caller.User, b.caller.Password = benchRole, login
	return nil
}

// makeLogin makes a login for the floors.
func (b *rig) makeLogin(ctx context.Context) error {
	b.caller.Password = rand.Text()
	_, err := b.conn.Exec(ctx, "create role "+benchRole+" login noinherit password '"+b.caller.Password+"'; "+
		"grant authenticated to "+benchRole+"; grant usage on schema public, auth to "+benchRole)
	if err != nil {
		return fmt.Errorf("making a login for the floors: %w", err)
	}
	return nil
}

// furnish gives everybody a password hashed at the server's own cost, and makes
// the tables.
func (b *rig) furnish(ctx context.Context) error {
	probe, err := b.signUp(ctx, "probe@bench.example")
	if err != nil {
		return err
	}
	err = b.conn.QueryRow(ctx, "select digest from auth.passwords where user_id = $1", probe.id).Scan(&b.digest)
	if err != nil {
		return fmt.Errorf("reading a digest: %w", err)
	}
	if b.cost, err = bcrypt.Cost(b.digest); err != nil {
		return fmt.Errorf("reading the cost of a digest: %w", err)
	}
	if _, err := b.conn.Exec(ctx, "update auth.passwords set digest = $1", string(b.digest)); err != nil {
		return fmt.Errorf("setting passwords: %w", err)
	}
	if err := b.makeTables(ctx); err != nil {
		return err
	}
	return b.makePlans(ctx)
}

// close stops what prepare started, and removes its folder.
func (b *rig) close(ctx context.Context) error {
	var err error
	if b.conn != nil {
		_ = b.conn.Close(context.WithoutCancel(ctx))
	}
	if b.server != nil {
		err = b.server.stop()
	}
	return errors.Join(err, os.RemoveAll(b.dir)) //nolint:gosec // the folder that prepare has made
}
