package setting

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is the file being read.
type document struct {
	*Reading
	path string
}

// file takes every key of the YAML file at path.
func (r *Reading) file(path string, required bool) {
	if path == "" {
		return
	}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return
	}
	if err != nil {
		r.Refuse(path, "", err.Error())
		return
	}
	root, line, err := parseYAML(text)
	d := document{r, path}
	if err != nil {
		r.Refuse(d.at(line), "", err.Error())
		return
	}
	d.section(root, "")
}

func (d document) at(line int) string {
	if line == 0 {
		return d.path
	}
	return d.path + ":" + strconv.Itoa(line)
}

// section takes the keys of one mapping; a section with nothing in it is fine.
func (d document) section(n *yaml.Node, path string) {
	n = target(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.Refuse(d.at(n.Line), path, "must be a section: indented lines of \"key: value\", with a space after the colon")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := target(n.Content[i]), n.Content[i+1]
		if first, twice := seen[key.Value]; twice {
			d.Refuse(d.at(n.Content[i].Line), join(path, shown(key.Value)), "is given twice, first on line "+strconv.Itoa(first))
			continue
		}
		seen[key.Value] = n.Content[i].Line
		d.pair(n.Content[i].Line, path, key, value)
	}
}

func (d document) pair(line int, path string, key, value *yaml.Node) {
	full := join(path, key.Value)
	f := d.schema.byKey[full]
	switch {
	case key.Kind != yaml.ScalarNode || !printableKey.MatchString(key.Value):
		d.Refuse(d.at(line), path, "has a key that cannot be one and is not repeated here, as it may hold a value; a colon needs a space after it")
	case strings.Contains(key.Value, "."):
		d.Refuse(d.at(line), full, "has a dot in it; write each part on a line of its own, indented under the one before")
	case d.schema.bySection[full]:
		d.section(value, full)
	case f == nil:
		d.unknown(d.at(line), full)
	default:
		d.value(Assignment{Field: f, keys: []string{full}, Name: full, Place: d.at(line), Level: levelFile}, target(value))
	}
}

func (d document) value(a Assignment, n *yaml.Node) {
	if a.Field.kind == kindForm {
		form := a.Field.form()
		value, problems := form.Read(Node{n, d.environ, form.Words}, d.at)
		d.keep(a, value, problems)
		return
	}
	v, err := a.Field.node(n, d.environ)
	a.value = v
	d.assign(a, err)
}

// printableKey is what a key may look like to be repeated in an error. Whatever
// is as long as a secret key is not.
var printableKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,31}$`)

func shown(key string) string {
	if printableKey.MatchString(key) {
		return key
	}
	return "(a key that is not shown)"
}

// target follows an alias (*name) to the node that it stands for.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

var (
	yamlError  = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	errAnchor  = errors.New("is not YAML: a value that begins with * needs quotes")
	errNotYAML = errors.New("is not YAML, here or a little below")
	quotation  = regexp.MustCompile("['\"`].{2,}['\"`]")
	errMany    = errors.New("must be one YAML document, not several")
)

// parseYAML returns the root of the only document in text, an empty mapping for
// empty text, or an error and its line (0 when it is not known).
func parseYAML(text []byte) (*yaml.Node, int, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		return &yaml.Node{Kind: yaml.MappingNode}, 0, nil
	case err != nil:
		return syntaxError(err)
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return nil, next.Line, errMany
	case !errors.Is(err, io.EOF):
		return syntaxError(err)
	}
	return doc.Content[0], 0, nil
}

// syntaxError takes the line and the words of a YAML error, unless the words
// quote the file. The line is where the parser noticed or where the block began.
func syntaxError(err error) (*yaml.Node, int, error) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return nil, 0, errNotYAML
	}
	line, _ := strconv.Atoi(m[1])
	switch {
	case strings.HasPrefix(m[2], "unknown anchor"):
		return nil, line, errAnchor
	case quotation.MatchString(m[2]):
		return nil, line, errNotYAML
	}
	return nil, line, fmt.Errorf("%w: %s", errNotYAML, m[2])
}
