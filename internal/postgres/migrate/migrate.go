// Package migrate brings a database to the schema of this program, and applies
// a project's own SQL files the same way.
//
// It connects as the owner of the database, and holds an advisory lock for as
// long as it works: of two servers that start at once one migrates and the other
// waits. The lock is that of a transaction, and nothing is prepared, so that a
// pooler in transaction mode may sit in between. Every file runs in a transaction of its own, so that a
// migration killed at any statement leaves the schema as it was before it.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/fluxbase/fluxbase/internal/schema"
)

// Source is a set of migrations with a version table of its own.
type Source struct {
	Name  string // "server" or "project", for people
	Table string // where applied versions are kept, schema-qualified
	Files fs.FS  // NUMBER_name.sql at the root
}

// Server is the schema of the program itself.
func Server() Source {
	return Source{Name: "server", Table: "auth.server_migrations", Files: schema.Files}
}

// Project is a folder of a project's own migrations. A folder that does not
// exist is an empty source.
func Project(dir string) Source {
	return Source{Name: "project", Table: "auth.project_migrations", Files: os.DirFS(dir)}
}

// Step is one migration and what is known of it.
type Step struct {
	Source    string
	Version   int64
	Name      string // file name
	AppliedAt time.Time
	Applied   bool
	SQL       string // the file, for a plan
}

// Up applies what is pending of each source in turn and returns what it did. It
// logs how much that was, and each file at level debug. It waits up to five minutes for another migration to finish.
func Up(ctx context.Context, databaseURL string, logger *slog.Logger, sources ...Source) ([]Step, error) {
	var done []Step
	began := time.Now()
	err := each(ctx, databaseURL, sources, func(source Source, p *goose.Provider) error {
		results, err := p.Up(ctx)
		if err != nil {
			return fmt.Errorf("applying %s migrations: %w", source.Name, named(err))
		}
		for _, r := range results {
			step := Step{Source: source.Name, Version: r.Source.Version, Name: path.Base(r.Source.Path), Applied: true}
			logger.DebugContext(ctx, "migrated a file", slog.String("source", step.Source),
				slog.String("file", step.Name), slog.Duration("took", r.Duration))
			done = append(done, step)
		}
		return nil
	})
	if len(done) > 0 {
		logger.InfoContext(ctx, "migrated", slog.Int("files", len(done)), slog.Duration("took", time.Since(began).Round(time.Millisecond)))
	}
	return done, err
}

// Status lists every migration of the sources, applied or not, without
// changing anything but the version tables, which it makes if they are missing.
func Status(ctx context.Context, databaseURL string, sources ...Source) ([]Step, error) {
	var steps []Step
	err := each(ctx, databaseURL, sources, func(source Source, p *goose.Provider) error {
		states, err := p.Status(ctx)
		if err != nil {
			return fmt.Errorf("reading %s migrations: %w", source.Name, err)
		}
		for _, s := range states {
			text, err := fs.ReadFile(source.Files, s.Source.Path)
			if err != nil {
				return fmt.Errorf("reading a %s migration: %w", source.Name, err)
			}
			steps = append(steps, Step{
				Source: source.Name, Version: s.Source.Version, Name: path.Base(s.Source.Path),
				AppliedAt: s.AppliedAt, Applied: s.State == goose.StateApplied, SQL: string(text),
			})
		}
		return nil
	})
	return steps, err
}

// named adds the file that failed, which goose knows by number only.
func named(err error) error {
	if partial, ok := errors.AsType[*goose.PartialError](err); ok && partial.Failed != nil {
		return fmt.Errorf("%s: %w", path.Base(partial.Failed.Source.Path), err)
	}
	return err
}

// each runs f for every source that has migrations, on one connection to a
// database that has the schema in which versions are kept.
func each(ctx context.Context, databaseURL string, sources []Source, f func(Source, *goose.Provider) error) error {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return errors.New("the database URL is malformed") // a parse error would repeat it, password and all
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()

	if _, err := db.ExecContext(ctx, ensureSchemaSQL); err != nil {
		return fmt.Errorf("preparing the version tables: %w", err)
	}
	for _, source := range sources {
		p, err := provider(db, source)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		if err := f(source, p); err != nil {
			return err
		}
	}
	return nil
}

func provider(db *sql.DB, source Source) (*goose.Provider, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db, source.Files,
		goose.WithTableName(source.Table), goose.WithLocker(&locker{}), goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
	if errors.Is(err, goose.ErrNoMigrations) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no migrations is no provider
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s migrations: %w", source.Name, err)
	}
	return p, nil
}

// Two starters at once would both find the schema missing, hence the lock.
const ensureSchemaSQL = `do $do$ begin
	perform pg_catalog.pg_advisory_xact_lock(7160931);
	create schema if not exists auth;
end $do$`

// locker holds the lock in a transaction that does nothing else.
type locker struct{ tx *sql.Tx }

const lockSQL = `select pg_catalog.pg_try_advisory_xact_lock($1)
from pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true)`

// Lock implements lock.Locker. Who waits holds no connection of a pooler's.
func (l *locker) Lock(ctx context.Context, db *sql.DB) error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			return fmt.Errorf("waiting for other migrations: %w", err)
		}
		var locked bool
		err = tx.QueryRowContext(ctx, lockSQL, lock.DefaultLockID).Scan(&locked)
		if err == nil && locked {
			l.tx = tx
			return nil
		}
		if err = errors.Join(err, tx.Rollback()); err != nil {
			return fmt.Errorf("waiting for other migrations: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for other migrations: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
	return errors.New("other migrations do not end")
}

// Unlock implements lock.Locker.
func (l *locker) Unlock(context.Context, *sql.DB) error {
	if err := l.tx.Rollback(); err != nil {
		return fmt.Errorf("letting other migrations begin: %w", err)
	}
	return nil
}
