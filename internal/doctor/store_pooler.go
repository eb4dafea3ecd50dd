package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/telemetry"
)

const backendSQL = `select pg_backend_pid()`

// Pooler finds out whether something between here and PostgreSQL gives each
// transaction whichever connection is free, and whether the configuration says
// so. While a transaction of another client holds the connection that the first
// one had, the first one can only get another.
func Pooler(ctx context.Context, url string, configured bool) (found []telemetry.Finding, err error) {
	if configured {
		return nil, nil // works with and without one
	}
	one, err := pooled(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, one.Close(context.WithoutCancel(ctx))) }()
	other, err := pooled(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, other.Close(context.WithoutCancel(ctx))) }()
	before, err := backend(ctx, one)
	if err != nil {
		return nil, err
	}
	tx, err := other.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, backendSQL); err != nil {
		return nil, fmt.Errorf("holding a connection: %w", err)
	}
	after, err := backend(ctx, one)
	if err != nil || after == before {
		return nil, err
	}
	return []telemetry.Finding{{
		Severity: telemetry.Problem, Where: "database.pooler",
		Detail: "A pooler in transaction mode stands before the database, and the server does not know: statements that it has prepared are gone, and it listens in vain.",
		Fix:    "FLUXBASE_DATABASE_POOLER=transaction",
	}}, nil
}

// pooled opens a connection that prepares nothing.
func pooled(ctx context.Context, url string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading database.url: %w", err)
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}

func backend(ctx context.Context, conn *pgx.Conn) (int64, error) {
	var pid int64
	if err := conn.QueryRow(ctx, backendSQL).Scan(&pid); err != nil {
		return 0, fmt.Errorf("asking for the connection's process: %w", err)
	}
	return pid, nil
}
