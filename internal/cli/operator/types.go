package operator

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/typescript"
)

func typesCommand() *cobra.Command {
	cmd := group("types", "Describe the database to a compiler",
		"Writes what is in the database as types of a programming language. A server is asked, or else the database of the configuration "+
			"(--config, --data-dir). See docs/types.md.", generateCommand())
	cmd.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	return cmd
}

func generateCommand() *cobra.Command {
	var lang, output string
	var schemas []string
	var check bool
	cmd := &cobra.Command{
		Use: "generate", Short: "Write the types of tables, views and functions", Args: cli.NoArguments,
		Long: "Writes the types of tables, views, functions, enums and composite types, as clients of Supabase know them. " +
			"With --check nothing is written, and the exit status is 1 if the file is not what would be written.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check && output == "" {
				return errors.New("--check goes with --output: it says whether that file is up to date")
			}
			return withDesk(cmd, func(d *desk) error {
				var answer typescript.Answer
				query := url.Values{"lang": {lang}, "schema": schemas}
				if err := d.call(cmd.Context(), http.MethodGet, "/types?"+query.Encode(), &answer); err != nil {
					return err
				}
				return typesAnswer(cmd, answer.Types, output, check)
			})
		},
	}
	cmd.Flags().StringVar(&lang, "lang", "typescript", "the language; there is typescript")
	cmd.Flags().StringArrayVar(&schemas, "schema", nil, "a schema, several times if need be, the default one first (default: the exposed ones)")
	cmd.Flags().StringVar(&output, "output", "", "write into this file (default: standard output)")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing, and fail if the file of --output differs")
	return cmd
}

func typesAnswer(cmd *cobra.Command, types, output string, check bool) error {
	if output == "" {
		_, err := fmt.Fprint(cmd.OutOrStdout(), types)
		return err
	}
	there, err := os.ReadFile(output) //nolint:gosec // naming a file is what the flag is for
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading types: %w", err)
	}
	same := err == nil && bytes.Equal(there, []byte(types))
	switch {
	case check && !same:
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), cli.Printable(output)+" is not what the database would have; write it anew without --check.")
		return cli.Status(1)
	case check || same: // not touched, for those who watch it
		return nil
	default:
		return replaceFile(output, types)
	}
}

// replaceFile puts a file in the place of another, or of none, in one step:
// whoever reads it finds the old one or the new one, whole.
func replaceFile(name, content string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("writing types: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing types: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
