package payload

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// formRows reads the one row of a form. All of its values are texts.
type formRows struct {
	in   *bounded
	max  int64
	json []string // columns whose texts are JSON
	done bool
}

func (f *formRows) next() (row, error) {
	if f.done {
		return row{}, io.EOF
	}
	f.done, f.in.limit = true, f.max+1
	body, err := io.ReadAll(f.in)
	if int64(len(body)) > f.max {
		f.in.err = errTooLong
	}
	if failed := f.in.fault(f.max); failed != nil {
		return row{}, failed
	}
	if err != nil {
		return row{}, fmt.Errorf("reading a form: %w", err)
	}
	return f.object(string(body))
}

// object makes an object of the fields of a form.
func (f *formRows) object(form string) (row, error) {
	r := row{text: []byte("{"), keys: []string{}}
	seen := map[string]bool{}
	n := 0
	for part := range strings.SplitSeq(form, "&") {
		if part == "" {
			continue
		}
		n++
		key, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(key)
		text, err2 := url.QueryUnescape(value)
		switch {
		case err1 != nil || err2 != nil:
			return row{}, refuse(fmt.Sprintf("Field %d of the form is malformed.", n), "")
		case !utf8.ValidString(name + text):
			return row{}, refuse(fmt.Sprintf("Field %d of the form is not UTF-8.", n), "")
		case strings.ContainsRune(name+text, 0):
			return row{}, refuse("Text cannot hold the character U+0000.", fmt.Sprintf("It is about field %d of the form.", n))
		case seen[name]:
			return row{}, refuse(fmt.Sprintf("Field %d of the form has been given before.", n), "")
		}
		seen[name] = true
		r.keys = append(r.keys, name)
		if n > 1 {
			r.text = append(r.text, ',')
		}
		var err error
		if r.text, err = jsontext.AppendQuote(r.text, name); err != nil {
			return row{}, fmt.Errorf("writing a name as JSON: %w", err)
		}
		if r.text, err = appendText(append(r.text, ':'), []byte(text), slices.Contains(f.json, name)); err != nil {
			return row{}, err
		}
		if r.text == nil {
			return row{}, refuse(fmt.Sprintf("Field %d of the form is not JSON.", n), "")
		}
	}
	r.text = append(r.text, '}')
	return r, nil
}
