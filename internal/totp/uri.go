package totp

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"rsc.io/qr"
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

func encodeSeed(seed []byte) string { return base32Text.EncodeToString(seed) }

// keyURI is what authenticator apps read (the key URI format that they have in
// common). Its first colon ends the issuer, so that has none; every parameter
// is spelt out, although it is what apps assume.
func keyURI(issuer, account string, seed []byte) string {
	issuer = strings.ReplaceAll(issuer, ":", " ")
	return fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		escape(issuer), escape(account), encodeSeed(seed), escape(issuer), digits, period)
}

// escape leaves unreserved characters alone (RFC 3986, 2.3) and nothing else:
// some apps take a plus for a space, and some do not.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// qrCode draws a text as a QR code, in a PNG that an img element takes.
func qrCode(text string) (string, error) {
	picture, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("drawing a QR code: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture.PNG()), nil
}
