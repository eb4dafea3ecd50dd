package setting

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

// Display is a struct with settings, and where each came from.
type Display struct {
	Schema  *Schema
	Struct  any               // a pointer to it
	Sources map[string]string // as Fill returns; what is not there is a default
}

// Source says where the value of a key came from: "default", "FILE:LINE",
// "env NAME" or "flag". It is empty for a name that is not a key.
func (d Display) Source(key string) string {
	f := d.Schema.byKey[key]
	if f == nil {
		return ""
	}
	if source, ok := d.Sources[f.Key]; ok {
		return source
	}
	return FromDefault
}

// Text writes every effective value with where it came from, one a line and
// aligned. Secrets are [redacted], as far as Options.Shown does not show them,
// and empty values (unset).
func (d Display) Text(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "KEY\tVALUE\tSOURCE") // errors stay in the writer until Flush
	for _, f := range d.Schema.fields {
		for _, row := range d.Rows(f) {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", row[0], printable(row[1]), row[2])
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("showing the configuration: %w", err)
	}
	return nil
}

// shownSetting is one key as JSON writes it.
type shownSetting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // null when it is unset
	Source string `json:"source"`
}

// JSON writes what Text does as one JSON object, {"settings":[{"key":...,
// "value":...,"source":...}]}. Durations and sizes are text, an empty value is
// null.
func (d Display) JSON(w io.Writer) error {
	settings := []shownSetting{}
	for _, f := range d.Schema.fields {
		settings = append(settings, shownSetting{f.Key, d.plain(f), d.Source(f.Key)})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{"settings": settings}); err != nil {
		return fmt.Errorf("showing the configuration: %w", err)
	}
	return nil
}

// Rows returns the key, value and source of f as text: one row, or one for each
// entry of a map, or those of its form.
func (d Display) Rows(f *Field) [][3]string {
	source, value := d.Source(f.Key), d.plain(f)
	if f.kind == kindForm && value != nil {
		return f.form().Rows(d.value(f).Interface())
	}
	var rows [][3]string
	switch value := value.(type) {
	case nil:
		return [][3]string{{f.Key, unset, source}}
	case []string:
		return [][3]string{{f.Key, strings.Join(value, ", "), source}}
	case map[string]string:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			rows = append(rows, [3]string{f.Key + "[" + name + "]", value[name], source})
		}
	default:
		return [][3]string{{f.Key, fmt.Sprint(value), source}}
	}
	return rows
}

func (d Display) value(f *Field) reflect.Value {
	return reflect.ValueOf(d.Struct).Elem().FieldByIndex(f.index)
}

// plain returns the value of f in a form fit for people and for JSON: nil when
// it is empty, without secrets.
func (d Display) plain(f *Field) any {
	v := d.value(f)
	switch value := v.Interface().(type) {
	case int, bool:
		return value
	case time.Duration:
		return FormatDuration(value)
	case Size:
		return value.String()
	case Secret:
		if shown := f.schema.options.Shown[f.Secret]; shown != nil && value != "" {
			return shown(value.Reveal())
		}
	}
	if v.Len() == 0 {
		return nil
	}
	if f.kind == kindForm {
		return f.form().Plain(v.Interface())
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
	case Secret:
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
