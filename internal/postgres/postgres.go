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
	"strings"
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
	Traced           bool // statements are spans, where the context has one that is recorded
}

// DB is the database behind its doors. It is safe for concurrent use.
type DB struct {
	config  Config
	owner   *pgxpool.Pool
	roles   map[principal.Role]*pgxpool.Pool
	timeout []byte // statement_timeout of API traffic, in milliseconds
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
		timeout: strconv.AppendInt(nil, config.StatementTimeout.Milliseconds(), 10),
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
		if err := verify(ctx, pool, role); err != nil {
			return err
		}
	}
	return nil
}

// verify refuses a login that could become more than the role it is for.
func verify(ctx context.Context, pool *pgxpool.Pool, role principal.Role) error {
	allowed := []string{string(principal.Anonymous), string(principal.Authenticated)}
	if role == principal.Service {
		allowed = []string{string(principal.Service)}
	}
	var login string
	var missing, excess []string
	if err := pool.QueryRow(ctx, verifySQL, allowed).Scan(&login, &missing, &excess); err != nil {
		return fmt.Errorf("looking at the login for %s: %w", role, Fault(err))
	}
	if len(missing) > 0 {
		return fmt.Errorf("the database login %q cannot become %s", login, strings.Join(missing, ", "))
	}
	if len(excess) > 0 {
		return fmt.Errorf("the database login %q may do more than requests are meant to: %s", login, strings.Join(excess, ", "))
	}
	return nil
}

// verifySQL returns what a login cannot become of what it should, and what it
// can do besides. Only service_role may bypass Row-Level Security.
const verifySQL = `
select session_user::text,
	array(select a.name from unnest($1::text[]) as a(name)
		where not exists (select from pg_catalog.pg_roles r where r.rolname = a.name and pg_has_role(session_user, r.oid, 'member'))
		order by 1),
	array(select case when r.rolsuper then 'it is or can become the superuser ' || r.rolname
			when r.rolbypassrls and r.rolname <> 'service_role' then 'Row-Level Security does not bind ' || r.rolname
			else 'it can become ' || r.rolname end
		from pg_catalog.pg_roles r
		where pg_has_role(session_user, r.oid, 'member')
			and (r.rolsuper or r.rolbypassrls and r.rolname <> 'service_role'
				or r.rolname <> session_user and r.rolname <> all ($1::text[]))
		order by 1)`

// WithLogin returns a database URL with another user and password.
func WithLogin(databaseURL, user, password string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", errors.New("the database URL is malformed") // a parse error would repeat it, password and all
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}

// maxAnswer bounds one message of PostgreSQL's, and so the answer to one request
// of the data API, in bytes: a number of a few characters can print as a
// hundred thousand digits.
const maxAnswer = 32 << 20

// unprepared is how statements run behind a pooler: of each PostgreSQL is asked
// once for its types, which every connection of the database has in common, and
// what then runs is sent in one piece and has no name.
const unprepared = pgx.QueryExecModeCacheDescribe

func open(ctx context.Context, config Config, url string) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading a database URL: %w", err)
	}
	pc.MaxConns = config.MaxConns
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.ConnConfig.ConnectTimeout = 10 * time.Second
	pc.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.PgConn().Frontend().SetMaxBodyLen(maxAnswer)
		return nil
	}
	pc.ConnConfig.RuntimeParams["application_name"] = "fluxbase"
	if config.Traced {
		pc.ConnConfig.Tracer = tracer{}
	}
	if config.Pooled {
		pc.ConnConfig.DefaultQueryExecMode = unprepared
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

// Ping asks whether the database answers at every door.
func (db *DB) Ping(ctx context.Context) error {
	err := db.owner.Ping(ctx)
	for _, pool := range db.roles {
		err = errors.Join(err, pool.Ping(ctx))
	}
	return Fault(err)
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
