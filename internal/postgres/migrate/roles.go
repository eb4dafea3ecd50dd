package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/schema"
)

// The login roles of the two kinds of API traffic.
const (
	UserLogin    = "fluxbase_user"
	ServiceLogin = "fluxbase_service"
)

// RolesError says that an administrator has to create the database roles. Its
// SQL is complete and may be run more than once.
type RolesError struct {
	User string // the role that was not allowed to
	SQL  string
	Err  error
}

// Error implements error and includes the SQL to run.
func (e *RolesError) Error() string {
	return fmt.Sprintf("the database role %q may not create the roles that API traffic runs as (%v); "+
		"have an administrator run this once in this database:\n\n%s", e.User, e.Err, e.SQL)
}

// Unwrap returns PostgreSQL's refusal.
func (e *RolesError) Unwrap() error { return e.Err }

// EnsureRoles creates the roles that are missing. Where the user of the URL
// may not do that it returns a *RolesError.
func EnsureRoles(ctx context.Context, databaseURL string) error {
	return connected(ctx, databaseURL, func(conn *pgx.Conn) error {
		err := create(ctx, conn)
		refused, ok := errors.AsType[*pgconn.PgError](err)
		if ok && refused.Code == "42501" {
			owner := conn.Config().User
			return &RolesError{User: owner, SQL: AdministratorSQL(owner), Err: err}
		}
		return err
	})
}

// create runs the roles file. Two servers that start at once in one cluster,
// in different databases, can collide on the shared catalog; the second look
// finds what the other has made.
func create(ctx context.Context, conn *pgx.Conn) error {
	var err error
	for range 5 {
		_, err = conn.Exec(ctx, schema.Roles)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || !concurrent(pgErr) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("creating the database roles: %w", err)
	}
	return nil
}

func concurrent(err *pgconn.PgError) bool {
	return err.Code == "23505" || err.Code == "42710" || strings.Contains(err.Message, "concurrently")
}

// AdministratorSQL returns what an administrator runs for a server whose
// database user is owner and may not create roles itself.
func AdministratorSQL(owner string) string {
	name := postgres.Quote(owner)
	return schema.Roles + `
grant fluxbase_user, fluxbase_service to ` + name + ` with admin option;
`
}

// EnsureLogin gives a login role its password. One whose password is right
// already is left alone, so that several servers can start at once.
func EnsureLogin(ctx context.Context, databaseURL, login, password string) error {
	if canLogIn(ctx, databaseURL, login, password) {
		return nil
	}
	return connected(ctx, databaseURL, func(conn *pgx.Conn) error {
		var owner string
		if err := conn.QueryRow(ctx, loginOwnerSQL, login, ownerComment).Scan(&owner); err != nil {
			return fmt.Errorf("looking at the login %s: %w", login, err)
		}
		if owner != "" {
			return fmt.Errorf("the login %s of this cluster belongs to the Fluxbase in database %q; "+
				"give this one logins of its own: database.user_url and database.service_url", login, owner)
		}
		return setPassword(ctx, conn, login, password)
	})
}

// ownerComment begins the comment on a login; the name of the database whose
// server has set its password follows.
const ownerComment = "login of the Fluxbase in database "

// loginOwnerSQL names the other database that a login belongs to, if there
// still is one.
const loginOwnerSQL = `
select coalesce((select d.datname::text
	from pg_catalog.pg_roles r join pg_catalog.pg_database d on shobj_description(r.oid, 'pg_authid') = $2 || d.datname
	where r.rolname = $1 and d.datname <> current_database()), '')`

func canLogIn(ctx context.Context, databaseURL, login, password string) bool {
	loginURL, err := postgres.WithLogin(databaseURL, login, password)
	if err != nil {
		return false
	}
	return connected(ctx, loginURL, func(*pgx.Conn) error { return nil }) == nil
}

// setPassword stores a SCRAM verifier, so that the password itself appears in
// no statement log.
func setPassword(ctx context.Context, conn *pgx.Conn, login, password string) error {
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	name := postgres.Quote(login)
	comment, err := conn.PgConn().EscapeString(ownerComment + conn.Config().Database)
	if err != nil {
		return fmt.Errorf("writing the comment on %s: %w", login, err)
	}
	_, err = conn.Exec(ctx, "alter role "+name+" password '"+verifier+"'; comment on role "+name+" is '"+comment+"'")
	if err != nil {
		return fmt.Errorf("setting the password of %s (or set database.user_url and database.service_url): %w", login, err)
	}
	return nil
}

func connected(ctx context.Context, databaseURL string, f func(*pgx.Conn) error) error {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return errors.New("the database URL is malformed") // a parse error would repeat it, password and all
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	return f(conn)
}
