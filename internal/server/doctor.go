package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/doctor"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Diagnose looks at a configuration, its database and the server at the public
// URL, and changes nothing. Each check is bounded in time and fails alone.
// Offline leaves out what needs a network besides that of the database.
func Diagnose(ctx context.Context, c *config.Config, ownerURL string, offline bool) []telemetry.Finding {
	found := examine(ctx, doctor.Check{Subject: "configuration", Fine: fmt.Sprintf("Fit for %s.", c.Environment), Run: func(context.Context) ([]telemetry.Finding, error) {
		return diagnoseConfiguration(c), nil
	}})
	db, err := openBackground(ctx, c, ownerURL, false)
	if err != nil {
		return append(found, examine(ctx, doctor.Check{Subject: "database", Run: func(context.Context) ([]telemetry.Finding, error) { return nil, err }})...)
	}
	defer db.Close()
	up, complete := false, false
	found = append(found, examine(ctx, doctor.Check{Subject: "database", Fine: "PostgreSQL answers.", Run: func(ctx context.Context) ([]telemetry.Finding, error) {
		err := db.Ping(ctx)
		up = err == nil
		return unanswered(err), nil
	}})...)
	if up {
		found = append(found, examine(ctx, doctor.Check{Subject: "schema", Fine: "Up to date.", Run: func(ctx context.Context) (f []telemetry.Finding, err error) {
			f, complete, err = diagnoseSchema(ctx, c, ownerURL)
			return f, err
		}})...)
	}
	if !complete {
		return found
	}
	d := &diagnosis{config: c, db: db, ownerURL: ownerURL, offline: offline, now: time.Now}
	return append(found, examine(ctx, d.checks()...)...)
}

func examine(ctx context.Context, checks ...doctor.Check) []telemetry.Finding {
	return doctor.Examine(ctx, doctor.Limit, checks)
}

// unanswered is the finding of a database that does not answer.
func unanswered(err error) []telemetry.Finding {
	if err == nil {
		return nil
	}
	down := telemetry.Finding{Severity: telemetry.Problem, Where: "database.url", Detail: "PostgreSQL does not answer.", Fix: "Check database.url, and that PostgreSQL runs."}
	if why, todo := postgres.Unreachable(err); why != "" {
		down.Detail, down.Fix = why, todo
	}
	return []telemetry.Finding{down}
}

// configurationPage says what each setting takes.
const configurationPage = "docs/reference/configuration.md"

func diagnoseConfiguration(c *config.Config) []telemetry.Finding {
	var found []telemetry.Finding
	add := func(severity telemetry.Severity, p config.Problem) {
		detail, fix, hasFix := strings.Cut(p.Detail, ": ")
		if hasFix {
			fix = strings.ToUpper(fix[:1]) + fix[1:] + "."
		} else {
			fix = configurationPage + " says what it takes."
		}
		found = append(found, telemetry.Finding{Severity: severity, Subject: "configuration", Where: strings.TrimPrefix(p.Place+": "+p.Key, ": "), Detail: "It " + detail + ".", Fix: fix})
	}
	for _, p := range c.Validate() {
		add(telemetry.Problem, p)
	}
	for _, p := range c.Warnings() {
		if p.Key != "mail.smtp.host" && p.Key != "ratelimit.enabled" { // subjects of their own
			add(telemetry.Warning, p)
		}
	}
	return found
}

// diagnoseSchema also says whether there is enough of a schema to look further.
func diagnoseSchema(ctx context.Context, c *config.Config, ownerURL string) ([]telemetry.Finding, bool, error) {
	steps, err := migrate.Status(ctx, ownerURL, migrate.Queue(), migrate.Server(), migrate.Project(c.Migrations.Dir))
	if err != nil {
		return nil, false, fmt.Errorf("reading the migrations: %w", err)
	}
	pending, complete := 0, true
	for _, s := range steps {
		if !s.Applied {
			pending++
			complete = complete && s.Source == "project"
		}
	}
	if pending == 0 {
		return nil, true, nil
	}
	return []telemetry.Finding{{
		Severity: telemetry.Warning, Detail: fmt.Sprintf("%d migrations are pending.", pending), Fix: "fluxbase migrate up, or start the server.",
	}}, complete, nil
}

func (d *diagnosis) encryption(ctx context.Context) []telemetry.Finding {
	c, db := d.config, d.db
	keys, err := d.keys(ctx)
	if err != nil {
		return []telemetry.Finding{{
			Severity: telemetry.Problem, Subject: "encryption keys", Detail: err.Error(),
			Fix: "Give the server the keys that it was started with before; docs/operations/key-rotation.md has what to do when a key is lost.",
		}}
	}
	rotations := &rotation.Service{DB: db, Keys: keys, Config: rotation.Config{Enabled: c.Security.Encryption.KeyRotation.Enabled}}
	found, err := rotations.Findings(ctx)
	if err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Subject: "encryption keys", Detail: err.Error()}}
	}
	known, err := keys.Keys(ctx)
	if err != nil {
		return append(found, telemetry.Finding{Severity: telemetry.Problem, Subject: "encryption keys", Detail: err.Error()})
	}
	found = append(found, diagnoseWrapping(c, known)...)
	if len(found) == 0 {
		found = append(found, fineKeys(known))
	}
	return found
}

// fineKeys says what the database says: an examination has made nothing active.
func fineKeys(known []encryption.Key) telemetry.Finding {
	detail := "The database has none yet; the server makes them known when it starts."
	for _, k := range known {
		if k.State == encryption.Activated {
			detail = fmt.Sprintf("Everything is sealed under version %d.", k.Version)
		}
	}
	return telemetry.Finding{Severity: telemetry.Fine, Subject: "encryption keys", Detail: detail}
}

// diagnoseWrapping finds that the active key is wrapped under another key of the
// key management service than the configuration names. An alias may be any key.
func diagnoseWrapping(c *config.Config, known []encryption.Key) []telemetry.Finding {
	e := c.Security.Encryption
	for _, k := range known {
		if k.State != encryption.Activated || k.Provider == nil || *k.Provider != e.Provider || e.Provider == encryption.Local {
			continue
		}
		under := *k.WrappingKey
		if e.KMSKeyID == "" || strings.Contains(e.KMSKeyID, "alias/") || strings.Contains(under, e.KMSKeyID) {
			continue
		}
		return []telemetry.Finding{{
			Severity: telemetry.Warning, Subject: "encryption keys",
			Detail: fmt.Sprintf("The active key, version %d, is wrapped by %s under %s, and the configuration says %s.", k.Version, *k.Provider, under, e.KMSKeyID),
			Fix:    "fluxbase-cli secrets rotate",
		}}
	}
	return nil
}
