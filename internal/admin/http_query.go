package admin

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/user"
)

// maxContainment is the longest object that metadata is searched for, in bytes.
const maxContainment = 4096

// reader reads query parameters and keeps the first fault. An empty parameter is
// a variable that is not set, and refused: it would select everybody.
type reader struct {
	query url.Values
	err   error
}

func (r *reader) fail(name, code, detail string) {
	if r.err == nil {
		r.err = fault.Input("?"+name, code, detail)
	}
}

// one returns a parameter, "" if it is absent.
func (r *reader) one(name string) string {
	values, ok := r.query[name]
	switch {
	case !ok:
		return ""
	case len(values) > 1:
		r.fail(name, "duplicate_parameter", "The parameter is there twice.")
	case values[0] == "":
		r.fail(name, "invalid_"+name, "The parameter is empty; leave it out.")
	case !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0):
		r.fail(name, "invalid_"+name, "It is not text in UTF-8.")
	default:
		return values[0]
	}
	return ""
}

func (r *reader) text(name string, most int) string {
	text := r.one(name)
	if len(text) > most {
		r.fail(name, "invalid_"+name, "It has at most "+strconv.Itoa(most)+" bytes.")
	}
	return text
}

func (r *reader) number(name string, absent, most int) int {
	text := r.one(name)
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		r.fail(name, "invalid_"+name, "It is a number from 1 to "+strconv.Itoa(most)+".")
	}
	return n
}

func (r *reader) truth(name string) *bool {
	switch r.one(name) {
	case "":
		return nil
	case "true", "false":
		is := r.query.Get(name) == "true"
		return &is
	default:
		r.fail(name, "invalid_"+name, "It is true or false.")
		return nil
	}
}

func (r *reader) id(name string) id.UUID {
	text := r.one(name)
	if text == "" {
		return id.UUID{}
	}
	u, err := id.Parse(text)
	if err != nil || u.IsZero() {
		r.fail(name, "invalid_"+name, "It is a UUID.")
	}
	return u
}

func (r *reader) email(name string) string {
	text := r.one(name)
	if text == "" {
		return ""
	}
	address, err := user.NormalizeEmail(text)
	if err != nil {
		r.fail(name, "invalid_email", "This is not an e-mail address.")
	}
	return address
}

func (r *reader) instant(name string) *time.Time {
	text := r.one(name)
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail(name, "invalid_"+name, "It is an instant such as 2026-01-31T09:00:00Z (RFC 3339); write + as %2B.")
		return nil
	}
	return &at
}

// containment reads an object, or KEY:VALUE for one of a single text.
func (r *reader) containment(name string) string {
	text := r.text(name, maxContainment)
	if text == "" {
		return ""
	}
	var object user.Metadata
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &object); err != nil || len(object) == 0 || deep([]byte(text)) {
			r.fail(name, "invalid_"+name, "It is not a JSON object with a member, or nests too deep.")
			return ""
		}
		return text
	}
	key, value, ok := strings.Cut(text, ":")
	if !ok || key == "" {
		r.fail(name, "invalid_"+name, "It is KEY:VALUE, or a JSON object.")
		return ""
	}
	encoded, err := json.Marshal(map[string]string{key: value})
	if err != nil {
		r.fail(name, "invalid_"+name, "It is KEY:VALUE, or a JSON object.")
	}
	return string(encoded)
}

// deep says whether JSON nests deeper than bodies may.
func deep(text []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.ReadToken(); err != nil {
			return false
		}
		if d.StackDepth() > 64 {
			return true
		}
	}
}
