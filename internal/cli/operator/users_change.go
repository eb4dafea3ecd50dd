package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/admin"
	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/user"
)

// What is wrong with a command line is not repeated: it may be a password.
var errUserFlags = errors.New("the command does not take these flags; a password comes from standard input (--password-stdin) or " +
	"a file (--password-file); see: fluxbase-cli users --help")

// userFlags are the flags that describe a user.
type userFlags struct {
	email, passwordFile, metadata, appMetadata string
	passwordStdin, verified                    bool
}

func (f *userFlags) add(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(*cobra.Command, error) error { return errUserFlags })
	cmd.Flags().StringVar(&f.email, "email", "", "the e-mail address")
	cmd.Flags().BoolVar(&f.verified, "verified", false, "the address is known to be theirs")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input; a terminal asks for it")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "read the password from this file")
	cmd.Flags().StringVar(&f.metadata, "metadata", "", "user_metadata, a JSON object")
	cmd.Flags().StringVar(&f.appMetadata, "app-metadata", "", "app_metadata, a JSON object")
}

// password reads a password, or nil if there is to be none.
func (f *userFlags) password(cmd *cobra.Command) (*string, error) {
	if !f.passwordStdin && f.passwordFile == "" {
		return nil, nil //nolint:nilnil // none was asked for
	}
	if f.passwordStdin && f.passwordFile != "" {
		return nil, errors.New("--password-stdin or --password-file, not both")
	}
	text, err := readValue(cmd, f.passwordFile)
	if f.passwordFile != "" {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r") // an editor put it there
	}
	return &text, err
}

func metadata(flag, text string) (user.Metadata, error) {
	if text == "" {
		return nil, nil
	}
	var m user.Metadata
	if err := json.Unmarshal([]byte(text), &m); err != nil || m == nil {
		return nil, fmt.Errorf("--%s takes a JSON object, such as '{\"role\":\"editor\"}'", flag)
	}
	return m, nil
}

func createUserCommand() *cobra.Command {
	var f userFlags
	var userID string
	cmd := &cobra.Command{
		Use: "create", Short: "Make a user",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errUserFlags
			}
			return nil
		},
		Long: "Makes a user. Without a password somebody signs in by mailed links, or sets one with a mailed link.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := f.account(cmd, userID)
			if err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			return oneUserAnswer(cmd, c, http.MethodPost, "/users", body, "Made")
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&userID, "id", "", "the id that the user has elsewhere, a UUID")
	return cmd
}

func (f *userFlags) account(cmd *cobra.Command, userID string) (admin.Account, error) {
	a := admin.Account{EmailVerified: f.verified}
	if f.email == "" {
		return a, errors.New("whom? --email ADDRESS")
	}
	a.Email = &f.email
	if userID != "" {
		u, err := id.Parse(userID)
		if err != nil {
			return a, errors.New("--id takes a UUID")
		}
		known := id.User(u)
		a.ID = &known
	}
	var err error
	if a.UserMetadata, err = metadata("metadata", f.metadata); err != nil {
		return a, err
	}
	if a.AppMetadata, err = metadata("app-metadata", f.appMetadata); err != nil {
		return a, err
	}
	a.Password, err = f.password(cmd)
	return a, err
}

func inviteUserCommand() *cobra.Command {
	var redirect, data string
	cmd := &cobra.Command{
		Use: "invite EMAIL", Short: "Make an unverified user and mail them an invitation", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := admin.Invitation{Email: args[0], RedirectTo: redirect}
			var err error
			if in.Data, err = metadata("metadata", data); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			return oneUserAnswer(cmd, c, http.MethodPost, "/users/invite", in, "Invited")
		},
	}
	cmd.Flags().StringVar(&redirect, "redirect-to", "", "where the mailed link leads in the end")
	cmd.Flags().StringVar(&data, "metadata", "", "user_metadata, a JSON object")
	return cmd
}

func updateUserCommand() *cobra.Command {
	var f userFlags
	var keep bool
	var unproven string
	cmd := &cobra.Command{
		Use: "update USER", Short: "Change a user", Args: cli.Arguments(1, 1),
		Long: "Changes a user. Metadata is merged; a null removes a member. Another password ends the sessions of the user.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.change(cmd, keep)
			if err != nil {
				return err
			}
			c.Unproven = admin.Unproven(unproven)
			return withUser(cmd, args[0], func(client *client, path string) error {
				return oneUserAnswer(cmd, client, http.MethodPatch, path, c, "Changed")
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&keep, "keep-sessions", false, "another password ends no session")
	cmd.Flags().StringVar(&unproven, "unproven", "", "with --verified, what becomes of the password and the sessions of an account whose address nobody has proven: keep or reset")
	return cmd
}

func (f *userFlags) change(cmd *cobra.Command, keep bool) (admin.Change, error) {
	c := admin.Change{KeepSessions: keep}
	if cmd.Flags().Changed("email") {
		c.Email = &f.email
	}
	if cmd.Flags().Changed("verified") {
		c.EmailVerified = &f.verified
	}
	var err error
	if c.UserMetadata, err = metadata("metadata", f.metadata); err != nil {
		return c, err
	}
	if c.AppMetadata, err = metadata("app-metadata", f.appMetadata); err != nil {
		return c, err
	}
	if c.Password, err = f.password(cmd); err != nil {
		return c, err
	}
	if c.Email == nil && c.EmailVerified == nil && c.UserMetadata == nil && c.AppMetadata == nil && c.Password == nil {
		return c, errors.New("change what? see: fluxbase-cli users update --help")
	}
	return c, nil
}

func banCommand() *cobra.Command {
	var until, reason string
	var span time.Duration
	cmd := &cobra.Command{
		Use: "ban USER", Short: "Keep a user out until an instant, or until the ban is lifted; sessions end at once", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := admin.Ban{Reason: reason}
			switch {
			case cmd.Flags().Changed("until") && cmd.Flags().Changed("for"):
				return errors.New("--until or --for, not both")
			case cmd.Flags().Changed("until"):
				at, err := time.Parse(time.RFC3339, until)
				if err != nil {
					return errors.New("--until takes an instant such as 2027-01-31T09:00:00Z")
				}
				b.Until = &at
			case cmd.Flags().Changed("for"):
				if span < time.Second {
					return errors.New("--for takes a duration of at least a second, such as 24h")
				}
				at := time.Now().Add(span)
				b.Until = &at
			}
			return withUser(cmd, args[0], func(c *client, path string) error {
				return oneUserAnswer(cmd, c, http.MethodPost, path+"/ban", b, "Banned")
			})
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "when the ban ends (default: when somebody lifts it)")
	cli.DurationFlag(cmd, &span, "for", 0, "how long the ban lasts, such as 24h")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}

func unbanCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unban USER", Short: "Lift a ban", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd, args[0], func(c *client, path string) error {
				return oneUserAnswer(cmd, c, http.MethodDelete, path+"/ban", nil, "Let in")
			})
		},
	}
}

func impersonateCommand() *cobra.Command {
	var reason string
	var span time.Duration
	cmd := &cobra.Command{
		Use: "impersonate USER --reason WHY", Short: "Act as a user: print an access token, which says who acts", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds := int64(span / time.Second)
			return withUser(cmd, args[0], func(c *client, path string) error {
				var s struct {
					User    user.User      `json:"user"`
					Session map[string]any `json:"session"`
				}
				if err := c.send(cmd.Context(), http.MethodPost, path+"/impersonate", admin.Disguise{Reason: reason, ExpiresIn: &seconds}, &s); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), s)
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%v\n", s.Session["access_token"])
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "You act as %s, for %s at most. End it with: fluxbase-cli sessions revoke --session %v\n",
					s.User.ID, span, s.Session["id"])
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log (required)")
	cli.DurationFlag(cmd, &span, "expires-in", 15*time.Minute, "how long the session lasts, an hour at most")
	return cmd
}

func deleteUserCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "delete USER", Short: "Delete a user, and say what becomes of rows that refer to them", Args: cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd, args[0], func(c *client, path string) error {
				var r admin.Removal
				if dryRun {
					path += "?dry_run=true"
				}
				if err := c.call(cmd.Context(), http.MethodDelete, path, &r); err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return printJSON(cmd.OutOrStdout(), r)
				}
				return printRemoval(cmd, r)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would happen")
	return cmd
}

// fates says what becomes of the rows of a foreign key.
var fates = map[string]string{
	"cascade": "deleted", "set_null": "kept, without the user", "set_default": "kept, with the default in place of the user",
	"restrict": "in the way: the user cannot be deleted", "no_action": "in the way: the user cannot be deleted",
}

func printRemoval(cmd *cobra.Command, r admin.Removal) error {
	out := cmd.OutOrStdout()
	switch {
	case r.Deleted:
		_, _ = fmt.Fprintf(out, "Deleted. Ended %s.\n", number(int64(r.Sessions), "session"))
	case r.Blocked:
		_, _ = fmt.Fprintln(out, "The user cannot be deleted: rows are in the way.")
	default:
		_, _ = fmt.Fprintf(out, "The user can be deleted; %s would end.\n", number(int64(r.Sessions), "session"))
	}
	rows := make([]string, 0, len(r.References)+len(r.Left))
	for _, ref := range r.References {
		columns := ref.Table + "(" + strings.Join(ref.Columns, ", ") + ")"
		if ref.Via != "" {
			columns += " to " + ref.Via
		}
		fate := fates[ref.Action]
		if ref.Rows != nil && *ref.Rows == 0 {
			fate = "-"
		}
		rows = append(rows, strings.Join([]string{cli.Printable(columns), counted(ref.Rows), fate}, "\t"))
	}
	for _, l := range r.Left {
		rows = append(rows, strings.Join([]string{cli.Printable(l.Table + "(" + l.Column + ")"), counted(l.Rows), "left as they are: no foreign key"}, "\t"))
	}
	if len(rows) == 0 {
		_, _ = fmt.Fprintln(out, "No table refers to users.")
		return nil
	}
	return printTable(out, "COLUMN\tROWS\tWHAT BECOMES OF THEM", rows)
}

func counted(n *int64) string {
	if n == nil {
		return "?" // not for the server to read
	}
	return fmt.Sprint(*n)
}
