package server

import (
	"log/slog"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/outbound"
	"github.com/fluxbase/fluxbase/internal/password"
	"github.com/fluxbase/fluxbase/internal/password/digest"
)

// passwordsOf makes the pool that hashes, and what new passwords are held against.
func passwordsOf(c *config.Config, logger *slog.Logger) (*password.Service, error) {
	a := c.Auth
	s, err := password.NewService(password.NewPool(hashWorkers(c), a.HashQueue), password.Policy{
		MinLength: a.PasswordMinLength, RequireUppercase: a.PasswordRequireUppercase, RequireLowercase: a.PasswordRequireLowercase,
		RequireDigit: a.PasswordRequireDigit, RequireSpecial: a.PasswordRequireSpecial,
	}, digest.Scheme{
		Name: a.PasswordScheme, Cost: a.BcryptCost,
		Memory: a.Argon2Memory, Iterations: a.Argon2Iterations, Parallelism: a.Argon2Parallelism,
	})
	if err != nil {
		return nil, err
	}
	s.Limit = password.Limit{Failures: a.PasswordMaxFailures, Window: a.PasswordFailureWindow}
	if !a.PasswordBreachCheck {
		return s, nil
	}
	// Whoever configures the server may have a mirror of the service inside.
	client := outbound.New(outbound.Options{AllowPrivate: true})
	s.Breaches = password.NewBreaches(client, a.PasswordBreachURL, logger)
	return s, nil
}
