package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/schema"
)

// Bootstrap prepares a cluster that we are the administrator of the way an
// administrator would prepare any other: a database whose owner is no
// superuser, and the roles of API traffic. It may be run any number of times.
func Bootstrap(ctx context.Context, adminURL func(database string) string, database, owner, password string) error {
	err := connected(ctx, adminURL("postgres"), func(conn *pgx.Conn) error {
		name := postgres.Quote(owner)
		verifier, err := scramVerifier(password)
		if err != nil {
			return err
		}
		if err := once(ctx, conn, "select exists (select from pg_roles where rolname = $1)", owner,
			"create role "+name+" login createrole createdb password '"+verifier+"'"); err != nil {
			return err
		}
		return once(ctx, conn, "select exists (select from pg_database where datname = $1)", database,
			"create database "+postgres.Quote(database)+" owner "+name)
	})
	if err != nil {
		return err
	}
	return connected(ctx, adminURL(database), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, AdministratorSQL(owner)); err != nil {
			return fmt.Errorf("preparing the roles of the cluster: %w", err)
		}
		return nil
	})
}

// WatchCatalog installs the event trigger that announces changes of the
// schema, which only a superuser can. It comes after Up.
func WatchCatalog(ctx context.Context, adminURL string) error {
	return connected(ctx, adminURL, func(conn *pgx.Conn) error {
		return once(ctx, conn, "select exists (select from pg_event_trigger where evtname = $1)", "fluxbase_drop", schema.CatalogWatch)
	})
}

// once runs a statement unless a query says that there is no need.
func once(ctx context.Context, conn *pgx.Conn, query, name, statement string) error {
	var exists bool
	if err := conn.QueryRow(ctx, query, name).Scan(&exists); err != nil {
		return fmt.Errorf("looking for %s: %w", name, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	return nil
}
