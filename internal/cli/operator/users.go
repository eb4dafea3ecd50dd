package operator

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
)

// userPage is a page of users, read as users rather than documents.
type userPage struct {
	Items      []user.User `json:"items"`
	NextCursor *string     `json:"next_cursor"`
}

func usersCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "users", Short: "Look at accounts"}
	var email, cursor string
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "List users, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listUsers(cmd, email, cursor, limit) },
	}
	list.Flags().StringVar(&email, "email", "", "only the user with this address")
	list.Flags().StringVar(&cursor, "cursor", "", "go on after a page")
	list.Flags().IntVar(&limit, "limit", 20, "users on a page, 1 to 100")
	get := &cobra.Command{
		Use: "get ID", Short: "Show one user", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			var u user.User
			if err := c.call(cmd.Context(), http.MethodGet, "/users/"+url.PathEscape(args[0]), &u); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), u)
		},
	}
	return cli.Group(cmd, list, get)
}

func listUsers(cmd *cobra.Command, email, cursor string, limit int) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if email != "" {
		query.Set("email", email)
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var page userPage
	if err := c.call(cmd.Context(), http.MethodGet, "/users?"+query.Encode(), &page); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), page)
	}
	rows := make([]string, 0, len(page.Items))
	for _, u := range page.Items {
		rows = append(rows, strings.Join([]string{
			u.ID.String(), text(u.Email), u.CreatedAt.Format(time.RFC3339), instant(u.LastSignInAt),
		}, "\t"))
	}
	if err := printTable(cmd.OutOrStdout(), "ID\tE-MAIL\tCREATED\tLAST SIGN-IN", rows); err != nil {
		return err
	}
	if page.NextCursor != nil {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "More: fluxbase-cli users list --cursor %s\n", *page.NextCursor)
	}
	return nil
}

func sessionsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "sessions", Short: "Look at sessions, and end them"}
	list := &cobra.Command{
		Use: "list USER", Short: "List the sessions of a user", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return listSessions(cmd, args[0]) },
	}
	revoke := &cobra.Command{
		Use: "revoke USER", Short: "End all sessions of a user, at once and everywhere", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return revokeSessions(cmd, args[0]) },
	}
	return cli.Group(cmd, list, revoke)
}

func listSessions(cmd *cobra.Command, userID string) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	var page session.Page
	if err := c.call(cmd.Context(), http.MethodGet, "/users/"+url.PathEscape(userID)+"/sessions", &page); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), page)
	}
	rows := make([]string, 0, len(page.Items))
	for _, s := range page.Items {
		address := ""
		if s.IP != nil {
			address = s.IP.String()
		}
		rows = append(rows, strings.Join([]string{
			s.ID.String(), s.AAL, address, s.LastUsedAt.Format(time.RFC3339), text(s.UserAgent),
		}, "\t"))
	}
	return printTable(cmd.OutOrStdout(), "ID\tAAL\tADDRESS\tLAST USED\tUSER AGENT", rows)
}

func revokeSessions(cmd *cobra.Command, userID string) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	var answer struct {
		Ended int64 `json:"ended"`
	}
	if err := c.call(cmd.Context(), http.MethodDelete, "/users/"+url.PathEscape(userID)+"/sessions", &answer); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "Ended %d sessions.\n", answer.Ended)
	return nil
}

// printable keeps what somebody wrote from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return printable(*s)
}

func instant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}
