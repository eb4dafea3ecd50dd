package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

const keysPath = "security.encryption.keys"

var (
	errKeyList = errors.New(`must be a list of keys, each such as {version: 2, key: "${NEW_SECRET_KEY}"}`)
	errKeyJSON = errors.New(`must be a JSON array of keys, such as [{"version":2,"key":"..."}]`)
	errVersion = errors.New("must be a version from 1 to 2147483647")
)

// keyForm is how a list of keys is read and shown.
var keyForm = setting.Form{
	Words: "list of keys", Example: keysExample, Rows: keyRows, Plain: plainKeys,
	Read: func(n setting.Node, place func(line int) string) (any, []setting.Problem) {
		r := keyReader{place: place}
		r.list(n)
		return r.keys, r.problems
	},
	Parse: func(text, place string) (any, []setting.Problem) {
		r := keyReader{place: func(int) string { return place }}
		r.text(text)
		return r.keys, r.problems
	},
}

// keyRows are the rows of Show: one for each version.
func keyRows(value any) [][3]string {
	var rows [][3]string
	keys, _ := value.([]EncryptionKey)
	for _, k := range keys {
		rows = append(rows, [3]string{versioned(k.Version), k.text(), k.Place})
	}
	return rows
}

// shownKey is a key-encryption key as ShowJSON writes it.
type shownKey struct {
	Version uint32 `json:"version"`
	Key     string `json:"key"` // [redacted], or a Vault reference
	Source  string `json:"source"`
}

func plainKeys(value any) any {
	var shown []shownKey
	keys, _ := value.([]EncryptionKey)
	for _, k := range keys {
		shown = append(shown, shownKey{k.Version, k.text(), k.Place})
	}
	return shown
}

// keyMembers are what an element of the list may have.
var keyMembers = []string{"version", "key", "key_file"}

// keyReader reads a list of keys and collects everything that is wrong with it.
type keyReader struct {
	place    func(line int) string
	keys     []EncryptionKey
	problems []setting.Problem
}

func (r *keyReader) refuse(line int, key, detail string) {
	r.problems = append(r.problems, setting.Problem{Place: r.place(line), Key: key, Detail: detail})
}

// text reads a list written in one line, as a JSON array; that is YAML too.
func (r *keyReader) text(text string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return
	}
	list, ok := setting.ParseList(trimmed)
	if !ok {
		r.refuse(0, keysPath, errKeyJSON.Error())
		return
	}
	r.list(list)
}

// list reads the value of the key; one whose lines are all comments is empty.
func (r *keyReader) list(n setting.Node) {
	switch {
	case n.IsNull():
	case n.IsScalar():
		text, err := n.Inline()
		if err != nil {
			r.refuse(n.Line(), keysPath, err.Error())
			return
		}
		place := r.place(n.Line())
		r.place = func(int) string { return place }
		r.text(text)
	case !n.IsList():
		r.refuse(n.Line(), keysPath, errKeyList.Error())
	default:
		first := map[uint32]int{}
		for i, element := range n.List() {
			e := keyElement{r, element.Line, i + 1}
			k, ok := e.read(element.Value)
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

func (e keyElement) read(n setting.Node) (EncryptionKey, bool) {
	if !n.IsMapping() {
		e.refuse(e.line, "", `must be a key such as {version: 2, key: "${NEW_SECRET_KEY}"}`)
		return EncryptionKey{}, false
	}
	members := e.members(n)
	version, hasVersion := e.version(members["version"])
	material, hasMaterial := e.material(members["key"], members["key_file"])
	return EncryptionKey{Version: version, Material: material, Place: e.place(e.line)}, hasVersion && hasMaterial
}

func (e keyElement) members(n setting.Node) map[string]*setting.Node {
	members := map[string]*setting.Node{}
	lines := map[string]int{}
	for _, member := range n.Members() {
		line, name := member.Line, member.Name
		first, twice := lines[name]
		switch {
		case !slices.Contains(keyMembers, name):
			e.unknown(line, name)
		case twice:
			e.refuse(line, name, fmt.Sprintf("is given twice, first on line %d", first))
		default:
			lines[name] = line
			members[name] = &member.Value
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
	near := setting.Nearest(name, keyMembers)
	if near != "" {
		near = keysPath + "." + near
	}
	e.refuse(line, name, setting.Unknown("key", near))
}

func (e keyElement) version(n *setting.Node) (uint32, bool) {
	if n == nil {
		e.refuse(e.line, "", "has no version")
		return 0, false
	}
	text, err := n.Number()
	if err != nil {
		e.refuse(n.Line(), "version", err.Error())
		return 0, false
	}
	version, err := parseVersion(text)
	if err != nil {
		e.refuse(n.Line(), "version", err.Error())
		return 0, false
	}
	return version, true
}

func parseVersion(text string) (uint32, error) {
	n, err := setting.ParseInt(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, errVersion
	}
	return uint32(n), nil
}

func (e keyElement) material(key, file *setting.Node) (Secret, bool) {
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
	text, err := n.Text()
	if err == nil && file != nil {
		text, err = setting.ReadNamedFile(text)
	}
	if err == nil {
		err = checkMaterial(text)
	}
	if err != nil {
		e.refuse(n.Line(), member, err.Error())
	}
	return Secret(text), err == nil
}
