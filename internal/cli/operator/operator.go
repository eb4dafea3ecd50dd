// Package operator is the operator's command line, fluxbase-cli. It talks to a
// running server with a service key; keys, of which the first cannot be made
// that way, are kept through the database.
package operator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/server"
)

// Main runs a command line of fluxbase-cli; see cli.Execute.
func Main(args []string, stdout, stderr io.Writer) int {
	return cli.Execute(Root(), args, stdout, stderr)
}

// Root returns the command fluxbase-cli with its subcommands.
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:   "fluxbase-cli",
		Short: "Look after the people, sessions, keys, secrets, policies and types of a Fluxbase",
		Long: "Look after the people, sessions, keys, secrets, policies and types of a Fluxbase.\n\n" +
			"The server and the service key come from --url and --service-key, or from the environment: " +
			"FLUXBASE_URL and FLUXBASE_SERVICE_KEY. A key on the command line can be read by others on the machine.",
		Version:       server.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("url", os.Getenv("FLUXBASE_URL"), "URL of the server")
	root.PersistentFlags().String("service-key", "", "service key (better: FLUXBASE_SERVICE_KEY)")
	root.PersistentFlags().Bool("json", false, "print JSON")
	root.AddCommand(usersCommand(), sessionsCommand(), keysCommand(), secretsCommand(), rlsCommand(), typesCommand())
	return root
}

// wantsJSON says whether the answer goes to a program.
func wantsJSON(cmd *cobra.Command) bool {
	asJSON, err := cmd.Flags().GetBool("json")
	return err == nil && asJSON
}

// connect returns a client of the server that the flags name.
func connect(cmd *cobra.Command) (*client, error) {
	url, err := cmd.Flags().GetString("url")
	if err != nil {
		return nil, fmt.Errorf("reading flags: %w", err)
	}
	key, err := cmd.Flags().GetString("service-key")
	if err != nil {
		return nil, fmt.Errorf("reading flags: %w", err)
	}
	if key == "" {
		key = os.Getenv("FLUXBASE_SERVICE_KEY")
	}
	switch {
	case url == "" && key == "":
		return nil, errors.New("which server? set FLUXBASE_URL and FLUXBASE_SERVICE_KEY, or --url and --service-key")
	case url == "":
		return nil, errors.New("which server? set FLUXBASE_URL, or --url")
	case key == "":
		return nil, errors.New("the service key is missing: set FLUXBASE_SERVICE_KEY (or --service-key)")
	}
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return nil, errors.New("the URL of the server begins with http:// or https://, such as http://127.0.0.1:8080")
	}
	return newClient(url, key), nil
}

// printJSON writes a value on lines of its own, indented.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// printTable writes columns for people.
func printTable(w io.Writer, header string, rows []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, header)
	for _, r := range rows {
		_, _ = fmt.Fprintln(t, r)
	}
	return t.Flush()
}
