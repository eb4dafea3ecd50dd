package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/postgres/migrate"
	"github.com/fluxbase/fluxbase/internal/server"
)

// TestLoginsAreNoMoreThanTheyShouldBe configures logins for callers that could
// become more than callers are meant to: the server does not start.
func TestLoginsAreNoMoreThanTheyShouldBe(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for name, c := range map[string]struct{ key, url, says string }{
		"superuser":         {"database.user_url", db.AdminURL, "superuser"},
		"owner":             {"database.user_url", db.OwnerURL, "may do more"},
		"service for users": {"database.user_url", db.ServiceURL, "cannot become anonymous, authenticated"},
		"users for service": {"database.service_url", db.UserURL, "cannot become service_role"},
		"control: users":    {"database.user_url", db.UserURL, ""},
		"control: service":  {"database.service_url", db.ServiceURL, ""},
	} {
		settings := map[string]string{
			"secret_key": fmt.Sprintf("%x", pgtest.SecretKey()), "migrations.dir": t.TempDir(), "auth.bcrypt_cost": "4",
			"database.user_url": db.UserURL, "database.service_url": db.ServiceURL,
		}
		settings[c.key] = c.url
		conf, err := config.Load(config.Sources{Flags: settings, Defaults: map[string]string{"environment": "development"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = server.New(context.Background(), conf, db.OwnerURL, slog.New(slog.DiscardHandler))
		if c.says == "" && err != nil && !strings.Contains(err.Error(), "signing") || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLoginsOfAnotherDatabaseAreLeftAlone starts a second Fluxbase in a cluster
// under a key of its own: it must not take the logins of the first.
func TestLoginsOfAnotherDatabaseAreLeftAlone(t *testing.T) {
	t.Parallel()
	first := pgtest.New(t)
	ownerURL, _ := pgtest.Empty(t)
	err := migrate.EnsureLogin(context.Background(), ownerURL, migrate.UserLogin, "another-password")
	if err == nil || !strings.Contains(err.Error(), "database.user_url") {
		t.Errorf("the login was taken: %v", err)
	}
	db, err := postgres.Open(context.Background(), postgres.Config{OwnerURL: first.OwnerURL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.OpenRoles(context.Background(), first.UserURL, first.ServiceURL); err != nil {
		t.Errorf("the first has lost it: %v", err)
	}
}
