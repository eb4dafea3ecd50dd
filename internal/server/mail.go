package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// MailConfig is what a configuration says about mail.
func MailConfig(c *config.Config) (mail.Config, error) {
	m := c.Mail
	roots, err := rootsIn("mail.smtp.ca_file", m.SMTP.CAFile)
	if err != nil {
		return mail.Config{}, err
	}
	return mail.Config{
		From: m.From, ReplyTo: m.ReplyTo, TemplatesDir: m.TemplatesDir, Locale: m.Locale, Retention: m.Retention,
		SMTP: mail.SMTP{
			Host: m.SMTP.Host, Port: m.SMTP.Port, Username: m.SMTP.Username, Password: m.SMTP.Password.Reveal(),
			Security: mail.Security(m.SMTP.Security), Auth: m.SMTP.Auth, Hello: hello(c), RootCAs: roots,
			ConnectTimeout: m.SMTP.ConnectTimeout, Timeout: m.SMTP.Timeout,
		},
	}, nil
}

// rootsIn reads the authorities that the certificate of another server may be
// of, from the file of a setting; nil for those of the system.
func rootsIn(key, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // crypto/tls takes nil for those of the system
	}
	pem, err := os.ReadFile(file) //nolint:gosec // a file that the operator named
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading %s: there is no certificate in %s", key, file)
	}
	return roots, nil
}

// hello is the name that we give to mail servers: the host of the public URL, an
// address as RFC 5321, section 4.1.3, writes it.
func hello(c *config.Config) string {
	if c.Mail.SMTP.Hello != "" {
		return c.Mail.SMTP.Hello
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case ip == nil:
		return u.Hostname()
	case ip.To4() != nil:
		return "[" + ip.String() + "]"
	default:
		return "[IPv6:" + ip.String() + "]"
	}
}

// mails assembles what sends messages, and in development keeps them when there
// is no mail server.
func mails(c *config.Config, background *postgres.DB, jobs *job.Service, values *sealed.Service, logger *slog.Logger) (*mail.Service, *mail.Mailbox, error) {
	m, err := MailConfig(c)
	if err != nil {
		return nil, nil, err
	}
	var box *mail.Mailbox
	if c.Environment == config.Development {
		box = &mail.Mailbox{}
	}
	s, err := mail.New(mail.Options{DB: background, Jobs: jobs, Values: values, Mailbox: box, Logger: logger, Now: time.Now, Config: m})
	if err != nil {
		return nil, nil, fmt.Errorf("assembling mail: %w", err)
	}
	if !s.Configured() {
		logger.Warn("mail is not configured: messages fail until mail.smtp.host is set")
	}
	return s, box, nil
}

func diagnoseMail(ctx context.Context, c *config.Config, db *postgres.DB) []telemetry.Finding {
	configured := c.Mail.SMTP.Host != "" || c.Environment == config.Development
	found, err := mail.Findings(ctx, db, configured, time.Now())
	if err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Subject: "mail", Detail: err.Error()}}
	}
	return found
}
