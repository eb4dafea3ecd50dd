package setting

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Node is a value in a file, for forms to read. Anchors have been followed.
type Node struct {
	yaml    *yaml.Node
	environ map[string]string // for ${NAME}; nil where nothing is expanded
	words   string            // that say what the whole value is
}

// Entry is an element of a list, or a member of a mapping.
type Entry struct {
	Line  int
	Name  string // of a member
	Value Node
}

// ParseList reads a list written in one line, as a JSON array; that is YAML
// too. Nothing in it is expanded.
func ParseList(text string) (n Node, ok bool) {
	root, _, err := parseYAML([]byte(text))
	if err != nil || !strings.HasPrefix(text, "[") || root.Kind != yaml.SequenceNode {
		return Node{}, false
	}
	return Node{yaml: root}, true
}

// Line is where the value stands.
func (n Node) Line() int { return n.yaml.Line }

// IsNull says whether there is nothing.
func (n Node) IsNull() bool { return isNull(n.yaml) }

// IsScalar says whether it is neither a list nor a mapping.
func (n Node) IsScalar() bool { return n.yaml.Kind == yaml.ScalarNode }

// IsList says whether it is a list.
func (n Node) IsList() bool { return n.yaml.Kind == yaml.SequenceNode }

// IsMapping says whether it is a mapping.
func (n Node) IsMapping() bool { return n.yaml.Kind == yaml.MappingNode }

// List returns the elements of a list.
func (n Node) List() []Entry {
	var entries []Entry
	for _, element := range n.yaml.Content {
		entries = append(entries, Entry{Line: element.Line, Value: n.beneath(element)})
	}
	return entries
}

// Members returns the members of a mapping, of which several may have one name.
func (n Node) Members() []Entry {
	var entries []Entry
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		name := n.yaml.Content[i]
		entries = append(entries, Entry{name.Line, target(name).Value, n.beneath(n.yaml.Content[i+1])})
	}
	return entries
}

func (n Node) beneath(value *yaml.Node) Node { return Node{yaml: target(value), environ: n.environ} }

// Text returns a text, with variables expanded. The error of all three is the
// rest of a sentence.
func (n Node) Text() (string, error) { return scalar(n.yaml, kindText, kindText.expected(), n.environ) }

// Number returns a whole number as it is written, with variables expanded.
func (n Node) Number() (string, error) {
	return scalar(n.yaml, kindInt, kindInt.expected(), n.environ)
}

// Inline returns a value of the form that is written in one line of text, with
// variables expanded.
func (n Node) Inline() (string, error) { return scalar(n.yaml, kindForm, "a "+n.words, n.environ) }
