package config

import (
	"net/netip"
	"slices"
	"strings"
)

const (
	minSecret     = 32 // bytes of an HS256 secret: RFC 7518, section 3.2
	minBcryptCost = 10
)

// Validate returns everything in c that is unfit for its environment: nothing
// in development; in staging and production every value that is missing, known
// to the public or only fit for development. Wrap what it returns in an *Error
// to refuse to start.
func (c *Config) Validate() []Problem {
	if c.Environment == Development {
		return nil
	}
	var problems []Problem
	refuse := func(key, detail string) {
		place := c.Source(key)
		if place == fromDefault {
			place = ""
		}
		problems = append(problems, Problem{Place: place, Key: key, Detail: detail + "; " + string(c.Environment) + " refuses it"})
	}
	c.validateURL(refuse)
	c.validateSecrets(refuse)
	if c.Database.URL == "" {
		refuse("database.url", "is not set: only development has a PostgreSQL of its own")
	}
	if slices.Contains(c.Server.CORS.AllowedOrigins, "*") {
		refuse("server.cors.allowed_origins", "lets every origin in with *: list the origins of your pages")
	}
	if slices.ContainsFunc(c.Server.TrustedProxies, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		refuse("server.trusted_proxies", "believes everybody's forwarded headers: list the networks of your own proxies")
	}
	if c.Auth.BcryptCost < minBcryptCost {
		refuse("auth.bcrypt_cost", "is under 10")
	}
	return problems
}

func (c *Config) validateURL(refuse func(key, detail string)) {
	switch {
	case c.PublicURL == "":
		refuse("public_url", "is not set: links in mail need it, such as https://api.example.com")
	case c.Environment == Production && !strings.HasPrefix(c.PublicURL, "https://"):
		refuse("public_url", "is not https")
	}
}

func (c *Config) validateSecrets(refuse func(key, detail string)) {
	key, err := c.SecretKey()
	switch {
	case c.SecretKeyText == "":
		refuse("secret_key", "is not set: make one with openssl rand -hex 32")
	case err != nil:
		refuse("secret_key", errKeyForm.Error())
	case isTrivial(key) || isExample(c.SecretKeyText.Reveal()):
		refuse("secret_key", "is a pattern or a known example: make one with openssl rand -hex 32")
	}
	secret := c.Auth.JWT.Secret.Reveal()
	switch {
	case secret == "": // ES256
	case isExample(secret):
		refuse("auth.jwt.secret", "is a known example: make one with openssl rand -base64 48, or leave it out")
	case len(secret) < minSecret:
		refuse("auth.jwt.secret", "is shorter than 32 bytes: make one with openssl rand -base64 48, or leave it out")
	case isTrivial([]byte(secret)):
		refuse("auth.jwt.secret", "is a pattern: make one with openssl rand -base64 48, or leave it out")
	}
}
