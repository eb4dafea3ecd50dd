package operator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/session"
)

func sessionsCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list [USER]", Short: "List the sessions of a user, or of all", Args: cli.Arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listSessions(cmd)
			}
			if cmd.Flags().Changed("cursor") || cmd.Flags().Changed("limit") {
				return errors.New("the sessions of a user have no pages; leave --cursor and --limit out")
			}
			return withUser(cmd, args[0], func(c *client, path string) error { return listSessionsOf(cmd, c, path) })
		},
	}
	list.Flags().String("cursor", "", "go on after a page")
	list.Flags().Int("limit", 20, "sessions on a page, 1 to 100")
	var one string
	revoke := &cobra.Command{
		Use: "revoke USER | revoke --session ID", Short: "End all sessions of a user, or one session, at once and everywhere", Args: cli.Arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == cmd.Flags().Changed("session") {
				return errors.New("whose sessions, or which? sessions revoke USER, or sessions revoke --session ID")
			}
			if len(args) == 0 {
				return revokeSession(cmd, one)
			}
			return withUser(cmd, args[0], func(c *client, path string) error { return revokeSessions(cmd, c, path) })
		},
	}
	revoke.Flags().StringVar(&one, "session", "", "end this session only")
	return group("sessions", "Look at sessions, and end them", "", list, revoke)
}

func listSessions(cmd *cobra.Command) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	query, again := conditions(cmd, "limit", "cursor")
	var page session.OwnedPage
	if err := c.call(cmd.Context(), http.MethodGet, "/sessions?"+query.Encode(), &page); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), page)
	}
	rows := make([]string, 0, len(page.Items))
	for _, s := range page.Items {
		rows = append(rows, strings.Join([]string{s.ID.String(), text(s.Email), columns(s.Session)}, "\t"))
	}
	if err := printTable(cmd.OutOrStdout(), "ID\tE-MAIL\t"+sessionColumns, rows); err != nil {
		return err
	}
	if page.NextCursor != nil {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "More: fluxbase-cli sessions list%s --cursor %s\n", again, *page.NextCursor)
	}
	return nil
}

func listSessionsOf(cmd *cobra.Command, c *client, path string) error {
	var page session.Page
	if err := c.call(cmd.Context(), http.MethodGet, path+"/sessions", &page); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), page)
	}
	rows := make([]string, 0, len(page.Items))
	for _, s := range page.Items {
		rows = append(rows, s.ID.String()+"\t"+columns(s))
	}
	return printTable(cmd.OutOrStdout(), "ID\t"+sessionColumns, rows)
}

const sessionColumns = "AAL\tADDRESS\tLAST USED\tACTING\tUSER AGENT"

func columns(s session.Session) string {
	address, acting := "", "-"
	if s.IP != nil {
		address = s.IP.String()
	}
	if s.Act != nil {
		acting = cli.Printable(s.Act.Subject)
	}
	return strings.Join([]string{s.AAL, address, s.LastUsedAt.Format(time.RFC3339), acting, text(s.UserAgent)}, "\t")
}

func revokeSession(cmd *cobra.Command, sessionID string) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	if sessionID == "" {
		return errors.New("--session takes the id of a session")
	}
	if err := c.call(cmd.Context(), http.MethodDelete, "/sessions/"+url.PathEscape(sessionID), nil); err != nil {
		return err
	}
	return printEnded(cmd, 1)
}

func revokeSessions(cmd *cobra.Command, c *client, path string) error {
	var answer struct {
		Ended int64 `json:"ended"`
	}
	if err := c.call(cmd.Context(), http.MethodDelete, path+"/sessions", &answer); err != nil {
		return err
	}
	return printEnded(cmd, answer.Ended)
}

func printEnded(cmd *cobra.Command, n int64) error {
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), struct {
			Ended int64 `json:"ended"`
		}{n})
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "Ended %s.\n", number(n, "session"))
	return nil
}
