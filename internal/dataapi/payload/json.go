package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// maxDepth is how deep a body may nest, as everywhere else.
const maxDepth = 64

// jsonRows reads an object, or an array of objects.
type jsonRows struct {
	in     *bounded
	max    int64
	object bool // is all that may be
	body   *jsontext.Decoder
	begun  bool
	array  bool
	n      int
	names  [][]byte // of the last row's members, as JSON strings
	keys   []string // the same as texts
}

func newJSON(in *bounded, o Options) *jsonRows {
	in.limit = o.MaxRow
	return &jsonRows{in: in, max: o.MaxRow, object: o.Object, body: jsontext.NewDecoder(in), names: [][]byte{}}
}

func (j *jsonRows) next() (row, error) {
	if !j.begun {
		j.begun = true
		if j.array = j.body.PeekKind() == '[' && !j.object; j.array {
			if _, err := j.body.ReadToken(); err != nil {
				return row{}, j.fault(err)
			}
		}
	}
	j.in.limit = j.body.InputOffset() + j.max
	kind := j.body.PeekKind()
	switch {
	case !j.array && j.n > 0:
		return row{}, j.end()
	case j.array && kind == ']':
		_, _ = j.body.ReadToken() // has been looked at
		return row{}, j.end()
	case kind == jsontext.KindInvalid:
		_, err := j.body.ReadToken()
		return row{}, j.fault(err)
	case kind != '{' && j.object:
		return row{}, refuse("The body must be a JSON object", "")
	case kind != '{':
		return row{}, refuse("The body must be a JSON object, or an array of objects with the same keys", "")
	}
	text, err := j.body.ReadValue()
	if err != nil {
		return row{}, j.fault(err)
	}
	j.n++
	return j.look(text)
}

// end makes sure that nothing follows.
func (j *jsonRows) end() error {
	_, err := j.body.ReadToken()
	if err == nil {
		return refuse(fmt.Sprintf("The body goes on after its end, at byte %d.", j.body.InputOffset()), "")
	}
	if errors.Is(err, io.EOF) && j.in.err == nil {
		return io.EOF
	}
	return j.fault(err)
}

// look returns a row with its keys, if PostgreSQL can keep it.
func (j *jsonRows) look(text jsontext.Value) (row, error) {
	var depth int
	var nul bool
	depth, nul, j.names = scan(text, j.names[:0])
	if j.array {
		depth++
	}
	switch {
	case depth > maxDepth:
		return row{}, refuse(fmt.Sprintf("The body nests deeper than %d levels.", maxDepth), fmt.Sprintf("It is about row %d.", j.n))
	case nul:
		return row{}, refuse("Text cannot hold the character U+0000.", fmt.Sprintf("It is about row %d.", j.n))
	}
	return row{text, j.keysOf(j.names)}, nil
}

// keysOf returns names as texts. Most are those of the row before.
func (j *jsonRows) keysOf(names [][]byte) []string {
	last := j.keys
	j.keys = j.keys[:0]
	for i, name := range names {
		switch plain := name[1 : len(name)-1]; {
		case bytes.IndexByte(plain, '\\') >= 0:
			text, _ := jsontext.AppendUnquote(nil, name) // is a valid string
			j.keys = append(j.keys, string(text))
		case i < len(last) && last[i] == string(plain):
			j.keys = append(j.keys, last[i])
		default:
			j.keys = append(j.keys, string(plain))
		}
	}
	return j.keys
}

// scan walks a valid JSON value: how deep it nests, whether some text in it has
// the character U+0000, which can only be an escape, and if it is an object, the
// names of its members as JSON strings, which are appended to names unless that
// is nil.
func scan(text []byte, names [][]byte) (depth int, nul bool, _ [][]byte) {
	level, object, name := 0, false, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			begin := i
			var has bool
			i, has = endOfString(text, i)
			nul = nul || has
			if name && names != nil {
				names = append(names, text[begin:i+1])
			}
			name = false
		case '{', '[':
			level++
			depth = max(depth, level)
			if level == 1 {
				object = text[i] == '{'
				name = object
			}
		case '}', ']':
			level--
		case ',':
			name = object && level == 1
		}
	}
	return depth, nul, names
}

// endOfString returns where the string that begins at i ends, and whether the
// character U+0000 is in it.
func endOfString(text []byte, i int) (end int, nul bool) {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			nul = nul || bytes.HasPrefix(text[i:], []byte(`\u0000`))
			i++
		}
	}
	return i, nul
}

// appendText appends a text to a row: as a JSON string, or as the JSON that it is
// to be. It returns nil if it is none that PostgreSQL could keep.
func appendText(to []byte, text []byte, isJSON bool) ([]byte, error) {
	if !isJSON {
		to, err := jsontext.AppendQuote(to, text)
		if err != nil {
			return nil, fmt.Errorf("writing a text as JSON: %w", err)
		}
		return to, nil
	}
	if depth, nul, _ := scan(text, nil); depth >= maxDepth || nul || !jsontext.Value(text).IsValid() {
		return nil, nil
	}
	return append(to, text...), nil
}

// fault says what is wrong with a body, and where.
func (j *jsonRows) fault(err error) error {
	if failed := j.in.fault(j.max); failed != nil {
		return failed
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		f := refuse("The object holds a key twice.", fmt.Sprintf("It is about row %d.", j.n+1))
		f.Fields = []fault.Field{{Pointer: string(syntactic.JSONPointer), Detail: f.Detail}}
		return f
	}
	at := j.body.InputOffset()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = syntactic.ByteOffset
	}
	f := refuse(fmt.Sprintf("The body is not valid JSON, at byte %d.", at), "")
	if j.array {
		f.SQL.Details = fmt.Sprintf("It is about row %d.", j.n+1)
	}
	if errors.Is(err, io.EOF) { // it is over before it began: not to be taken for a good end
		return f
	}
	return f.Because(err)
}
