package cli

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with a configuration and its database, and say what to do",
		Long: "Looks at the configuration, the database, the encryption keys, mail and policies, and changes nothing. The exit status is 0 if all is well, " +
			"1 if something does not work, 2 if something should be looked after.",
		Args: NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, url, err := Database(cmd)
			if err != nil {
				return err
			}
			found := server.Diagnose(cmd.Context(), c, url)
			if asJSON {
				err = printFindingsJSON(cmd.OutOrStdout(), found)
			} else {
				printFindings(cmd.OutOrStdout(), found)
			}
			if status := statusOf(found); err == nil && status != 0 {
				return status
			}
			return err
		},
	}
	cmd.Flags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func statusOf(found []telemetry.Finding) Status {
	status := Status(0)
	for _, f := range found {
		switch f.Severity {
		case telemetry.Problem:
			return 1
		case telemetry.Warning:
			status = 2
		case telemetry.Fine:
		}
	}
	return status
}

var marks = map[telemetry.Severity]string{telemetry.Fine: "✓", telemetry.Warning: "!", telemetry.Problem: "✗"}

func printFindings(w io.Writer, found []telemetry.Finding) {
	for _, f := range found {
		_, _ = fmt.Fprintf(w, "%s %-16s %s\n", marks[f.Severity], f.Subject, f.Detail)
		if f.Fix != "" {
			_, _ = fmt.Fprintf(w, "%19s%s\n", "→ ", f.Fix)
		}
	}
}

func printFindingsJSON(w io.Writer, found []telemetry.Finding) error {
	text, err := json.Marshal(map[string]any{"findings": found}, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encoding the findings: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
