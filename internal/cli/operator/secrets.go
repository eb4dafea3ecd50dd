package operator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/secret"
)

var errTenant = errors.New("--sub-tenant takes the id of a sub-tenant, a UUID")

// What is wrong with a command line is not repeated: it may be a value.
var (
	errSetArgs = errors.New("secrets set takes the name of a secret (letters, digits, underscores, dots and hyphens), " +
		"and reads its value from standard input or --file")
	errSetFlags = errors.New("secrets set does not take these flags; see: fluxbase-cli secrets set --help")
)

func secretsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Keep secrets, and the encryption keys that everything secret is sealed under",
		Long: "Keeps the secrets of applications, and the encryption keys that everything secret is sealed under.\n\n" +
			"With FLUXBASE_URL and FLUXBASE_SERVICE_KEY (or --url and --service-key) the server does the work. Without, this program does it on the " +
			"database of the configuration (database.url), or of the development server that runs on the data directory; it needs the same " +
			"encryption keys as the server.",
	}
	cmd.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	cmd.AddCommand(setCommand(), getCommand(), listSecretsCommand(), deleteCommand(), historyCommand(), restoreCommand())
	for _, c := range cmd.Commands() {
		c.Flags().String("sub-tenant", "", "the sub-tenant that the secret is for (default: the whole installation)")
	}
	return cli.Group(cmd, reEncryptCommand(), auditCommand(), rollbackCommand(), rotateCommand(), runsCommand(), notificationSecretCommand())
}

func setCommand() *cobra.Command {
	var file, description string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Give a secret a new value, from standard input or a file",
		Long: "Gives a secret a new value; the versions before stay in its history. The value is read from standard input, without the line break at " +
			"its end, or from a file as it is: on the command line others on the machine could read it.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !secret.ValidName(args[0]) { // NAME=VALUE would travel in the path of the request
				return errSetArgs
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("expires-in") && expires < time.Second {
				return errors.New("--expires-in takes a duration of at least a second, such as 720h")
			}
			value, err := readValue(cmd, file)
			if err != nil {
				return err
			}
			in := secret.Setting{Value: value}
			if cmd.Flags().Changed("description") {
				in.Description = &description
			}
			if cmd.Flags().Changed("expires-in") {
				seconds := int64(expires / time.Second)
				in.ExpiresIn = &seconds
			}
			return oneSecret(cmd, http.MethodPut, args[0], "", in, "Set")
		},
	}
	cmd.SetFlagErrorFunc(func(*cobra.Command, error) error { return errSetFlags })
	cmd.Flags().StringVar(&file, "file", "", "read the value from this file")
	cmd.Flags().StringVar(&description, "description", "", "what the secret is for")
	cli.DurationFlag(cmd, &expires, "expires-in", 0, "how long the value is good for, such as 720h")
	return cmd
}

// readValue reads a value from a file, a pipe, or a person, whose typing is not
// shown.
func readValue(cmd *cobra.Command, file string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file) //nolint:gosec // naming a file is what the flag is for
		if err != nil {
			return "", fmt.Errorf("reading the value: %w", err)
		}
		return checkValue(text)
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprint(cmd.ErrOrStderr(), "Value: ")
		text, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("reading the value: %w", err)
		}
		return checkValue(text)
	}
	text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), secret.MaxValue+3))
	if err != nil {
		return "", fmt.Errorf("reading the value: %w", err)
	}
	if line, ok := bytes.CutSuffix(text, []byte("\n")); ok {
		text = bytes.TrimSuffix(line, []byte("\r"))
	}
	return checkValue(text)
}

func checkValue(text []byte) (string, error) {
	switch {
	case len(text) == 0:
		return "", errors.New("the value is empty")
	case len(text) > secret.MaxValue:
		return "", fmt.Errorf("the value is longer than %d bytes", secret.MaxValue)
	case !utf8.Valid(text):
		return "", errors.New("the value is not UTF-8 text; encode binary values, as with base64")
	}
	return string(text), nil
}

// oneSecret sends a request about a secret whose answer is the secret.
func oneSecret(cmd *cobra.Command, method, name, path string, body any, done string) error {
	query, err := tenantQuery(cmd)
	if err != nil {
		return err
	}
	return withDesk(cmd, func(d *desk) error {
		var kept secret.Secret
		if err := d.send(cmd.Context(), method, secretPath(name, path, query), body, &kept); err != nil {
			return err
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), kept)
		}
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s %s, version %d.\n", done, kept.Name, kept.Version)
		return nil
	})
}

func secretPath(name, path string, query url.Values) string {
	return "/secrets/" + url.PathEscape(name) + path + "?" + query.Encode()
}

func getCommand() *cobra.Command {
	var version int
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Print the value of a secret; every read is audited", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := tenantQuery(cmd)
			if err != nil {
				return err
			}
			if version != 0 {
				query.Set("version", strconv.Itoa(version))
			}
			return withDesk(cmd, func(d *desk) error {
				var v secret.Value
				if err := d.call(cmd.Context(), http.MethodGet, secretPath(args[0], "/value", query), &v); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), v)
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), v.Value)
				return err
			})
		},
	}
	cmd.Flags().IntVar(&version, "version", 0, "a version (default: the newest)")
	return cmd
}

func listSecretsCommand() *cobra.Command {
	var cursor string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List secrets, without their values", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := tenantQuery(cmd)
			if err != nil {
				return err
			}
			query.Set("limit", strconv.Itoa(limit))
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			return withDesk(cmd, func(d *desk) error {
				var page secret.Page
				if err := d.call(cmd.Context(), http.MethodGet, "/secrets?"+query.Encode(), &page); err != nil {
					return err
				}
				return printSecrets(cmd, page)
			})
		},
	}
	cmd.Flags().StringVar(&cursor, "cursor", "", "go on after a page")
	cmd.Flags().IntVar(&limit, "limit", 20, "secrets on a page, 1 to 100")
	return cmd
}

func printSecrets(cmd *cobra.Command, page secret.Page) error {
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), page)
	}
	rows := make([]string, 0, len(page.Items))
	for _, k := range page.Items {
		rows = append(rows, strings.Join([]string{
			k.Name, strconv.Itoa(k.Version), k.UpdatedAt.Format(time.RFC3339), instant(k.ExpiresAt), text(k.Description),
		}, "\t"))
	}
	if err := printTable(cmd.OutOrStdout(), "NAME\tVERSION\tSET\tEXPIRES\tDESCRIPTION", rows); err != nil {
		return err
	}
	if page.NextCursor != nil {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "More: fluxbase-cli secrets list --cursor %s%s\n", *page.NextCursor, sameTenant(cmd))
	}
	return nil
}

// sameTenant is what a command that is about the same sub-tenant ends with.
func sameTenant(cmd *cobra.Command) string {
	if f := cmd.Flags().Lookup("sub-tenant"); f.Changed {
		return " --sub-tenant " + f.Value.String()
	}
	return ""
}

// deletedSecret is what a deletion comes to, for programs.
type deletedSecret struct {
	Name   string `json:"name"`
	Purged bool   `json:"purged"`
}

func deleteCommand() *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a secret; it can be restored unless it is purged", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := tenantQuery(cmd)
			if err != nil {
				return err
			}
			done := "Deleted. Bring it back with: fluxbase-cli secrets restore " + cli.Printable(args[0]) + sameTenant(cmd)
			if purge {
				query.Set("purge", "true")
				done = "Destroyed, with every version of its value."
			}
			return withDesk(cmd, func(d *desk) error {
				if err := d.call(cmd.Context(), http.MethodDelete, secretPath(args[0], "", query), nil); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), deletedSecret{args[0], purge})
				}
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), done)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "destroy every version for good")
	return cmd
}

func historyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "history NAME", Short: "List the versions of a secret, without their values", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := tenantQuery(cmd)
			if err != nil {
				return err
			}
			return withDesk(cmd, func(d *desk) error {
				var history secret.Versions
				if err := d.call(cmd.Context(), http.MethodGet, secretPath(args[0], "/versions", query), &history); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), history)
				}
				rows := make([]string, 0, len(history.Items))
				for _, v := range history.Items {
					by := "at the database"
					if v.CreatedBy != nil {
						by = "key " + v.CreatedBy.String()
					}
					version := strconv.Itoa(v.Version)
					if v.Deleted {
						version += " (deleted)"
					}
					rows = append(rows, strings.Join([]string{version, v.CreatedAt.Format(time.RFC3339), by, instant(v.ExpiresAt)}, "\t"))
				}
				return printTable(cmd.OutOrStdout(), "VERSION\tSET\tBY\tEXPIRES", rows)
			})
		},
	}
}

func restoreCommand() *cobra.Command {
	var version int
	cmd := &cobra.Command{
		Use: "restore NAME", Short: "Bring back a deleted secret, or the value of an earlier version", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return oneSecret(cmd, http.MethodPost, args[0], "/restore", secret.Restoration{Version: version}, "Restored")
		},
	}
	cmd.Flags().IntVar(&version, "version", 0, "the version whose value becomes the newest")
	return cmd
}
