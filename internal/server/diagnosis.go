package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/doctor"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// diagnosis is one look at a database that has its schema.
type diagnosis struct {
	config   *config.Config
	db       *postgres.DB
	ownerURL string
	offline  bool
	now      func() time.Time

	opening sync.Once
	opened  *encryption.Service
	failed  error
}

// checks are what is looked at, in the order in which it is told.
func (d *diagnosis) checks() []doctor.Check {
	q, development := d.db.Single(), d.config.Environment == config.Development
	of := func(subject, fine string, run func(ctx context.Context) ([]telemetry.Finding, error)) doctor.Check {
		return doctor.Check{Subject: subject, Fine: fine, Run: run}
	}
	plain := func(subject string, run func(ctx context.Context) []telemetry.Finding) doctor.Check {
		return of(subject, "", func(ctx context.Context) ([]telemetry.Finding, error) { return run(ctx), nil })
	}
	all := []doctor.Check{
		plain("encryption keys", d.encryption),
		of("keys", "None is of development, about to end, or old.", func(ctx context.Context) ([]telemetry.Finding, error) {
			return doctor.Keys(ctx, q, d.now(), development)
		}),
		plain("mail", func(ctx context.Context) []telemetry.Finding { return diagnoseMail(ctx, d.config, d.db) }),
		plain("rate limits", func(ctx context.Context) []telemetry.Finding {
			return []telemetry.Finding{diagnoseLimits(ctx, d.config, d.db)}
		}),
		plain("data API", func(ctx context.Context) []telemetry.Finding { return diagnoseData(ctx, d.config, d.db) }),
		of("roles", "No login can do more than it should.", func(ctx context.Context) ([]telemetry.Finding, error) {
			return doctor.Roles(ctx, q, migrate.ServiceLogin, loginOf(d.config.Database.ServiceURL.Reveal()))
		}),
		of("PostgreSQL", "Its version is supported, and its settings keep what is written.", func(ctx context.Context) ([]telemetry.Finding, error) {
			return doctor.Settings(ctx, q, d.now(), doctor.Needs{Connections: connections(d.config), Development: development})
		}),
		of("pooler", "Connections are what the configuration says.", func(ctx context.Context) ([]telemetry.Finding, error) {
			return doctor.Pooler(ctx, d.ownerURL, pooled(d.config))
		}),
		of("storage", "Nothing runs full.", func(ctx context.Context) ([]telemetry.Finding, error) { return doctor.Storage(ctx, q) }),
		of("audit log", "Its seals hold.", d.audit),
		plain("policies", func(ctx context.Context) []telemetry.Finding { return diagnosePolicies(ctx, d.config, d.db) }),
	}
	if !development {
		all = append(all, of("proxies", "People sign in from addresses of their own.", func(ctx context.Context) ([]telemetry.Finding, error) {
			return doctor.OneAddress(ctx, q, d.now())
		}))
	}
	if d.offline {
		return append(all, of("clocks", "This machine and the database agree.", func(ctx context.Context) ([]telemetry.Finding, error) {
			return d.clocks(ctx, nil)
		}))
	}
	return append(all, of("public URL", "This installation answers there, and the clocks agree.", d.reach), of("mail server", "", d.mailServer))
}

// keys opens the encryption keys as they are, once for all checks.
func (d *diagnosis) keys(ctx context.Context) (*encryption.Service, error) {
	d.opening.Do(func() {
		if d.opened, d.failed = newKeys(ctx, d.config, d.db, slog.New(slog.DiscardHandler)); d.failed == nil {
			d.failed = d.opened.Examine(ctx)
		}
	})
	return d.opened, d.failed
}

// clocks compares ours with that of the database, and with a third one.
func (d *diagnosis) clocks(ctx context.Context, witness *doctor.Reading) ([]telemetry.Finding, error) {
	database, err := doctor.DatabaseClock(ctx, d.db.Single(), d.now)
	if err != nil {
		return nil, err
	}
	found := doctor.Clocks(database, witness)
	for i := range found {
		found[i].Subject = "clocks"
		found[i].Docs = doctor.Page + "#clocks"
	}
	return found, nil
}

// reach goes to the public URL. Who answers there from elsewhere has a clock of
// its own, which tells which of two others is wrong.
func (d *diagnosis) reach(ctx context.Context) ([]telemetry.Finding, error) {
	installation, err := doctor.Installation(ctx, d.db.Single())
	if err != nil {
		return nil, err
	}
	var found []telemetry.Finding
	var witness *doctor.Reading
	if d.config.PublicURL == "" {
		found = append(found, telemetry.Finding{Severity: telemetry.Note, Where: "public_url", Detail: "It is not set, so nobody was asked whether this installation answers there.", Fix: "public_url: https://api.example.com"})
	} else {
		reached := doctor.Reach(ctx, doctor.Client(), d.config.PublicURL, installation, d.now)
		found = reached.Findings
		if !doctor.IsHere(d.config.PublicURL) {
			witness = reached.Clock
		}
	}
	clocks, err := d.clocks(ctx, witness)
	return append(found, clocks...), err
}

// mailServer has the beginning of a conversation, and sends nothing.
func (d *diagnosis) mailServer(ctx context.Context) ([]telemetry.Finding, error) {
	if d.config.Mail.SMTP.Host == "" {
		return nil, nil // which "mail" has said, where it matters
	}
	m, err := MailConfig(d.config)
	if err != nil {
		return nil, err
	}
	if err := mail.Probe(ctx, m, nil); err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Where: m.SMTP.Host, Detail: err.Error(), Fix: mail.Advise(err, m.SMTP)}}, nil
	}
	return []telemetry.Finding{{Severity: telemetry.Fine, Detail: "It takes us as we are; nothing was sent."}}, nil
}

const (
	unsealedFor = 5 * time.Minute
	verifying   = doctor.Limit / 2
)

// audit verifies the audit log from its beginning, for as long as that may take.
func (d *diagnosis) audit(ctx context.Context) ([]telemetry.Finding, error) {
	keys, err := d.keys(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // the encryption keys are a finding of their own
	}
	if sealed, err := doctor.HasSeals(ctx, d.db.Single()); err != nil || !sealed {
		return nil, err // no server has been here; looking for the key would make it
	}
	const verify = "fluxbase-cli audit verify"
	log := auditOf(d.config, d.db, &sealed.Service{Keys: keys, Now: d.now}, slog.New(slog.DiscardHandler))
	until := d.now().Add(verifying)
	for after := int64(0); ; {
		v, err := log.Verify(ctx, after, nil)
		switch {
		case err != nil:
			return nil, err //nolint:wrapcheck // says what it was doing
		case v.Finding != nil:
			return []telemetry.Finding{{
				Severity: telemetry.Problem, Where: fmt.Sprintf("seal %d", v.Finding.Seal), Detail: "The log is not what was sealed: " + v.Finding.Detail, Fix: verify + "; docs/audit.md has what to do then.",
			}}, nil
		case v.Next == nil && v.UnsealedSince != nil && d.now().Sub(*v.UnsealedSince) > unsealedFor:
			return []telemetry.Finding{{
				Severity: telemetry.Problem, Where: "auth.audit_log", Detail: fmt.Sprintf("%d records have waited to be sealed since %s: no server seals them.", v.Unsealed, v.UnsealedSince.UTC().Format(time.RFC3339)),
				Fix: "Start a server; its log says why it does not seal.",
			}}, nil
		case v.Next == nil:
			return nil, nil
		case d.now().After(until):
			return []telemetry.Finding{{
				Severity: telemetry.Note, Where: "auth.audit_log", Detail: fmt.Sprintf("It holds up to seal %d; the rest was too much to look at here.", *v.Next), Fix: verify,
			}}, nil
		}
		after = *v.Next
	}
}

// connections is how many one instance opens under load: a pool for the owner's
// door and for each role, and a few for what nobody waits for and for listening.
// A run of re-encryption takes as many more as it is told to.
func connections(c *config.Config) int { return 4*c.Database.MaxConnections + 10 }

// loginOf is the user of a database URL; "" if there is none.
func loginOf(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil || u.User == nil {
		return ""
	}
	return u.User.Username()
}
