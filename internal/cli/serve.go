package cli

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/server"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server against a database of yours",
		Long: "Runs the server. It needs database.url and secret_key, and in production it refuses values " +
			"that are fit for development only, naming each.",
		Args: NoArguments,
		RunE: serve,
	}
	cmd.Flags().String("address", "", "address to listen on (default 127.0.0.1:8080)")
	return cmd
}

func serve(cmd *cobra.Command, _ []string) error {
	tune()
	ctx := cmd.Context()
	c, err := load(cmd, config.Production, map[string]string{"address": "server.address"})
	if err != nil {
		return err
	}
	if err := validated(c); err != nil {
		if c.Database.URL == "" && c.Source("environment") == "default" {
			return fmt.Errorf("%w\nfluxbase serve is for production; on your own machine, fluxbase dev needs none of this", err)
		}
		return err
	}
	if c.Database.URL == "" || !c.HasEncryption() {
		return fmt.Errorf("fluxbase serve needs database.url and secret_key; fluxbase dev makes its own")
	}
	log := Logger(c, cmd.ErrOrStderr())
	warn(ctx, c, log)
	listener, err := server.Listen(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	s, err := server.New(ctx, c, c.Database.URL.Reveal(), log)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", slog.String("address", listener.Addr().String()), slog.String("public_url", c.PublicURL),
		slog.String("environment", string(c.Environment)), slog.String("version", server.Version))
	return s.Run(ctx, listener)
}
