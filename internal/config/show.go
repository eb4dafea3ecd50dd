package config

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Show writes every effective value with where it came from, one a line and
// aligned. Secrets are [redacted], empty values (unset); of a database URL only
// the password is hidden, of a URL whose path may be a secret all but the origin,
// and a Vault reference is shown, being none.
func (c *Config) Show(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "KEY\tVALUE\tSOURCE") // errors stay in the writer until Flush
	for _, f := range keys().fields {
		for _, row := range c.rows(f) {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", row[0], printable(row[1]), row[2])
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("showing the configuration: %w", err)
	}
	return nil
}

// setting is one key as ShowJSON writes it.
type setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // null when it is unset
	Source string `json:"source"`
}

// ShowJSON writes what Show does as one JSON object, {"settings":[{"key":...,
// "value":...,"source":...}]}. Durations and sizes are text, an empty value is
// null.
func (c *Config) ShowJSON(w io.Writer) error {
	settings := []setting{}
	for _, f := range keys().fields {
		settings = append(settings, setting{f.key, c.plain(f), c.Source(f.key)})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{"settings": settings}); err != nil {
		return fmt.Errorf("showing the configuration: %w", err)
	}
	return nil
}

// rows returns the key, value and source of f as text: one row, or one for each
// entry of a map and each key by version.
func (c *Config) rows(f *field) [][3]string {
	source := c.Source(f.key)
	var rows [][3]string
	switch value := c.plain(f).(type) {
	case nil:
		return [][3]string{{f.key, unset, source}}
	case []string:
		return [][3]string{{f.key, strings.Join(value, ", "), source}}
	case map[string]string:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			rows = append(rows, [3]string{f.key + "[" + name + "]", value[name], source})
		}
	case []shownKey:
		for _, k := range value {
			rows = append(rows, [3]string{versioned(k.Version), k.Key, k.Source})
		}
	default:
		return [][3]string{{f.key, fmt.Sprint(value), source}}
	}
	return rows
}

// shownKey is a key-encryption key as ShowJSON writes it.
type shownKey struct {
	Version uint32 `json:"version"`
	Key     string `json:"key"` // [redacted], or a Vault reference
	Source  string `json:"source"`
}

// plain returns the value of f in a form fit for people and for JSON: nil when
// it is empty, without secrets.
func (c *Config) plain(f *field) any {
	v := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
	switch value := v.Interface().(type) {
	case int, bool:
		return value
	case time.Duration:
		return formatDuration(value)
	case Size:
		return value.String()
	case Secret:
		switch {
		case value == "":
		case f.secret == "password":
			return redactURL(value.Reveal())
		case f.secret == "url":
			return originOf(value.Reveal())
		}
	}
	if v.Len() == 0 {
		return nil
	}
	switch value := v.Interface().(type) {
	case []string, map[string]string:
		return value
	case []netip.Prefix:
		var items []string
		for _, network := range value {
			items = append(items, network.String())
		}
		return items
	case []EncryptionKey:
		var shown []shownKey
		for _, k := range value {
			shown = append(shown, shownKey{k.Version, k.text(), k.Place})
		}
		return shown
	case Secret:
		if f.check == "secret_key" {
			return EncryptionKey{Material: value}.text()
		}
		return value.String()
	}
	return v.String()
}

// printable keeps control characters from reaching a terminal; an empty entry
// of a map stays visible.
func printable(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
