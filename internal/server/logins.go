package server

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// openLogins opens the callers' door with the logins of the configuration, or
// with those that the server keeps for itself, whose passwords nobody knows.
func openLogins(ctx context.Context, c *config.Config, ownerURL string, db *postgres.DB, values *sealed.Service) error {
	userURL, err := loginURL(ctx, c.Database.UserURL.Reveal(), migrate.UserLogin, ownerURL, db, values)
	if err != nil {
		return err
	}
	serviceURL, err := loginURL(ctx, c.Database.ServiceURL.Reveal(), migrate.ServiceLogin, ownerURL, db, values)
	if err != nil {
		return err
	}
	if err := db.OpenRoles(ctx, userURL, serviceURL); err != nil {
		return fmt.Errorf("opening the database for callers: %w", err)
	}
	return nil
}

func loginURL(ctx context.Context, configured, login, ownerURL string, db *postgres.DB, values *sealed.Service) (string, error) {
	if configured != "" {
		return configured, nil
	}
	password, err := values.Ensure(ctx, db.Single(), "database_login", login, func() []byte { return []byte(rand.Text()) })
	if err != nil {
		return "", fmt.Errorf("preparing the login %s: %w", login, err)
	}
	if err := migrate.EnsureLogin(ctx, ownerURL, login, string(password)); err != nil {
		return "", fmt.Errorf("preparing the login %s: %w", login, err)
	}
	url, err := postgres.WithLogin(ownerURL, login, string(password))
	if err != nil {
		return "", fmt.Errorf("preparing the login %s: %w", login, err)
	}
	return url, nil
}
