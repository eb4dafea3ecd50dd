package totp

import (
	"encoding/base64"
	"image/png"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// scan reads a QR code as an authenticator app does.
func scan(t *testing.T, dataURI string) string {
	t.Helper()
	text, ok := strings.CutPrefix(dataURI, "data:image/png;base64,")
	if !ok {
		t.Fatalf("not the data URI of a PNG: %.40q", dataURI)
	}
	picture, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_CHARACTER_SET: "UTF-8"}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		t.Fatal(err)
	}
	// Around the code lies a margin of four modules, all white.
	for x := range picture.Bounds().Dx() {
		for y := range 4 * moduleSize {
			for _, at := range [][2]int{{x, y}, {y, x}, {x, picture.Bounds().Dy() - 1 - y}, {picture.Bounds().Dx() - 1 - y, x}} {
				if r, _, _, _ := picture.At(at[0], at[1]).RGBA(); r != 0xffff {
					t.Fatalf("there is something in the margin, at %v", at)
				}
			}
		}
	}
	return result.GetText()
}

// TestURI reads what an app would read from the picture.
func TestURI(t *testing.T) {
	t.Parallel()
	type read struct{ Issuer, Account, IssuerParameter, Secret, Algorithm, Digits, Period string }
	for _, c := range []struct{ issuer, account, wantIssuer, wantAccount string }{
		{"Fluxbase", "someone@example.com", "Fluxbase", "someone@example.com"},
		{"Fluxbase", "", "Fluxbase", ""},
		{"An App", "a b+c", "An App", "a b+c"},
		{"a: b", "c:d:e", "a  b", "c:d:e"},
		{"a/b?c=d&e#f%41", "a/b?secret=AAAA&issuer=x#f%41", "a/b?c=d&e#f%41", "a/b?secret=AAAA&issuer=x#f%41"},
		{`it's "one" <b>`, "\"quoted\\\"@local\"@example.com'", `it's "one" <b>`, "\"quoted\\\"@local\"@example.com'"},
		{"\u6771\u4eac\U0001f5fc", "\u043f\u043e\u0447\u0442\u0430@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", "\u6771\u4eac\U0001f5fc", "\u043f\u043e\u0447\u0442\u0430@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444"},
		{"Fluxbase", strings.Repeat("{", 64) + "@" + strings.Repeat("a", 189), "Fluxbase", strings.Repeat("{", 64) + "@" + strings.Repeat("a", 189)},
	} {
		uri := keyURI(c.issuer, c.account, []byte("12345678901234567890"))
		picture, err := qrCode(uri)
		if err != nil {
			t.Errorf("%q: %v", uri, err)
			continue
		}
		if got := scan(t, picture); got != uri {
			t.Errorf("the picture says %q, not %q", got, uri)
		}
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Fragment != "" || len(u.Query()) != 5 {
			t.Errorf("%q: %v", uri, err)
			continue
		}
		var got read
		got.Issuer, got.Account, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), ":")
		q := u.Query()
		got.IssuerParameter, got.Secret, got.Algorithm, got.Digits, got.Period = q.Get("issuer"), q.Get("secret"), q.Get("algorithm"), q.Get("digits"), q.Get("period")
		want := read{c.wantIssuer, c.wantAccount, c.wantIssuer, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "SHA1", "6", "30"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q:\n%s", uri, diff)
		}
		if strings.ContainsAny(uri, "+ \"'<>") {
			t.Errorf("%q is not escaped", uri)
		}
	}
	if _, err := qrCode(strings.Repeat("x", 3000)); err == nil {
		t.Error("more than fits is drawn")
	}
}
