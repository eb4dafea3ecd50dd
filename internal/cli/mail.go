package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/server"
)

func mailCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mail", Short: "Look after the messages that the server sends"}
	return Group(cmd, mailTestCommand())
}

func mailTestCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Send a test message, and say how far it gets",
		Long: "Has a conversation with the configured mail server, step by step, and sends a message to an address of yours. It needs " +
			"neither the server nor its database. The exit status is 0 if the mail server took the message, 1 if not, 2 if mail is not configured.",
		Args: NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return errors.New("say to whom: --to you@example.com")
			}
			c, err := load(cmd, config.Production, nil)
			if err != nil {
				return err
			}
			return mailTest(cmd, c, to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the address to send to")
	return cmd
}

// notConfigured is the exit status of a test of what is not there.
const notConfigured Status = 2

func mailTest(cmd *cobra.Command, c *config.Config, to string) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(cmd.OutOrStdout(), format, args...) }
	if c.Mail.SMTP.Host == "" {
		say("✗ mail is not configured\n  → Set mail.smtp.host and mail.from; docs/mail.md has the rest.\n")
		return notConfigured
	}
	var problems []config.Problem
	for _, p := range c.Validate() {
		if p.Key == "mail" || len(p.Key) > 5 && p.Key[:5] == "mail." {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return &config.Error{Problems: problems}
	}
	m, err := server.MailConfig(c)
	if err != nil {
		return err
	}
	if err := mail.Test(cmd.Context(), m, to, time.Now(), func(step mail.Step, detail string) { say("✓ %-16s %s\n", done[step], detail) }); err != nil {
		return mailFailed(say, m, err)
	}
	say("\nThe mail server has taken the message to %s. If it does not arrive, look into the spam folder, and at SPF and DKIM of the sender's domain.\n", to)
	return nil
}

func mailFailed(say func(string, ...any), m mail.Config, err error) error {
	say("✗ %v\n", err)
	if advice := mail.Advise(err, m.SMTP); advice != "" {
		say("  → %s\n", advice)
	}
	if errors.Is(err, mail.ErrAddress) {
		say("  → Give an address such as you@example.com.\n")
	}
	return Status(1)
}

// done says of each step what it has come to.
var done = map[mail.Step]string{
	mail.Connecting: "connected", mail.Greeting: "greeted by", mail.Encrypting: "encrypted", mail.Authenticating: "authenticated",
	mail.NamingSender: "sender", mail.NamingReceiver: "recipient", mail.Submitting: "accepted",
}
