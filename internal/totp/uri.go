package totp

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"

	"github.com/boombuler/barcode/qr"
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

func encodeSeed(seed []byte) string { return base32Text.EncodeToString(seed) }

// keyURI is what authenticator apps read (the key URI format that they have in
// common). Its first colon ends the issuer, so that has none; every parameter
// is spelt out, although it is what apps assume.
func keyURI(issuer, account string, seed []byte) string {
	issuer = escape(strings.ReplaceAll(issuer, ":", " "))
	label := issuer
	if account != "" {
		label += ":" + escape(account)
	}
	return fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		label, encodeSeed(seed), issuer, digits, period)
}

// escape leaves unreserved characters alone (RFC 3986, 2.3) and nothing else:
// some apps take a plus for a space, and some do not.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

const (
	moduleSize = 6 // pixels
	quietZone  = 4 // modules around the code, without which scanners may not see it (ISO/IEC 18004)
)

// qrCode draws a text as a QR code, in a PNG that an img element takes.
func qrCode(text string) (string, error) {
	symbol, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("encoding a QR code: %w", err)
	}
	size := (symbol.Bounds().Dx() + 2*quietZone) * moduleSize
	picture := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for i := range picture.Pix {
		x, y := i%size/moduleSize-quietZone, i/size/moduleSize-quietZone
		if image.Pt(x, y).In(symbol.Bounds()) && symbol.At(x, y) == color.Black {
			picture.Pix[i] = 1
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		return "", fmt.Errorf("drawing a QR code: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(file.Bytes()), nil
}
