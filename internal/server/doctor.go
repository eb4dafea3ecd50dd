package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Diagnose looks at a configuration and its database, and changes nothing. Each
// part is found to be fine, or says what is wrong with it and what to do.
func Diagnose(ctx context.Context, c *config.Config, ownerURL string) []telemetry.Finding {
	found := diagnoseConfiguration(c)
	db, err := openBackground(ctx, c, ownerURL, false)
	if err == nil {
		defer db.Close()
		err = db.Ping(ctx)
	}
	if err != nil {
		down := telemetry.Finding{Severity: telemetry.Problem, Subject: "database", Detail: err.Error(), Fix: "Check database.url, and that PostgreSQL runs."}
		if why, todo := postgres.Unreachable(err); why != "" {
			down.Detail, down.Fix = why, todo
		}
		return append(found, down)
	}
	found = append(found, telemetry.Finding{Severity: telemetry.Fine, Subject: "database", Detail: "PostgreSQL answers."})
	schema, complete := diagnoseSchema(ctx, c, ownerURL)
	found = append(found, schema)
	if !complete {
		return found
	}
	found = append(found, diagnoseEncryption(ctx, c, db)...)
	found = append(found, diagnoseMail(ctx, c, db)...)
	found = append(found, diagnoseLimits(ctx, c, db))
	found = append(found, diagnoseData(ctx, c, db)...)
	return append(found, diagnosePolicies(ctx, c, db)...)
}

func diagnoseConfiguration(c *config.Config) []telemetry.Finding {
	problems := c.Validate()
	if len(problems) == 0 {
		return []telemetry.Finding{{Severity: telemetry.Fine, Subject: "configuration", Detail: fmt.Sprintf("Fit for %s.", c.Environment)}}
	}
	var found []telemetry.Finding
	for _, p := range problems {
		found = append(found, telemetry.Finding{
			Severity: telemetry.Problem, Subject: "configuration", Detail: p.Key + " " + p.Detail, Fix: "docs/reference/configuration.md says what it takes.",
		})
	}
	return found
}

// diagnoseSchema also says whether there is enough of a schema to look further.
func diagnoseSchema(ctx context.Context, c *config.Config, ownerURL string) (telemetry.Finding, bool) {
	steps, err := migrate.Status(ctx, ownerURL, migrate.Queue(), migrate.Server(), migrate.Project(c.Migrations.Dir))
	if err != nil {
		return telemetry.Finding{Severity: telemetry.Problem, Subject: "schema", Detail: err.Error(), Fix: "fluxbase migrate status"}, false
	}
	pending, complete := 0, true
	for _, s := range steps {
		if !s.Applied {
			pending++
			complete = complete && s.Source == "project"
		}
	}
	if pending > 0 {
		return telemetry.Finding{
			Severity: telemetry.Warning, Subject: "schema", Detail: fmt.Sprintf("%d migrations are pending.", pending), Fix: "fluxbase migrate up, or start the server.",
		}, complete
	}
	return telemetry.Finding{Severity: telemetry.Fine, Subject: "schema", Detail: "Up to date."}, true
}

func diagnoseEncryption(ctx context.Context, c *config.Config, db *postgres.DB) []telemetry.Finding {
	keys, err := newKeys(ctx, c, db, slog.New(slog.DiscardHandler))
	if err == nil {
		err = keys.Examine(ctx)
	}
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
