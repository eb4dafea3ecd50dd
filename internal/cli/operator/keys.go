package operator

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Keep client and service keys, through the database",
		Long: "Keeps client and service keys. It works on the database of the configuration (database.url), or of the " +
			"development server that runs on the data directory.",
	}
	cmd.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	var kind, name string
	create := &cobra.Command{
		Use: "create", Short: "Make a key and print it, this once", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return createKey(cmd, apikey.Kind(kind), name) },
	}
	create.Flags().StringVar(&kind, "kind", "", "client or service")
	create.Flags().StringVar(&name, "name", "", "what the key is for")
	list := &cobra.Command{Use: "list", Short: "List keys, newest first", Args: cli.NoArguments, RunE: listKeys}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a key, at once and everywhere", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, err := id.Parse(args[0])
			if err != nil {
				return fmt.Errorf("%q is not the id of a key; see: fluxbase-cli keys list", args[0])
			}
			return withKeeper(cmd, func(k *apikey.Keeper) error {
				if err := k.Revoke(cmd.Context(), id.Key(u)); err != nil {
					return err
				}
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), "Revoked.")
				return nil
			})
		},
	}
	return cli.Group(cmd, create, list, revoke)
}

func createKey(cmd *cobra.Command, kind apikey.Kind, name string) error {
	if kind != apikey.Client && kind != apikey.Service || name == "" {
		return errors.New("say what for: --kind client|service --name NAME")
	}
	return withKeeper(cmd, func(k *apikey.Keeper) error {
		key, text, err := k.Create(cmd.Context(), kind, name)
		if err != nil {
			return err
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), struct {
				ID  id.Key `json:"id"`
				Key string `json:"key"`
			}{key.ID, text})
		}
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Key %s. It is not shown again.\n", key.ID)
		return nil
	})
}

func listKeys(cmd *cobra.Command, _ []string) error {
	return withKeeper(cmd, func(k *apikey.Keeper) error {
		keys, err := k.List(cmd.Context())
		if err != nil {
			return err
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), keys)
		}
		rows := make([]string, 0, len(keys))
		for _, key := range keys {
			rows = append(rows, strings.Join([]string{
				key.ID.String(), string(key.Kind), printable(key.Name), key.Prefix + "...",
				key.CreatedAt.Format(time.RFC3339), instant(key.RevokedAt),
			}, "\t"))
		}
		return printTable(cmd.OutOrStdout(), "ID\tKIND\tNAME\tKEY\tCREATED\tREVOKED", rows)
	})
}

// withKeeper runs f with the keys of the database that the flags name.
func withKeeper(cmd *cobra.Command, f func(*apikey.Keeper) error) error {
	_, url, err := cli.Database(cmd)
	if err != nil {
		return err
	}
	db, err := postgres.Open(cmd.Context(), postgres.Config{OwnerURL: url, MaxConns: 1, Pooled: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return f(&apikey.Keeper{DB: db, Now: time.Now})
}
