package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/outbound"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/rotation"
	"github.com/fluxbase/fluxbase/internal/sealed"
	"github.com/fluxbase/fluxbase/internal/webhook"
)

// openKeys opens the keys that values are sealed under.
func openKeys(ctx context.Context, c *config.Config, db *postgres.DB, reader bool, logger *slog.Logger) (*encryption.Service, error) {
	keys, err := newKeys(ctx, c, db, logger)
	if err != nil {
		return nil, err
	}
	keys.Reader = reader
	if err := keys.Open(ctx); err != nil {
		return nil, err
	}
	return keys, nil
}

// newKeys reads the keys of the configuration.
func newKeys(ctx context.Context, c *config.Config, db *postgres.DB, logger *slog.Logger) (*encryption.Service, error) {
	configured, err := configuredKeys(ctx, c)
	if err != nil {
		return nil, err
	}
	e := c.Security.Encryption
	return &encryption.Service{
		DB: db, Configured: configured, Active: uint32(e.ActiveKeyVersion), //nolint:gosec // at most 2^31-1
		Provider: e.Provider, Now: time.Now, Logger: logger,
		Wrapper: func(ctx context.Context, provider string) (keyring.Wrapper, error) {
			w, err := openProvider(ctx, c, provider)
			if err != nil {
				return nil, err
			}
			return keyring.Traced(w, provider), nil
		},
	}, nil
}

// configuredKeys reads the keys of the configuration, those that lie in Vault
// too.
func configuredKeys(ctx context.Context, c *config.Config) ([]encryption.Configured, error) {
	var keys []encryption.Configured
	for _, k := range c.EncryptionKeys() {
		key, err := k.Bytes()
		if path, field, ok := k.VaultPath(); ok {
			key, err = keyInVault(ctx, c, path, field)
		}
		if err != nil {
			return nil, fmt.Errorf("reading encryption key version %d (%s): %w", k.Version, k.Place, err)
		}
		keys = append(keys, encryption.Configured{Version: k.Version, Key: key, Place: k.Place})
	}
	return keys, nil
}

// rotations assembles what moves values from key to key. It has connections of
// its own, so that requests never wait for it.
func rotations(ctx context.Context, c *config.Config, background *postgres.DB, keys *encryption.Service, values *sealed.Service,
	webhooks *webhook.Service, logger *slog.Logger,
) (*rotation.Service, error) {
	r := c.Security.Encryption.KeyRotation
	s := &rotation.Service{
		DB: background, Keys: keys, Values: values, Logger: logger,
		Config: rotation.Config{
			Enabled: r.Enabled, Schedule: r.Schedule, Next: r.Next, AutoReencrypt: r.AutoReencrypt, RetainOldKeys: r.RetainOldKeys,
		},
	}
	return s, s.NotifyBy(ctx, webhooks, rotation.Notifications{URL: r.NotificationWebhook.Reveal(), Secret: r.NotificationSecret.Reveal()})
}

// outgoing makes the job queue and what leaves through it.
func outgoing(c *config.Config, background *postgres.DB, values *sealed.Service, logger *slog.Logger) (*job.Service, *webhook.Service, error) {
	jobs, err := job.New(background, logger, c.Server.ShutdownTimeout, time.Now)
	if err != nil {
		return nil, nil, err
	}
	webhooks := &webhook.Service{
		DB: background, Jobs: jobs, Secrets: values, Now: time.Now,
		Client: outbound.New(outbound.Options{AllowPrivate: c.Environment == config.Development, Timeout: 15 * time.Second}),
		Inside: outbound.New(outbound.Options{AllowPrivate: true, Timeout: 15 * time.Second}),
	}
	webhooks.Register()
	return jobs, webhooks, nil
}

// maxBackground is the most connections of work that nobody waits for: the most
// statements that a run may have at once, and a few to watch over it.
const maxBackground = 64 + 6

func openBackground(ctx context.Context, c *config.Config, ownerURL string, traced bool) (*postgres.DB, error) {
	db, err := postgres.Open(ctx, postgres.Config{OwnerURL: ownerURL, MaxConns: maxBackground, StatementTimeout: c.Database.StatementTimeout, Pooled: pooled(c), Traced: traced})
	if err != nil {
		return nil, fmt.Errorf("opening the database for background work: %w", err)
	}
	return db, nil
}
