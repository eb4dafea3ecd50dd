package setting

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse turns text into a checked value of the field's type, or that of its
// form. Its errors never repeat the text.
func (f *Field) Parse(text string) (any, error) {
	v, err := f.parse(text)
	if err != nil {
		return nil, err
	}
	return v.Interface(), nil
}

// parse turns text into a checked value of the field's type. Its errors never
// repeat the text.
func (f *Field) parse(text string) (reflect.Value, error) {
	v := reflect.New(f.Type).Elem()
	switch f.kind {
	case kindText:
		return f.verify(v, f.setText(v, text))
	case kindInt:
		n, err := ParseInt(text)
		v.SetInt(n)
		return f.verify(v, err)
	case kindSize:
		n, err := parseSize(text)
		v.SetInt(n)
		return f.verify(v, err)
	case kindDuration:
		d, err := ParseDuration(text)
		v.SetInt(int64(d))
		return f.verify(v, err)
	case kindBool:
		if text != "true" && text != "false" {
			return v, errors.New("must be true or false")
		}
		v.SetBool(text == "true")
		return f.verify(v, nil)
	case kindList:
		return f.list(splitList(text))
	case kindMap:
		return f.mapText(text)
	case kindForm:
		value, problems := f.form().Parse(text, "")
		if len(problems) > 0 {
			return v, errors.New(strings.TrimPrefix(problems[0].Key+" "+problems[0].Detail, f.Key+" "))
		}
		return reflect.ValueOf(value), nil
	}
	return v, fmt.Errorf("has no reader for its kind %d", f.kind)
}

func (f *Field) setText(v reflect.Value, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return errors.New("must be UTF-8 text without NUL")
	}
	if f.Secret == "" && strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("must not contain control characters")
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, text) {
		return errors.New("must be " + f.expected())
	}
	v.SetString(text)
	return nil
}

// verify holds a parsed value against the field's limits and its rule.
func (f *Field) verify(v reflect.Value, err error) (reflect.Value, error) {
	if err != nil {
		return v, err
	}
	if v.CanInt() && !f.within(v.Int()) {
		return v, errors.New("must be " + f.limits())
	}
	if rule := f.schema.options.Rules[f.Check]; rule != nil {
		return v, rule(v.Interface())
	}
	return v, nil
}

func (f *Field) within(n int64) bool {
	return (f.min == "" || n >= f.limit(f.min)) && (f.max == "" || n <= f.limit(f.max))
}

func (f *Field) limit(text string) int64 {
	unlimited := Field{schema: f.schema, kind: f.kind, Type: f.Type}
	v, err := unlimited.parse(text)
	if err != nil {
		panic("setting: limit of " + f.Key + ": " + err.Error()) // a defect in a struct tag, found by any test
	}
	return v.Int()
}

// limits says in words what min and max allow, "" for nothing special.
func (f *Field) limits() string {
	switch {
	case f.min != "" && f.max != "":
		return f.min + " to " + f.max
	case f.min != "":
		return f.min + " or more"
	case f.max != "":
		return f.max + " or less"
	}
	return ""
}

// list makes the value of a list from its elements.
func (f *Field) list(items []string) (reflect.Value, error) {
	for i, item := range items {
		if item == "" || !utf8.ValidString(item) || strings.ContainsFunc(item, unicode.IsControl) {
			return reflect.Value{}, fmt.Errorf("has an empty or unprintable element, number %d", i+1)
		}
	}
	if f.Type == reflect.TypeFor[[]string]() {
		return f.verify(reflect.ValueOf(items), nil)
	}
	networks := make([]netip.Prefix, 0, len(items))
	for i, item := range items {
		network, err := netip.ParsePrefix(item)
		if err != nil || network != network.Masked() {
			return reflect.Value{}, fmt.Errorf("must be networks such as 10.0.0.0/8 or 192.0.2.1/32, with no bits after the prefix; number %d is not", i+1)
		}
		networks = append(networks, network)
	}
	return f.verify(reflect.ValueOf(networks), nil)
}

// splitList reads a list written in one line, separated by commas.
func splitList(text string) []string {
	items := []string{}
	if strings.TrimSpace(text) == "" {
		return items
	}
	for item := range strings.SplitSeq(text, ",") {
		items = append(items, strings.TrimSpace(item))
	}
	return items
}
