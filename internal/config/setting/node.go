package setting

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node turns a YAML value into a checked value of the field's type.
func (f *Field) node(n *yaml.Node, environ map[string]string) (reflect.Value, error) {
	switch {
	case n.Kind == yaml.ScalarNode:
		text, err := scalar(n, f.kind, f.kind.expected(), environ)
		if err != nil {
			return reflect.Value{}, err
		}
		return f.parse(text)
	case n.Kind == yaml.SequenceNode && f.kind == kindList:
		return f.sequence(n, environ)
	case n.Kind == yaml.MappingNode && f.kind == kindMap:
		return f.mapping(n, environ)
	}
	return reflect.Value{}, errors.New("must be " + f.expected())
}

func (f *Field) sequence(n *yaml.Node, environ map[string]string) (reflect.Value, error) {
	items := make([]string, 0, len(n.Content))
	for i, element := range n.Content {
		item, err := scalar(target(element), kindText, kindText.expected(), environ)
		if err != nil {
			return reflect.Value{}, fmt.Errorf("%w (element %d)", err, i+1)
		}
		items = append(items, item)
	}
	return f.list(items)
}

func (f *Field) mapping(n *yaml.Node, environ map[string]string) (reflect.Value, error) {
	entries := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := target(n.Content[i])
		if name.Kind != yaml.ScalarNode {
			return reflect.Value{}, fmt.Errorf("has a name that is not text (entry %d)", i/2+1)
		}
		if _, twice := entries[name.Value]; twice {
			return reflect.Value{}, fmt.Errorf("has the same name twice (entry %d)", i/2+1)
		}
		text, err := scalar(target(n.Content[i+1]), kindText, kindText.expected(), environ)
		if err != nil {
			return reflect.Value{}, fmt.Errorf("%w (entry %d)", err, i/2+1)
		}
		entries[name.Value] = text
	}
	return f.verify(reflect.ValueOf(entries), nil)
}

// mapText reads a map written in one line, as a JSON object; a JSON object is
// YAML too.
func (f *Field) mapText(text string) (reflect.Value, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return f.verify(reflect.ValueOf(map[string]string{}), nil)
	}
	root, _, err := parseYAML([]byte(trimmed))
	if err != nil || !strings.HasPrefix(trimmed, "{") || root.Kind != yaml.MappingNode {
		return reflect.Value{}, errors.New(`must be a JSON object of texts, such as {"X-Frame-Options":"DENY"}`)
	}
	return f.mapping(root, nil)
}

// scalar returns the text of a YAML value that fits the kind, which is wanted in
// other words, with variables expanded. A number or truth value in quotes is text and does not fit, unless
// it was put together from variables.
func scalar(n *yaml.Node, k kind, wanted string, environ map[string]string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Style&yaml.TaggedStyle != 0 {
		return "", errors.New("must be a plain value, not a list, a section or a tagged value")
	}
	tag := n.ShortTag()
	if tag == "!!null" {
		return "", errors.New(`has no value; write "" for an empty one, or take the line out`)
	}
	text, replaced := n.Value, false
	if environ != nil { // nil is for what stands in a variable itself
		var err error
		if text, replaced, err = expand(n.Value, environ); err != nil {
			return "", err
		}
	}
	if !replaced && !slices.Contains(fitting(k), tag) {
		return "", mismatch(k, wanted, tag)
	}
	return text, nil
}

// fitting lists the YAML types that are read as a value of kind k. Digits are
// text as they stand: a hexadecimal key may consist of nothing else.
func fitting(k kind) []string {
	switch k {
	case kindInt:
		return []string{"!!int"}
	case kindBool:
		return []string{"!!bool"}
	case kindText, kindDuration, kindSize:
		return []string{"!!str", "!!int", "!!float", "!!timestamp"}
	case kindList, kindMap, kindForm:
		return []string{"!!str"}
	}
	return nil
}

func mismatch(k kind, wanted, tag string) error {
	switch {
	case tag == "!!str":
		return errors.New("must be " + wanted + ", without quotes")
	case k == kindText:
		return errors.New("must be text; put the value in quotes")
	}
	return errors.New("must be " + wanted)
}
