package operator

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/cli"
)

func factorsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "factors USER", Short: "List the second factors of a user, and say whether wrong codes have locked them", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd, args[0], func(c *client, path string) error {
				return factorsAnswer(cmd, c, http.MethodGet, path+"/factors", nil, "")
			})
		},
	}
}

func resetFactorsCommand() *cobra.Command {
	var factor, reason string
	cmd := &cobra.Command{
		Use: "reset-factors USER --reason WHY", Short: "Take the second factors from a user who has lost them", Args: cli.Arguments(1, 1),
		Long: "Takes the second factors from a user, with the recovery codes, or one factor with --factor. The sessions of the user end, and the user " +
			"gets mail about it.\n\nMake sure who asks: whoever has the password, or the mailbox, comes in without a second factor afterwards.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd, args[0], func(c *client, path string) error {
				path += "/factors"
				if cmd.Flags().Changed("factor") {
					path += "?" + url.Values{"factor": {factor}}.Encode()
				}
				return factorsAnswer(cmd, c, http.MethodDelete, path, admin.Reset{Reason: reason}, "Removed.")
			})
		},
	}
	cmd.Flags().StringVar(&factor, "factor", "", "take only the factor with this id")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log (required)")
	return cmd
}

func unlockCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unlock USER", Short: "Forget the wrong codes and passwords of a user, who can try again at once", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd, args[0], func(c *client, path string) error {
				return factorsAnswer(cmd, c, http.MethodPost, path+"/factors/unlock", nil, "Unlocked.")
			})
		},
	}
}

// factorsAnswer sends a request whose answer is the second factors of a user.
func factorsAnswer(cmd *cobra.Command, c *client, method, path string, body any, done string) error {
	var f admin.Factors
	if err := c.send(cmd.Context(), method, path, body, &f); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return printJSON(out, f)
	}
	if done != "" {
		_, _ = fmt.Fprintln(out, done)
	}
	rows := make([]string, 0, len(f.Factors))
	for _, factor := range f.Factors {
		rows = append(rows, strings.Join([]string{
			factor.ID.String(), cli.Printable(factor.Name), factor.CreatedAt.Format(time.RFC3339), instant(factor.LastUsedAt),
		}, "\t"))
	}
	if err := printTable(out, "ID\tNAME\tCREATED\tLAST USED", rows); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "Recovery codes: %d. Wrong codes in a row: %d.\n", f.RecoveryCodesLeft, f.FailedAttempts)
	switch {
	case f.Locked:
		_, _ = fmt.Fprintln(out, "Codes of the authenticator are no longer accepted; a recovery code is. fluxbase-cli users unlock lifts this.")
	case f.BlockedUntil != nil:
		_, _ = fmt.Fprintf(out, "No code is looked at before %s.\n", instant(f.BlockedUntil))
	}
	return nil
}
