package setting

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted stands for a secret.
const Redacted = "[redacted]"

const unset = "(unset)"

// Secret is text that fmt, encoding/json and log/slog write as [redacted], or
// as (unset) when it is empty. Convert a string to make one; Reveal is the only
// way back.
type Secret string

// Reveal returns the text itself. Pass it on at once; do not put it in an error.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer without the secret.
func (s Secret) String() string {
	if s == "" {
		return unset
	}
	return Redacted
}

// Format implements fmt.Formatter for every verb, since %d or %#v would show
// what String hides.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, without the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer without the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
