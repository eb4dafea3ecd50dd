// Package postgres holds the two doors to the database, and nothing else opens
// one.
//
// As runs one statement as the caller, under Row-Level Security. InTx and
// Single reach the server's own tables as their owner. The logins behind the
// doors differ: user traffic logs in as a role that can become anonymous and
// authenticated only, so whatever SQL a request finds, it cannot become
// service_role.
//
// Everything is safe under a pooler in transaction mode: settings are local to
// a transaction and nothing is kept on a connection.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fluxbase/fluxbase/internal/principal"
)

// Config says how to reach the database.
type Config struct {
	OwnerURL         string // the role that owns the server's tables
	MaxConns         int32  // per pool
	StatementTimeout time.Duration
	Pooled           bool // a pooler in transaction mode sits in between: prepare nothing
}

// DB is the database behind its doors. It is safe for concurrent use.
type DB struct {
	config  Config
	owner   *pgxpool.Pool
	roles   map[principal.Role]*pgxpool.Pool
	timeout string // statement_timeout of API traffic, in milliseconds
}

// Querier runs statements: a transaction, or single statements on their own.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Open opens the owner's doors. Connections are made when they are needed.
func Open(ctx context.Context, config Config) (*DB, error) {
	owner, err := open(ctx, config, config.OwnerURL)
	if err != nil {
		return nil, err
	}
	return &DB{
		config: config, owner: owner, roles: map[principal.Role]*pgxpool.Pool{},
		timeout: strconv.FormatInt(config.StatementTimeout.Milliseconds(), 10),
	}, nil
}

// OpenRoles opens the callers' door, with the logins of user and of service
// traffic. There is one pool for each role, because alternating roles on a
// connection makes PostgreSQL plan policies anew each time. It is called once,
// before As.
func (db *DB) OpenRoles(ctx context.Context, userURL, serviceURL string) error {
	for role, url := range map[principal.Role]string{
		principal.Anonymous: userURL, principal.Authenticated: userURL, principal.Service: serviceURL,
	} {
		pool, err := open(ctx, db.config, url)
		if err != nil {
			return err
		}
		db.roles[role] = pool
	}
	return nil
}

// WithLogin returns a database URL with another user and password.
func WithLogin(databaseURL, user, password string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", errors.New("the database URL is malformed") // a parse error would repeat it, password and all
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}

func open(ctx context.Context, config Config, url string) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading a database URL: %w", err)
	}
	pc.MaxConns = config.MaxConns
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	pc.ConnConfig.RuntimeParams["application_name"] = "fluxbase"
	if config.Pooled {
		pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("opening a database pool: %w", err)
	}
	return pool, nil
}

// Close waits for the work under way and closes every connection.
func (db *DB) Close() {
	for _, pool := range db.roles {
		pool.Close()
	}
	db.owner.Close()
}

// Ping asks whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return Fault(db.owner.Ping(ctx))
}

// Single is the owner's door for one statement that is a transaction by
// itself. It costs one network round trip.
func (db *DB) Single() Querier { return db.owner }

// InTx runs f in a transaction of the owner's, which commits if f returns nil
// and is undone if not. The error is f's own, or a fault.
func (db *DB) InTx(ctx context.Context, f func(Querier) error) error {
	err := pgx.BeginFunc(ctx, db.owner, func(tx pgx.Tx) error { return f(tx) })
	return Fault(err)
}

// Scan reads the result of a statement. A rollback is asked for by returning
// an error.
type Scan func(pgx.Rows) error

// Statement is one statement that a caller has asked for.
type Statement struct {
	SQL      string
	Args     []any
	ReadOnly bool // PostgreSQL refuses writes, also those hidden in functions
}

// As runs a statement as a principal. Settings and statement travel together
// and form one implicit transaction: one network round trip, undone as a whole
// by any error.
func (db *DB) As(ctx context.Context, p *principal.Principal, st Statement, scan Scan) error {
	pool, ok := db.roles[p.Role]
	if !ok {
		return fmt.Errorf("running a statement as a principal: no pool for role %q", p.Role)
	}
	batch := &pgx.Batch{}
	batch.Queue(settingsSQL, string(p.Role), p.Claims, p.User.String(), p.Email, p.Session.String(),
		onOff(st.ReadOnly), db.timeout)
	batch.Queue(st.SQL, st.Args...)
	results := pool.SendBatch(ctx, batch)
	_, err := results.Exec()
	if err == nil {
		err = collect(results, scan)
	}
	return Fault(errors.Join(err, results.Close()))
}

func collect(results pgx.BatchResults, scan Scan) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	err = scan(rows)
	rows.Close()
	if rows.Err() != nil {
		return rows.Err()
	}
	return err
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// settingsSQL makes the transaction the caller's. The claims hold nothing that
// the caller wrote unchecked: they are the payload of a verified token.
const settingsSQL = `select
	set_config('role', $1, true),
	set_config('request.jwt.claims', $2, true),
	set_config('app.role', $1, true),
	set_config('app.user_id', $3, true),
	set_config('app.user_email', $4, true),
	set_config('app.session_id', $5, true),
	set_config('app.sub_tenant_id', '', true),
	set_config('transaction_read_only', $6, true),
	set_config('statement_timeout', $7, true)`
