package dataapi

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// written is the body of a write: what its objects have in common.
type written struct {
	columns []string
	array   string // the rows as a JSON array
	count   int
}

var errBody = dataFault(fault.Invalid, "PGRST102", "The body must be a JSON object, or an array of objects with the same keys")

// parseRows reads an object or an array of objects. The syntax of the body has
// been checked already.
func parseRows(body []byte) (written, error) {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	switch d.PeekKind() {
	case '{':
		keys, err := objectKeys(d)
		return written{columns: keys, array: "[" + string(body) + "]", count: 1}, err
	case '[':
		return parseArray(d, body)
	default:
		return written{}, errBody
	}
}

func parseArray(d *jsontext.Decoder, body []byte) (written, error) {
	w := written{array: string(body)}
	if _, err := d.ReadToken(); err != nil {
		return w, errBody
	}
	for d.PeekKind() != ']' {
		keys, err := objectKeys(d)
		if err != nil {
			return w, err
		}
		if w.count == 0 {
			w.columns = keys
		} else if !sameKeys(w.columns, keys) {
			return w, dataFault(fault.Invalid, "PGRST102", "All object keys must match")
		}
		w.count++
	}
	if w.count > 1 && len(w.columns) == 0 {
		return w, dataFault(fault.Invalid, "PGRST102", "Rows of defaults are inserted one at a time")
	}
	return w, nil
}

func parseObject(body []byte) (written, error) {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	keys, err := objectKeys(d)
	return written{columns: keys, count: 1}, err
}

// objectKeys reads one object and returns its keys in order.
func objectKeys(d *jsontext.Decoder) ([]string, error) {
	if d.PeekKind() != '{' {
		return nil, errBody
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errBody
	}
	keys := []string{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errBody
		}
		keys = append(keys, name.String())
		if err := d.SkipValue(); err != nil {
			return nil, errBody
		}
	}
	_, err := d.ReadToken()
	return keys, err
}

func sameKeys(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, name := range b {
		if !slices.Contains(a, name) {
			return false
		}
	}
	return true
}
