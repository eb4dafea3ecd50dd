package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Apply and write migrations",
		Long: "Works on the database of the configuration, or of the development server that runs on the data " +
			"directory. Migrations of the server itself come first, then those of your own folder.",
	}
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	return Group(cmd,
		&cobra.Command{Use: "status", Short: "List migrations and when they were applied", Args: NoArguments, RunE: migrateStatus},
		&cobra.Command{Use: "plan", Short: "Print the SQL that up would run", Args: NoArguments, RunE: migratePlan},
		&cobra.Command{Use: "up", Short: "Apply what is pending", Args: NoArguments, RunE: migrateUp},
		&cobra.Command{Use: "new NAME", Short: "Write an empty migration into your folder", Args: Arguments(1, 1), RunE: migrateNew},
	)
}

func sources(c *config.Config) []migrate.Source {
	return []migrate.Source{migrate.Queue(), migrate.Server(), migrate.Project(c.Migrations.Dir)}
}

func migrateStatus(cmd *cobra.Command, _ []string) error {
	c, url, err := Database(cmd)
	if err != nil {
		return err
	}
	steps, err := migrate.Status(cmd.Context(), url, sources(c)...)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SOURCE\tMIGRATION\tAPPLIED")
	for _, s := range steps {
		applied := "pending"
		if s.Applied {
			applied = s.AppliedAt.Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", s.Source, s.Name, applied)
	}
	return w.Flush()
}

func migratePlan(cmd *cobra.Command, _ []string) error {
	c, url, err := Database(cmd)
	if err != nil {
		return err
	}
	steps, err := migrate.Status(cmd.Context(), url, sources(c)...)
	if err != nil {
		return err
	}
	pending := 0
	for _, s := range steps {
		if !s.Applied {
			pending++
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "-- %s: %s\n%s\n", s.Source, s.Name, s.SQL)
		}
	}
	if pending == 0 {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), "Nothing is pending.")
	}
	return nil
}

func migrateUp(cmd *cobra.Command, _ []string) error {
	c, url, err := Database(cmd)
	if err != nil {
		return err
	}
	if err := migrate.EnsureRoles(cmd.Context(), url); err != nil {
		return err
	}
	done, err := migrate.Up(cmd.Context(), url, Logger(c, cmd.ErrOrStderr()), sources(c)...)
	if err != nil {
		return err
	}
	for _, s := range done {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "applied %s %s\n", s.Source, s.Name)
	}
	if len(done) == 0 {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), "Nothing is pending.")
	}
	return nil
}

var migrationName = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,60}$`)

// emptyMigration explains itself to somebody who has never written one.
const emptyMigration = `-- +goose Up
-- Write SQL here. The file runs in one transaction; a function body or a DO
-- block goes between two lines of their own, which begin like the first line
-- of this file and end in StatementBegin and StatementEnd.

`

func migrateNew(cmd *cobra.Command, args []string) error {
	c, err := load(cmd, config.Development, nil)
	if err != nil {
		return err
	}
	if !migrationName.MatchString(args[0]) {
		return fmt.Errorf("a migration's name is lower-case letters, digits and underscores, such as add_todos")
	}
	if err := os.MkdirAll(c.Migrations.Dir, 0o755); err != nil { //nolint:gosec // a folder of source files
		return fmt.Errorf("making the migrations folder: %w", err)
	}
	path, err := nextMigration(c.Migrations.Dir, args[0])
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(emptyMigration), 0o644); err != nil { //nolint:gosec // a source file
		return fmt.Errorf("writing a migration: %w", err)
	}
	_, _ = fmt.Fprintln(cmd.OutOrStdout(), path)
	return nil
}

// nextMigration names a file whose version no other file has.
func nextMigration(dir, name string) (string, error) {
	for at := time.Now().UTC(); ; at = at.Add(time.Second) {
		version := at.Format("20060102150405")
		taken, err := filepath.Glob(filepath.Join(dir, version+"_*.sql"))
		if err != nil {
			return "", fmt.Errorf("looking at the migrations folder: %w", err)
		}
		if len(taken) == 0 {
			return filepath.Join(dir, version+"_"+name+".sql"), nil
		}
	}
}
