package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
)

// marker is what tests send and must not get back.
const marker = "hunter2"

type item struct {
	Name string `json:"name"`
}

// form is a body with one member of each kind.
type form struct {
	Email string         `json:"email"`
	Count int8           `json:"count"`
	On    bool           `json:"on"`
	ID    id.User        `json:"id"`
	Item  item           `json:"item"`
	Items []item         `json:"items"`
	Data  map[string]any `json:"data"`
}

func posted(media, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	return r
}

func decodeText(body string) (form, error) {
	var f form
	err := Decode(posted("application/json", body), &f)
	return f, err
}

// sentences is all that a fault of these codes says. The words of the decoder
// are not among them: they quote what was sent.
var sentences = map[string]*regexp.Regexp{
	"unknown_key":            regexp.MustCompile(`^There is no such key here; there are: (email, count, on, id, item, items, data|name)\.$`),
	"duplicate_key":          regexp.MustCompile(`^The object holds a key twice\.$`),
	"invalid_type":           regexp.MustCompile(`^The value is of the wrong type\.$`),
	"invalid_value":          regexp.MustCompile(`^Text cannot hold the character U\+0000\.$`),
	"invalid_json":           regexp.MustCompile(`^The body (must be a JSON object|is not valid JSON, at byte \d+|goes on after its end, at byte \d+)\.$`),
	"json_too_deep":          regexp.MustCompile(`^The body nests deeper than 64 levels\.$`),
	"body_too_large":         regexp.MustCompile(`^The body is larger than \d+ bytes\.$`),
	"incomplete_body":        regexp.MustCompile(`^The body ended too early\.$`),
	"unsupported_media_type": regexp.MustCompile(`^Send the body as JSON, with the header Content-Type: application/json\.$`),
}

// wantFault checks the kind and the code, and that the caller is not sent back
// what was sent.
func wantFault(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	f := fault.From(err)
	if f == nil {
		t.Fatalf("accepted; want %s", code)
	}
	if f.Kind != kind || f.Code != code {
		t.Errorf("fault %v %q (%v), want %v %q", f.Kind, f.Code, err, kind, code)
	}
	if !sentences[code].MatchString(f.Detail) {
		t.Errorf("%s says %q", code, f.Detail)
	}
	seen := f.Detail + f.Code
	for _, field := range f.Fields {
		seen += field.Pointer + field.Detail
	}
	for _, sent := range []string{marker, "1234567"} {
		if strings.Contains(seen, sent) {
			t.Errorf("the answer repeats what was sent: %s", seen)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := decodeText(` {"email":"a@b.c","count":-3,"on":true,"id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f",` +
		`"item":{"name":"x"},"items":[{"name":"y"},{}],"data":{"Email":1,"email":[{"a":null}]}}` + "\r\n\t ")
	if err != nil {
		t.Fatal(err)
	}
	user, _ := id.Parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
	want := form{
		Email: "a@b.c", Count: -3, On: true, ID: id.User(user), Item: item{"x"}, Items: []item{{"y"}, {}},
		Data: map[string]any{"Email": 1.0, "email": []any{map[string]any{"a": nil}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestKeysThatThereAre are those of the object in which an unknown one stands, with
// those of what it is made of, and none that is not for JSON.
func TestKeysThatThereAre(t *testing.T) {
	t.Parallel()
	type part struct {
		Size int `json:"size,omitempty"`
	}
	var body struct {
		part

		Name   string `json:"name"`
		Inner  item   `json:"inner"`
		Hidden string `json:"-"`
		own    string
		Any    map[string]any `json:"any"`
	}
	_ = body.own
	for text, want := range map[string]string{
		`{"username":"x"}`:          "There is no such key here; there are: size, name, inner, any.",
		`{"inner":{"username":""}}`: "There is no such key here; there are: name.",
	} {
		err := Decode(posted("application/json", text), &body)
		if f := fault.From(err); f.Code != "unknown_key" || f.Detail != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// encoding/json would take ROLE for role and let the last of two win.
func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, code, pointer string }{
		{"unknown key", `{"email":"a","role":"hunter2"}`, "unknown_key", "/role"},
		{"unknown key below", `{"items":[{"name":"a"},{"nam":"hunter2"}]}`, "unknown_key", "/items/1/nam"},
		{"case variant", `{"Email":"hunter2"}`, "unknown_key", "/Email"},
		{"case variant below", `{"item":{"NAME":"hunter2"}}`, "unknown_key", "/item/NAME"},
		{"Kelvin sign", `{"` + "\u212a" + `ey":"hunter2"}`, "unknown_key", "/\u212aey"},
		{"underscore variant", `{"e_mail":"hunter2"}`, "unknown_key", "/e_mail"},
		{"key that a pointer escapes", `{"a~b/c":"hunter2"}`, "unknown_key", "/a~0b~1c"},
		{"duplicate", `{"email":"a","email":"hunter2"}`, "duplicate_key", "/email"},
		{"duplicate, not in a row", `{"email":"a","count":1,"email":"hunter2"}`, "duplicate_key", "/email"},
		{"duplicate, spelled with an escape", `{"email":"a","\u0065mail":"hunter2"}`, "duplicate_key", "/email"},
		{"duplicate below", `{"items":[{},{"name":"a","name":"hunter2"}]}`, "duplicate_key", "/items/1/name"},
		{"duplicate in free data", `{"data":{"a":{"b":1,"c":2,"b":"hunter2"}}}`, "duplicate_key", "/data/a/b"},
		{"number for text", `{"email":1234567}`, "invalid_type", "/email"},
		{"text for number", `{"count":"hunter2"}`, "invalid_type", "/count"},
		{"digits in quotes", `{"count":"1"}`, "invalid_type", "/count"},
		{"fraction", `{"count":1.5}`, "invalid_type", "/count"},
		{"out of range", `{"count":128}`, "invalid_type", "/count"},
		{"text for truth", `{"on":"false"}`, "invalid_type", "/on"},
		{"number for truth", `{"on":1}`, "invalid_type", "/on"},
		{"object for text", `{"email":{"hunter2":1}}`, "invalid_type", "/email"},
		{"array for object", `{"item":["hunter2"]}`, "invalid_type", "/item"},
		{"object for array", `{"items":{"name":"hunter2"}}`, "invalid_type", "/items"},
		{"text within array", `{"items":[{},"hunter2"]}`, "invalid_type", "/items/1"},
		{"malformed identifier", `{"id":"hunter2"}`, "invalid_type", "/id"},
		{"array", `[{"email":"hunter2"}]`, "invalid_json", ""},
		{"text", `"hunter2"`, "invalid_json", ""},
		{"number", `1234567`, "invalid_json", ""},
		{"null", `null`, "invalid_json", ""},
		{"empty", ``, "invalid_json", ""},
		{"blank", " \n", "invalid_json", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeText(c.body)
			wantFault(t, err, fault.Invalid, c.code)
			f := fault.From(err)
			if diff := cmp.Diff([]fault.Field{{Pointer: c.pointer, Detail: f.Detail}}, f.Fields); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNULIsRefused where PostgreSQL could not keep it, and only there.
func TestNULIsRefused(t *testing.T) {
	t.Parallel()
	const nul = "hunter2\\u0000"
	for body, pointer := range map[string]string{
		`{"email":"` + nul + `"}`:                         "/email",
		`{"items":[{"name":"a"},{"name":"` + nul + `"}]}`: "/items/1/name",
		`{"data":{"a":[{"b":"\u0000"}]}}`:                 "/data/a/0/b",
		`{"data":{"a\u0000":1}}`:                          "/data/a?",
		`{"email":"a","data":{"email":"\\\u0000"}}`:       "/data/email",
		`{"email":"\u0000","data":{"email":"\u0000"}}`:    "/email",
	} {
		_, err := decodeText(body)
		wantFault(t, err, fault.Invalid, "invalid_value")
		if f := fault.From(err); len(f.Fields) != 1 || f.Fields[0].Pointer != pointer {
			t.Errorf("%s: %+v", body, f.Fields)
		}
	}
	for body, want := range map[string]string{`{"email":"\\u0000"}`: `\u0000`, `{"email":"\u0001"}`: "\x01"} {
		if got, err := decodeText(body); err != nil || got.Email != want {
			t.Errorf("%s: %q, %v", body, got.Email, err)
		}
	}
	var f form
	if err := Decode(posted("application/json", `{"email":"\u0000"}`), &f, "/email"); err != nil || f.Email != "\x00" {
		t.Errorf("where it is allowed: %q, %v", f.Email, err)
	}
	err := Decode(posted("application/json", `{"data":{"email":"\u0000"}}`), &f, "/email")
	wantFault(t, err, fault.Invalid, "invalid_value")
}

func TestMalformedJSONIsRefused(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"cut":               `{"email":"hunter2"`,
		"cut in text":       `{"email":"hunter2`,
		"trailing text":     `{"email":"a"} hunter2`,
		"second object":     `{"email":"a"}{"email":"hunter2"}`,
		"trailing bracket":  `{"email":"hunter2"}}`,
		"trailing comma":    `{"email":"hunter2",}`,
		"trailing NUL":      "{\"email\":\"hunter2\"}\x00",
		"odd space after":   "{\"email\":\"hunter2\"}\u00a0",
		"bare word":         `{"email":hunter2}`,
		"single quotes":     `{'email':'hunter2'}`,
		"comment":           `{"email":"a"/*hunter2*/}`,
		"leading zero":      `{"count":01}`,
		"not a number":      `{"count":NaN}`,
		"byte order mark":   "\ufeff{\"email\":\"hunter2\"}",
		"invalid UTF-8":     "{\"email\":\"hunter2\xff\"}",
		"invalid UTF-8 key": "{\"hunter2\xc0\xaf\":1}",
		"overlong UTF-8":    "{\"email\":\"hunter2\xc0\x80\"}",
		"lone surrogate":    `{"email":"hunter2\ud800"}`,
		"NUL in text":       "{\"email\":\"hunter2\x00\"}",
		"line break":        "{\"email\":\"hunter2\n\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeText(body)
			wantFault(t, err, fault.Invalid, "invalid_json")
		})
	}
}

func TestDepthIsLimited(t *testing.T) {
	t.Parallel()
	for name, nest := range map[string]func(int) string{
		"objects": func(n int) string { return strings.Repeat(`{"data":`, n-1) + "{}" + strings.Repeat("}", n-1) },
		"arrays": func(n int) string {
			return `{"data":{"a":` + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + "}}"
		},
	} {
		if _, err := decodeText(nest(64)); err != nil {
			t.Errorf("%s: 64 levels: %v", name, err)
		}
		for _, n := range []int{65, 66, 5000, 100_000} {
			_, err := decodeText(nest(n))
			wantFault(t, err, fault.Invalid, "json_too_deep")
		}
		_, err := decodeText(nest(100_000)[:150_000]) // never closed
		wantFault(t, err, fault.Invalid, "json_too_deep")
	}
}

func TestMediaType(t *testing.T) {
	t.Parallel()
	for _, media := range []string{
		"application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json", "application/scim+json",
	} {
		if _, err := ReadJSON(posted(media, `{}`)); err != nil {
			t.Errorf("%s: %v", media, err)
		}
	}
	// A page of another origin can send the first four without a preflight.
	for _, media := range []string{
		"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
		"text/json", "application/jsonx", "application/x-json", "application/xml", "json", "application/json, text/plain", "text/plain; application/json",
		"application/json;;", "application/+xml",
	} {
		_, err := ReadJSON(posted(media, `{}`))
		wantFault(t, err, fault.UnsupportedMedia, "unsupported_media_type")
	}
	r := posted("", `{}`)
	r.Header.Del("Content-Type")
	_, err := ReadJSON(r)
	wantFault(t, err, fault.UnsupportedMedia, "unsupported_media_type")
}

func TestSizeIsLimited(t *testing.T) {
	t.Parallel()
	body := `{"email":"` + marker + `"}`
	for extra, code := range map[int64]string{0: "", 1: "", -1: "body_too_large", 1 - int64(len(body)): "body_too_large"} {
		r := posted("application/json", body)
		r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, int64(len(body))+extra)
		_, err := ReadJSON(r)
		if code == "" {
			if err != nil {
				t.Errorf("%d bytes to spare: %v", extra, err)
			}
			continue
		}
		wantFault(t, err, fault.TooLarge, code)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	r := posted("application/json", "")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"email":"hunter2"}`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	_, err := ReadJSON(r)
	wantFault(t, err, fault.Invalid, "incomplete_body")
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the log does not learn the cause: %v", err)
	}
}

// ReadJSON serves handlers that read the value themselves; any kind will do.
func TestReadJSONReturnsTheBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `[{"a":1}]`, ` "x" `, `null`, `-1e9`} {
		got, err := ReadJSON(posted("application/json", body))
		if err != nil || string(got) != body {
			t.Errorf("ReadJSON = %q, %v; want %q", got, err, body)
		}
	}
	for _, body := range []string{`{"a":1,"a":2}`, `[{"a":{"b":1,"b":1}}]`} {
		_, err := ReadJSON(posted("application/json", body))
		wantFault(t, err, fault.Invalid, "duplicate_key")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"email":"hunter2"}`)
	f.Add(`{"email":"a","email":"b"}`)
	f.Add(strings.Repeat(`{"data":`, 65))
	f.Add("{\"id\":\"\\u0000\",\"items\":[{}, null]}\xff")
	f.Fuzz(func(t *testing.T, body string) {
		_, err := decodeText(body)
		if err == nil {
			return
		}
		if got := fault.From(err); got.Kind != fault.Invalid || got.Code == "" {
			t.Fatalf("%q is the server's fault: %v", body, err)
		}
	})
}
