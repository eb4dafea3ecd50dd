package totp

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238; what breaks SHA-1 does not break its HMAC, and apps know no other
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

const (
	period = 30 // seconds
	digits = 6
	skew   = 1       // steps either way, for clocks that differ
	modulo = 1000000 // 10 to the power of digits
)

// code is six ASCII digits.
type code [digits]byte

// parseCode reads six digits with spaces anywhere between them. Digits of other
// scripts are none.
func parseCode(text string) (code, bool) {
	var c code
	text = strings.ReplaceAll(text, " ", "")
	if len(text) != digits {
		return c, false
	}
	for i := range c {
		if text[i] < '0' || text[i] > '9' {
			return c, false
		}
		c[i] = text[i]
	}
	return c, true
}

// generate is HOTP (RFC 4226, 5.3) with the step for a counter.
func generate(seed []byte, step int64) code {
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff % modulo
	var c code
	copy(c[:], fmt.Sprintf("%06d", number))
	return c
}

func stepAt(now time.Time) int64 { return now.Unix() / period }

// matches returns the steps around an instant that a code belongs to, in
// ascending order. It takes as long for any code.
func matches(seed []byte, c code, now time.Time) []int64 {
	var steps []int64
	for step := stepAt(now) - skew; step <= stepAt(now)+skew; step++ {
		want := generate(seed, step)
		if subtle.ConstantTimeCompare(want[:], c[:]) == 1 {
			steps = append(steps, step)
		}
	}
	return steps
}
