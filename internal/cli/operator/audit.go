package operator

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/cli"
)

func auditLogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Read, export and verify the audit log",
		Long: "Reads, exports and verifies the audit log.\n\n" +
			"With FLUXBASE_URL and FLUXBASE_SERVICE_KEY (or --url and --service-key) the server is asked. Without, this program reads the " +
			"database of the configuration (database.url), or of the development server that runs on the data directory.",
	}
	cmd.PersistentFlags().String("config", "", "configuration file (default: fluxbase.yaml, if there is one)")
	cmd.PersistentFlags().String("data-dir", "", "folder of the development server (default .fluxbase)")
	return cli.Group(cmd, listAuditCommand(), exportAuditCommand(), verifyAuditCommand())
}

// auditConditions gives a command the flags that select records.
func auditConditions(cmd *cobra.Command) *cobra.Command {
	for name, usage := range map[string]string{
		"action": "only records of this action, such as user.signed_in", "outcome": "only success, or only failure",
		"actor": "only what the user or key with this id did", "target": "only what was done to what has this id",
		"request-id": "only what a request did, by the X-Request-Id of its answer",
		"since":      "only records at this instant (RFC 3339) or later", "until": "only records before this instant",
	} {
		cmd.Flags().String(name, "", usage)
	}
	return cmd
}

func auditQuery(cmd *cobra.Command, more ...string) (query url.Values, again string) {
	return conditions(cmd, append(more, "action", "outcome", "actor", "target", "request-id", "since", "until")...)
}

func listAuditCommand() *cobra.Command {
	cmd := auditConditions(&cobra.Command{
		Use: "list", Short: "List records, newest first", Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, again := auditQuery(cmd, "limit", "cursor")
			return withDesk(cmd, func(d *desk) error {
				var page audit.Page
				if err := d.call(cmd.Context(), http.MethodGet, "/audit?"+query.Encode(), &page); err != nil {
					return err
				}
				return printRecords(cmd, page, again)
			})
		},
	})
	cmd.Flags().String("cursor", "", "go on after a page")
	cmd.Flags().Int("limit", 20, "records on a page, 1 to 1000")
	return cmd
}

func printRecords(cmd *cobra.Command, page audit.Page, again string) error {
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), page)
	}
	rows := make([]string, 0, len(page.Items))
	for _, r := range page.Items {
		actor, target, address := r.ActorKind, text(r.TargetKind), "-"
		if r.ActorID != nil {
			actor += " " + r.ActorID.String()
		}
		if r.TargetID != nil {
			target += " " + r.TargetID.String()
		}
		if r.IP != nil {
			address = r.IP.String()
		}
		rows = append(rows, strings.Join([]string{r.At.Format(time.RFC3339), cli.Printable(string(r.Action)), r.Outcome, actor, target, address}, "\t"))
	}
	if err := printTable(cmd.OutOrStdout(), "AT\tACTION\tOUTCOME\tACTOR\tTARGET\tADDRESS", rows); err != nil {
		return err
	}
	if page.NextCursor != nil {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "More: fluxbase-cli audit list%s --cursor %s\n", again, *page.NextCursor)
	}
	return nil
}

// exportPage is how many records are asked for at a time.
const exportPage = "1000"

func exportAuditCommand() *cobra.Command {
	return auditConditions(&cobra.Command{
		Use: "export", Short: "Print records as JSON lines, oldest first", Args: cli.NoArguments,
		Long: "Prints records as JSON lines, oldest first, as far as they are sealed: those of the last seconds may be missing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, _ := auditQuery(cmd)
			query.Set("order", "oldest")
			query.Set("limit", exportPage)
			return withDesk(cmd, func(d *desk) error { return exportAudit(cmd, d, query) })
		},
	})
}

func exportAudit(cmd *cobra.Command, d *desk, query url.Values) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	for {
		var page audit.Page
		if err := d.call(cmd.Context(), http.MethodGet, "/audit?"+query.Encode(), &page); err != nil {
			return errors.Join(err, out.Flush())
		}
		for _, r := range page.Items {
			line, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("encoding a record: %w", err)
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		if page.NextCursor == nil {
			return out.Flush()
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// errTampered ends verify with a failure, after it has said why.
var errTampered = errors.New("the audit log is not as it was written")

func verifyAuditCommand() *cobra.Command {
	var expect string
	cmd := &cobra.Command{
		Use: "verify", Short: "Find out whether the audit log is as it was written", Args: cli.NoArguments,
		Long: "Finds out whether the audit log is as it was written: whether a record was changed, removed, added or moved after it was sealed, and " +
			"whether the seals follow each other and are the server's own. It prints the digest of the newest seal. Keep it elsewhere: with --expect, a later " +
			"verification finds that the log was cut short.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("expect") && expect == "" {
				return errors.New("--expect takes the digest that an earlier verification has printed")
			}
			return withDesk(cmd, func(d *desk) error { return verifyAudit(cmd, d, expect) })
		},
	}
	cmd.Flags().StringVar(&expect, "expect", "", "the digest of a seal that has to be there")
	return cmd
}

func verifyAudit(cmd *cobra.Command, d *desk, expect string) error {
	query := url.Values{}
	if expect != "" {
		query.Set("expect", expect)
	}
	var all audit.Verification
	for {
		var part audit.Verification
		if err := d.call(cmd.Context(), http.MethodGet, "/audit/verification?"+query.Encode(), &part); err != nil {
			return err
		}
		part.Seals, part.Records, part.Dropped = part.Seals+all.Seals, part.Records+all.Records, part.Dropped+all.Dropped
		if part.Digest == "" {
			part.Newest, part.Digest = all.Newest, all.Digest
		}
		all = part
		if part.Next == nil {
			break
		}
		query.Set("after", strconv.FormatInt(*part.Next, 10))
	}
	if wantsJSON(cmd) {
		if err := printJSON(cmd.OutOrStdout(), all); err != nil {
			return err
		}
	} else {
		printVerification(cmd, all)
	}
	if all.Finding != nil {
		return errTampered
	}
	return nil
}

func printVerification(cmd *cobra.Command, v audit.Verification) {
	out := cmd.OutOrStdout()
	if f := v.Finding; f != nil {
		_, _ = fmt.Fprintf(out, "%s at seal %d", f.Kind, f.Seal)
		if f.Sequence != nil {
			_, _ = fmt.Fprintf(out, ", record %d", *f.Sequence)
		}
		if f.Record != nil {
			_, _ = fmt.Fprintf(out, " (%s)", f.Record)
		}
		_, _ = fmt.Fprintf(out, ": %s\n", f.Detail)
		return
	}
	_, _ = fmt.Fprintf(out, "The audit log is as it was written: %s in %s.\n", number(int64(v.Records), "record"), number(int64(v.Seals), "seal"))
	if v.Dropped > 0 {
		_, _ = fmt.Fprintf(out, "Retention has let go of %s of these seals.\n", number(int64(v.Dropped), "record"))
	}
	if v.Unsealed > 0 {
		_, _ = fmt.Fprintf(out, "Not sealed yet: %s, since %s.\n", number(v.Unsealed, "record"), v.UnsealedSince.Format(time.RFC3339))
	}
	if v.Digest != "" {
		_, _ = fmt.Fprintf(out, "Seal %d: %s\n", v.Newest, v.Digest)
	}
}
