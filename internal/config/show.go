package config

import (
	"io"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// Show writes every effective value with where it came from, one a line and
// aligned. Secrets are [redacted], empty values (unset); of a database URL only
// the password is hidden, of that of a Redis the user as well, of a URL whose path may be a secret all but the origin,
// and a Vault reference is shown, being none.
func (c *Config) Show(w io.Writer) error { return c.display().Text(w) }

// ShowJSON writes what Show does as one JSON object, {"settings":[{"key":...,
// "value":...,"source":...}]}. Durations and sizes are text, an empty value is
// null.
func (c *Config) ShowJSON(w io.Writer) error { return c.display().JSON(w) }

// Source says where the value of a key came from: "default", "FILE:LINE",
// "env NAME" or "flag". It is empty for a name that is not a key.
func (c *Config) Source(key string) string { return c.display().Source(key) }

func (c *Config) display() setting.Display {
	return setting.Display{Schema: keys(), Struct: c, Sources: c.sources}
}
