package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// maxDepth is how deep a JSON body may nest.
const maxDepth = 64

// Decode reads the JSON object of a request, strictly: an unknown, repeated or
// differently cased key, a value of another type, or anything after the object
// is refused with a pointer to it and without repeating what was sent.
//
// So is text with the character U+0000, which PostgreSQL keeps neither as text
// nor in JSON, unless the pointer to the text is in nul.
func Decode(r *http.Request, into any, nul ...string) error {
	body, err := ReadJSON(r)
	if err != nil {
		return err
	}
	if err := checkNUL(body, nul); err != nil {
		return err
	}
	return unmarshal(body, into)
}

// Unmarshal decodes one JSON object that is part of a body as strictly as a
// whole one.
func Unmarshal(text []byte, into any) error {
	if err := checkSyntax(text); err != nil {
		return err
	}
	if err := checkNUL(text, nil); err != nil {
		return err
	}
	return unmarshal(text, into)
}

func unmarshal(body []byte, into any) error {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return fault.Input("", "invalid_json", "The body must be a JSON object.")
	}
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return semanticFault(semantic)
	}
	if err != nil {
		return fmt.Errorf("decoding a body: %w", err)
	}
	return nil
}

func semanticFault(err *json.SemanticError) error {
	pointer := string(err.JSONPointer)
	if errors.Is(err, json.ErrUnknownName) {
		return fault.Input(pointer, "unknown_key", "There is no such key here"+alternatives(err.GoType)+".")
	}
	return fault.Input(pointer, "invalid_type", "The value is of the wrong type.")
}

// alternatives lists the keys that there are in an object of a type.
func alternatives(t reflect.Type) string {
	if names := keysOf(t); len(names) > 0 {
		return "; there are: " + strings.Join(names, ", ")
	}
	return ""
}

func keysOf(t reflect.Type) (names []string) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			names = append(names, keysOf(field.Type)...)
		case field.IsExported() && name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}

// ReadJSON returns the body of a request after checking that it is one JSON
// value, not too deep, without repeated keys, in UTF-8.
func ReadJSON(r *http.Request) ([]byte, error) {
	if err := checkMedia(r); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, BodyFault(err)
	}
	if err := checkSyntax(body); err != nil {
		return nil, err
	}
	return body, nil
}

// BodyFault says what happened to a body on its way: it is too large, too slow,
// or not whole.
func BodyFault(err error) error {
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(over.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fault.New(fault.TooSlow, "body_too_slow", "The body did not come in time.").Because(err)
	}
	return fault.New(fault.Invalid, "incomplete_body", "The body ended too early.").Because(err)
}

func checkMedia(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return fault.New(fault.UnsupportedMedia, "unsupported_media_type", "Send the body as JSON, with the header Content-Type: application/json.")
	}
	return nil
}

// checkSyntax walks the tokens, because the depth limit of the decoder is
// fixed at a far larger number.
func checkSyntax(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		_, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
			return fault.Input(string(syntactic.JSONPointer), "duplicate_key", "The object holds a key twice.")
		}
		if err != nil {
			return fault.Newf(fault.Invalid, "invalid_json", "The body is not valid JSON, at byte %d.", d.InputOffset()).Because(err)
		}
		if d.StackDepth() > maxDepth {
			return fault.Newf(fault.Invalid, "json_too_deep", "The body nests deeper than %d levels.", maxDepth)
		}
		if d.StackDepth() == 0 && len(bytes.TrimSpace(body[d.InputOffset():])) > 0 {
			return fault.Newf(fault.Invalid, "invalid_json", "The body goes on after its end, at byte %d.", d.InputOffset())
		}
	}
}

// checkNUL refuses U+0000 in the texts and keys of a JSON value. In valid JSON
// it can only be an escape.
func checkNUL(body []byte, allowed []string) error {
	if !bytes.Contains(body, []byte(`\u0000`)) {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return nil //nolint:nilerr // the end: the syntax has been checked
		}
		if token.Kind() != '"' || !strings.Contains(token.String(), "\x00") {
			continue
		}
		if pointer := string(d.StackPointer()); !slices.Contains(allowed, pointer) {
			return fault.Input(strings.ReplaceAll(pointer, "\x00", "?"), "invalid_value", "Text cannot hold the character U+0000.")
		}
	}
}

// Encode sends a value as JSON.
func Encode(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	return WriteJSON(w, status, body)
}

// WriteJSON sends a body that is JSON already.
func WriteJSON(w http.ResponseWriter, status int, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and X-Content-Type-Options keeps browsers from reading it as anything else
	return nil
}
