package operator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/user"
)

// userPage is a page of users, read as users rather than documents.
type userPage struct {
	Items      []user.User `json:"items"`
	NextCursor *string     `json:"next_cursor"`
}

// group makes a command of commands.
func group(name, short, long string, commands ...*cobra.Command) *cobra.Command {
	return cli.Group(&cobra.Command{Use: name, Short: short, Long: long}, commands...)
}

func usersCommand() *cobra.Command {
	return group("users", "Look after accounts",
		"Looks after accounts. A user is named by id or by e-mail address.",
		listUsersCommand(), getUserCommand(), createUserCommand(), inviteUserCommand(), updateUserCommand(),
		banCommand(), unbanCommand(), factorsCommand(), resetFactorsCommand(), unlockCommand(), deleteUserCommand(), impersonateCommand(), importCommand(), exportCommand())
}

func listUsersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List users, newest first", Args: cli.NoArguments,
		Long: "Lists users, newest first, or by address with --q. Several conditions hold at once.\n\n" +
			"Metadata is KEY:VALUE for a text, or a JSON object that has to be contained.",
		RunE: listUsers,
	}
	for name, usage := range map[string]string{
		"email": "only the user with this address", "q": "only addresses that begin with this, in their order", "id": "only the user with this id",
		"created-after": "only users made at this instant (RFC 3339) or later", "created-before": "only users made before this instant",
		"metadata": "only users whose user or application metadata contains this", "user-metadata": "only users whose own metadata contains this",
		"app-metadata": "only users whose application metadata contains this", "cursor": "go on after a page",
	} {
		cmd.Flags().String(name, "", usage)
	}
	cmd.Flags().Bool("banned", false, "only users who are banned, or are not (=false)")
	cmd.Flags().Bool("anonymous", false, "only anonymous users, or others (=false)")
	cmd.Flags().Int("limit", 20, "users on a page, 1 to 100")
	return cmd
}

func listUsers(cmd *cobra.Command, _ []string) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	query, again := conditions(cmd, "email", "q", "id", "created-after", "created-before", "metadata", "user-metadata", "app-metadata",
		"banned", "anonymous", "limit", "cursor")
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
			u.ID.String(), text(u.Email), u.CreatedAt.Format(time.RFC3339), instant(u.LastSignInAt), banned(u.BannedUntil),
		}, "\t"))
	}
	if err := printTable(cmd.OutOrStdout(), "ID\tE-MAIL\tCREATED\tLAST SIGN-IN\tBANNED UNTIL", rows); err != nil {
		return err
	}
	if page.NextCursor != nil {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "More: fluxbase-cli users list%s --cursor %s\n", again, *page.NextCursor)
	}
	return nil
}

// conditions turns the flags of a list into its query, and into flags of the
// command that asks for the next page.
func conditions(cmd *cobra.Command, names ...string) (query url.Values, again string) {
	query = url.Values{}
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if !f.Changed {
			continue
		}
		query.Set(strings.ReplaceAll(f.Name, "-", "_"), f.Value.String())
		if f.Name != "cursor" {
			again += " --" + f.Name + "=" + quoted(f.Value.String())
		}
	}
	return query, again
}

// quoted is a text as a shell reads it.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:@/+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(cli.Printable(s), "'", `'\''`) + "'"
}

func getUserCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get USER", Short: "Show one user", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd, args[0], func(c *client, path string) error {
				var u user.User
				if err := c.call(cmd.Context(), http.MethodGet, path, &u); err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), u)
			})
		},
	}
}

// withUser runs f with the path of a user, who is named by id or address.
func withUser(cmd *cobra.Command, name string, f func(c *client, path string) error) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	if !strings.Contains(name, "@") {
		return f(c, "/users/"+url.PathEscape(name))
	}
	var page userPage
	if err := c.call(cmd.Context(), http.MethodGet, "/users?"+url.Values{"email": {name}}.Encode(), &page); err != nil {
		return err
	}
	if len(page.Items) != 1 {
		return errors.New("there is no user with this address")
	}
	return f(c, "/users/"+page.Items[0].ID.String())
}

// oneUserAnswer sends a request whose answer is a user, and says what was done.
func oneUserAnswer(cmd *cobra.Command, c *client, method, path string, body any, done string) error {
	var u user.User
	if err := c.send(cmd.Context(), method, path, body, &u); err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), u)
	}
	name := u.ID.String()
	if u.Email != nil {
		name += " (" + cli.Printable(*u.Email) + ")"
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s %s.\n", done, name)
	return nil
}

func banned(until *time.Time) string {
	if until != nil && until.Year() == user.Forever().Year() {
		return "lifted"
	}
	return instant(until)
}

// number prints a count with its noun.
func number(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return cli.Printable(*s)
}

func instant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}
