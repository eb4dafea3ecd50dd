package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const keysPath = "security.encryption.keys"

var (
	errKeyList = errors.New(`must be a list of keys, each such as {version: 2, key: "${NEW_SECRET_KEY}"}`)
	errKeyJSON = errors.New(`must be a JSON array of keys, such as [{"version":2,"key":"..."}]`)
	errVersion = errors.New("must be a version from 1 to 2147483647")
)

// keyMembers are what an element of the list may have.
var keyMembers = []string{"version", "key", "key_file"}

// keyReader reads a list of keys and collects everything that is wrong with it.
type keyReader struct {
	environ  map[string]string // for ${NAME}; nil where nothing is expanded
	place    func(line int) string
	keys     []EncryptionKey
	problems []Problem
}

func (r *keyReader) refuse(line int, key, detail string) {
	r.problems = append(r.problems, Problem{Place: r.place(line), Key: key, Detail: detail})
}

// text reads a list written in one line, as a JSON array; that is YAML too.
func (r *keyReader) text(text string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return
	}
	root, _, err := parseYAML([]byte(trimmed))
	if err != nil || !strings.HasPrefix(trimmed, "[") || root.Kind != yaml.SequenceNode {
		r.refuse(0, keysPath, errKeyJSON.Error())
		return
	}
	r.environ = nil // what a variable holds is not expanded
	r.list(root)
}

// list reads the value of the key; one whose lines are all comments is empty.
func (r *keyReader) list(n *yaml.Node) {
	switch {
	case isNull(n):
	case n.Kind == yaml.ScalarNode:
		text, err := scalar(n, kindKeys, r.environ)
		if err != nil {
			r.refuse(n.Line, keysPath, err.Error())
			return
		}
		place := r.place(n.Line)
		r.place = func(int) string { return place }
		r.text(text)
	case n.Kind != yaml.SequenceNode:
		r.refuse(n.Line, keysPath, errKeyList.Error())
	default:
		first := map[uint32]int{}
		for i, element := range n.Content {
			e := keyElement{r, element.Line, i + 1}
			k, ok := e.read(target(element))
			if !ok {
				continue
			}
			if number, twice := first[k.Version]; twice {
				r.refuse(e.line, keysPath, fmt.Sprintf("has version %d twice, in the elements %d and %d", k.Version, number, e.number))
				continue
			}
			first[k.Version] = e.number
			r.keys = append(r.keys, k)
		}
	}
}

// keyElement is one element of the list.
type keyElement struct {
	*keyReader
	line   int
	number int // from 1
}

// refuse names the member, or none for the element as a whole.
func (e keyElement) refuse(line int, member, detail string) {
	e.keyReader.refuse(line, strings.TrimSuffix(keysPath+"."+member, "."), fmt.Sprintf("%s (element %d)", detail, e.number))
}

func (e keyElement) read(n *yaml.Node) (EncryptionKey, bool) {
	if n.Kind != yaml.MappingNode {
		e.refuse(e.line, "", `must be a key such as {version: 2, key: "${NEW_SECRET_KEY}"}`)
		return EncryptionKey{}, false
	}
	members := e.members(n)
	version, hasVersion := e.version(members["version"])
	material, hasMaterial := e.material(members["key"], members["key_file"])
	return EncryptionKey{Version: version, Material: material, Place: e.place(e.line)}, hasVersion && hasMaterial
}

func (e keyElement) members(n *yaml.Node) map[string]*yaml.Node {
	members := map[string]*yaml.Node{}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		line, name := n.Content[i].Line, target(n.Content[i]).Value
		first, twice := lines[name]
		switch {
		case !slices.Contains(keyMembers, name):
			e.unknown(line, name)
		case twice:
			e.refuse(line, name, fmt.Sprintf("is given twice, first on line %d", first))
		default:
			lines[name] = line
			members[name] = target(n.Content[i+1])
		}
	}
	return members
}

// shortWord is what a mistyped member may look like to be repeated in an error.
var shortWord = regexp.MustCompile(`^[A-Za-z_-]{1,16}$`)

func (e keyElement) unknown(line int, name string) {
	if !shortWord.MatchString(name) {
		e.refuse(line, "", "has a member that is not repeated here, as it may be a value; a colon needs a space after it")
		return
	}
	e.refuse(line, name, "is not a known key; the nearest is "+keysPath+"."+nearest(name, keyMembers))
}

func (e keyElement) version(n *yaml.Node) (uint32, bool) {
	if n == nil {
		e.refuse(e.line, "", "has no version")
		return 0, false
	}
	text, err := scalar(n, kindInt, e.environ)
	if err != nil {
		e.refuse(n.Line, "version", err.Error())
		return 0, false
	}
	version, err := parseVersion(text)
	if err != nil {
		e.refuse(n.Line, "version", err.Error())
		return 0, false
	}
	return version, true
}

func parseVersion(text string) (uint32, error) {
	n, err := parseInt(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, errVersion
	}
	return uint32(n), nil
}

func (e keyElement) material(key, file *yaml.Node) (Secret, bool) {
	n, member := key, "key"
	switch {
	case key == nil && file == nil:
		e.refuse(e.line, "", "has neither key nor key_file")
		return "", false
	case key != nil && file != nil:
		e.refuse(e.line, "", "has both key and key_file; keep one of them")
		return "", false
	case file != nil:
		n, member = file, "key_file"
	}
	text, err := scalar(n, kindText, e.environ)
	if err == nil && file != nil {
		text, err = readNamedFile(text)
	}
	if err == nil {
		err = checkMaterial(text)
	}
	if err != nil {
		e.refuse(n.Line, member, err.Error())
	}
	return Secret(text), err == nil
}

// keyText reads a list of keys for which nobody has said where it came from.
func (f *field) keyText(text string) (reflect.Value, error) {
	r := keyReader{place: func(int) string { return "" }}
	r.text(text)
	if len(r.problems) > 0 {
		p := r.problems[0]
		return reflect.Value{}, errors.New(strings.TrimPrefix(p.Key+" "+p.Detail, f.key+" "))
	}
	return reflect.ValueOf(r.keys), nil
}
