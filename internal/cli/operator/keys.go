package operator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/server"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Keep client and service keys",
		Long: "Keeps client and service keys. With FLUXBASE_URL and FLUXBASE_SERVICE_KEY (or --url and --service-key) the server does the work, and a " +
			"service key makes none that lasts longer than itself. Without, this program does it on the database of the configuration (database.url), " +
			"or of the development server that runs on the data directory: so the first keys are made.",
	}
	cmd.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	var list string
	listing := &cobra.Command{
		Use: "list", Short: "List keys with their last use, newest first", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return listKeys(cmd, list) },
	}
	listing.Flags().StringVar(&list, "kind", "", "only client or only service keys")
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a key, at once and everywhere", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKey(cmd, args[0], func(c *client, path string) error {
				if err := c.call(cmd.Context(), http.MethodDelete, path, nil); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), struct {
						Revoked string `json:"revoked"`
					}{args[0]})
				}
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), "Revoked.")
				return nil
			})
		},
	}
	return cli.Group(cmd, createKeyCommand(), listing, rotateKeyCommand(), revoke)
}

// kindPaths are the paths of the admin API by kind.
var kindPaths = map[apikey.Kind]string{apikey.Client: "/client-keys", apikey.Service: "/service-keys"}

var errKind = errors.New("--kind is client or service")

func createKeyCommand() *cobra.Command {
	var kind string
	var n apikey.New
	var life time.Duration
	cmd := &cobra.Command{
		Use: "create", Short: "Make a key and print it, this once", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, ok := kindPaths[apikey.Kind(kind)]
			if kind != "" && !ok {
				return errKind
			}
			if !ok || n.Name == "" {
				return errors.New("say what for: --kind client|service --name NAME")
			}
			var err error
			if n.ExpiresIn, err = wholeSeconds(cmd, "expires-in", life); err != nil {
				return err
			}
			return withKeys(cmd, func(c *client) error { return printMade(cmd, c, path, n) })
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "client or service")
	cmd.Flags().StringVar(&n.Name, "name", "", "what the key is for")
	cmd.Flags().StringSliceVar(&n.AllowedOrigins, "origin", nil,
		"a page that may send the key, such as https://app.example.com; repeat it for more (default: of a client key any, of a service key none)")
	cli.DurationFlag(cmd, &life, "expires-in", 0, "how long the key is good for, such as 90d (default: until it is revoked)")
	return cmd
}

func rotateKeyCommand() *cobra.Command {
	var overlap, life time.Duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Make a key in the place of another, which goes on for an overlap", Args: cli.Arguments(1, 1),
		Long: "Makes a key with the name and the origins of another one, and prints it, this once. The other one goes on for the overlap, so that " +
			"whatever uses it can be given the new key meanwhile.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r apikey.Rotation
			var err error
			if r.Overlap, err = wholeSeconds(cmd, "overlap", overlap); err != nil {
				return err
			}
			if r.ExpiresIn, err = wholeSeconds(cmd, "expires-in", life); err != nil {
				return err
			}
			return withKey(cmd, args[0], func(c *client, path string) error { return printMade(cmd, c, path+"/rotate", r) })
		},
	}
	cli.DurationFlag(cmd, &overlap, "overlap", 24*time.Hour, "how long the old key goes on; 0 ends it now")
	cli.DurationFlag(cmd, &life, "expires-in", 0, "how long the new key is good for (default: as long as the old one was made for)")
	return cmd
}

// wholeSeconds is what a flag says, or nil if it is not given.
func wholeSeconds(cmd *cobra.Command, flag string, value time.Duration) (*int64, error) {
	if !cmd.Flags().Changed(flag) {
		return nil, nil //nolint:nilnil // it was not given
	}
	if value%time.Second != 0 || value < 0 {
		return nil, fmt.Errorf("--%s takes whole seconds, such as 90s, 720h or 30d", flag)
	}
	seconds := int64(value / time.Second)
	return &seconds, nil
}

// printMade sends a request whose answer is a key that has just been made.
func printMade(cmd *cobra.Command, c *client, path string, body any) error {
	var made apikey.Made
	if err := c.send(cmd.Context(), http.MethodPost, path, body, &made); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), made)
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", made.Text)
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Key %s. It is not shown again.\n", made.ID)
	if made.Replaces != nil {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "The old key goes on until %s.\n", made.Replaces.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

func listKeys(cmd *cobra.Command, kind string) error {
	kinds := []apikey.Kind{apikey.Client, apikey.Service}
	if kind != "" {
		kinds = []apikey.Kind{apikey.Kind(kind)}
	}
	return withKeys(cmd, func(c *client) error {
		keys, err := allKeys(cmd, c, kinds...)
		if err != nil {
			return err
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), keys)
		}
		rows := make([]string, 0, len(keys))
		for _, key := range keys {
			rows = append(rows, strings.Join([]string{
				key.ID.String(), string(key.Kind), cli.Printable(key.Name), key.Prefix + "...", key.CreatedAt.Format(time.RFC3339),
				instant(key.LastUsedAt), instant(key.ExpiresAt), instant(key.RevokedAt), origins(key),
			}, "\t"))
		}
		return printTable(cmd.OutOrStdout(), "ID\tKIND\tNAME\tKEY\tCREATED\tLAST USED\tEXPIRES\tREVOKED\tORIGINS", rows)
	})
}

// origins are those of a key, or - if it has none.
func origins(key apikey.Key) string {
	if len(key.AllowedOrigins) == 0 {
		return "-"
	}
	return cli.Printable(strings.Join(key.AllowedOrigins, " "))
}

// allKeys reads every page of some kinds.
func allKeys(cmd *cobra.Command, c *client, kinds ...apikey.Kind) ([]apikey.Key, error) {
	keys := []apikey.Key{}
	for _, kind := range kinds {
		path, ok := kindPaths[kind]
		if !ok {
			return nil, errKind
		}
		query := url.Values{"limit": {"100"}}
		for {
			var page apikey.Page
			if err := c.call(cmd.Context(), http.MethodGet, path+"?"+query.Encode(), &page); err != nil {
				return nil, err
			}
			keys = append(keys, page.Items...)
			if page.NextCursor == nil {
				break
			}
			query.Set("cursor", *page.NextCursor)
		}
	}
	return keys, nil
}

// withKey runs f with the path of a key, of whichever kind.
func withKey(cmd *cobra.Command, text string, f func(c *client, path string) error) error {
	keyID, err := id.Parse(text)
	if err != nil {
		return errors.New("that is not the id of a key; see: fluxbase-cli keys list") // it may be the key itself, and is not repeated
	}
	return withKeys(cmd, func(c *client) error {
		keys, err := allKeys(cmd, c, apikey.Client, apikey.Service)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if key.ID == id.Key(keyID) {
				return f(c, kindPaths[key.Kind]+"/"+keyID.String())
			}
		}
		return errors.New("there is no such key; see: fluxbase-cli keys list")
	})
}

// withKeys runs f with the keys of the server, or of the database, that the flags
// name.
func withKeys(cmd *cobra.Command, f func(*client) error) error {
	served, err := remote(cmd)
	if err != nil {
		return err
	}
	if served != nil {
		return f(served)
	}
	c, databaseURL, err := cli.Database(cmd)
	if err != nil {
		return err
	}
	db, err := postgres.Open(cmd.Context(), postgres.Config{OwnerURL: databaseURL, MaxConns: 1, Pooled: true})
	if err != nil {
		return err
	}
	defer db.Close()
	c.Log.Level, c.Log.Format = "warn", "text" // for a person, beside what the command prints
	return f(inProcess(server.KeyDesk(db, cli.Logger(c, cmd.ErrOrStderr()))))
}
