package cli

import (
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration"}
	var asJSON bool
	show := &cobra.Command{
		Use:   "show",
		Short: "Print every effective value and where it comes from; secrets are redacted",
		Args:  NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd, config.Production, nil)
			if err != nil {
				return err
			}
			if asJSON {
				return c.ShowJSON(cmd.OutOrStdout())
			}
			return c.Show(cmd.OutOrStdout())
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return Group(cmd, show)
}
