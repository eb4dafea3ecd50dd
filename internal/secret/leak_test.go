package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
)

// forms are the ways in which a value might be written down.
func forms(value string) []string {
	return []string{
		value, hex.EncodeToString([]byte(value)), base64.RawStdEncoding.EncodeToString([]byte(value))[:len(value)],
		url.QueryEscape(value), value[:len(value)-4],
	}
}
