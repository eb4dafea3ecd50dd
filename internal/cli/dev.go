package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/dev"
)

func devCommand() *cobra.Command {
	var (
		asJSON   bool
		postgres map[string]string
	)
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a development server with a PostgreSQL of its own",
		Long: "Runs everything in one folder: a PostgreSQL of its own (unless database.url is set), " +
			"migrations, keys, and the server. Nothing has to be configured.",
		Args: NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tune()
			c, err := load(cmd, config.Development, map[string]string{
				"address": "server.address", "data-dir": "database.data_dir",
			})
			if err != nil {
				return err
			}
			if c.Environment != config.Development {
				return fmt.Errorf("fluxbase dev is for development; this environment is %s: use fluxbase serve", c.Environment)
			}
			if err := validated(c); err != nil {
				return err
			}
			log := Logger(c, cmd.ErrOrStderr())
			warn(cmd.Context(), c, log)
			err = dev.Run(cmd.Context(), c, dev.Options{
				BundleRoots: bundleRoots(), Settings: postgres, Logger: log,
				Ready: func(r dev.Ready) error { return announce(cmd, r, asJSON) },
			})
			if interrupted(err) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().String("address", "", "address to listen on (default 127.0.0.1:8080; port 0 picks a free one)")
	cmd.Flags().String("data-dir", "", "folder of the database and the keys (default .fluxbase)")
	cmd.Flags().StringToStringVar(&postgres, "postgres", nil, "settings of its PostgreSQL, such as shared_buffers=1GB")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print where the server is as one JSON object")
	return cmd
}

// bundleRoots are the places in which the npm bundle of PostgreSQL may lie: the
// working directory, and the program's own folder and the one above.
func bundleRoots() []string {
	roots := []string{}
	if wd, err := os.Getwd(); err == nil {
		roots = append(roots, wd, filepath.Join(wd, "tools", "postgres"))
	}
	if program, err := os.Executable(); err == nil {
		above := filepath.Dir(filepath.Dir(program))
		roots = append(roots, filepath.Dir(program), above, filepath.Join(above, "tools", "postgres"))
	}
	return roots
}

// announce prints where the server is, once it answers.
func announce(cmd *cobra.Command, r dev.Ready, asJSON bool) error {
	w := cmd.OutOrStdout()
	if asJSON {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encoding: %w", err)
		}
		_, err = fmt.Fprintf(w, "%s\n", line)
		return err
	}
	quickstart := os.Args[0] + " quickstart"
	if f := cmd.Flags().Lookup("data-dir"); f != nil && f.Changed {
		quickstart += " --data-dir " + f.Value.String()
	}
	_, err := fmt.Fprintf(w, `
  Fluxbase is ready, after %.1f s.

  API           %s
  Reference     %s
  OpenAPI       %s
  Client key    %s
  Service key   %s
  Database      %s
  Mailbox       %s

  See two people and their rows, in another terminal:  %s
  The service key bypasses Row-Level Security; keep it out of browsers.
  Stop with Ctrl-C. Everything is kept.

`, float64(r.ElapsedMS)/1000, r.APIURL, r.DocsURL, r.OpenAPIURL, r.ClientKey, r.ServiceKey, r.DatabaseURL, r.MailURL, quickstart)
	return err
}
