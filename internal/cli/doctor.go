package cli

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/server"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

func doctorCommand() *cobra.Command {
	var asJSON, offline bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with an installation, and say what to do",
		Long: "Looks at the configuration, the database, its roles, settings and policies, keys, the audit log, the public URL and the mail server; it changes nothing, " +
			"and sends no mail. Each check has at most 10 s. The exit status is 0 if all is well or there are only notes, 1 if something does not work, " +
			"2 if something should be looked after, 3 if it could not look.",
		Args: NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, url, err := patient(cmd)
			if err != nil {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "fluxbase: %s\n", sentence(err))
				return couldNotLook
			}
			found := server.Diagnose(cmd.Context(), c, url, offline)
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
	cmd.Flags().BoolVar(&offline, "offline", false, "leave the public URL and the mail server alone")
	return cmd
}

// patient returns what Database does. Where the configuration names a database
// it is that of fluxbase serve, and so is the environment if nothing names one.
func patient(cmd *cobra.Command) (*config.Config, string, error) {
	c, url, err := Database(cmd)
	if err != nil || c.Database.URL == "" {
		return c, url, err
	}
	c, err = load(cmd, config.Production, map[string]string{"data-dir": "database.data_dir"})
	return c, url, err
}

// couldNotLook is the exit status of a doctor without a patient.
const couldNotLook Status = 3

func statusOf(found []telemetry.Finding) Status {
	status := Status(0)
	for _, f := range found {
		switch f.Severity {
		case telemetry.Problem:
			return 1
		case telemetry.Warning:
			status = 2
		case telemetry.Fine, telemetry.Note:
		}
	}
	return status
}

var marks = map[telemetry.Severity]string{telemetry.Fine: "✓", telemetry.Note: "·", telemetry.Warning: "!", telemetry.Problem: "✗"}

func printFindings(w io.Writer, found []telemetry.Finding) {
	for _, f := range found {
		detail := f.Detail
		if f.Where != "" {
			detail = f.Where + ": " + detail
		}
		_, _ = fmt.Fprintf(w, "%s %-16s %s\n", marks[f.Severity], f.Subject, Printable(detail))
		if f.Severity == telemetry.Fine {
			continue
		}
		if f.Fix != "" {
			_, _ = fmt.Fprintf(w, "%19s%s\n", "→ ", Printable(f.Fix))
		}
		_, _ = fmt.Fprintf(w, "%19s%s\n", "  ", f.Docs)
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
