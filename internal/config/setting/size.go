package setting

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. It is written 1048576, 1024KiB or 1MiB; the units
// are B, KiB, MiB and GiB.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String returns the size in the largest unit that divides it.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && int64(s)%unit.bytes == 0 && unit.bytes > 1 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// ErrDuration says how a duration is written.
var ErrDuration = errors.New("must be a duration with its unit, such as 30s, 15m, 168h or 7d")

var (
	errInt  = errors.New("must be a whole number, in digits")
	errSize = errors.New("must be a size such as 1048576, 512KiB or 1MiB")
)

func parseSize(text string) (int64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := ParseInt(digits)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes {
			return 0, errSize
		}
		return n * unit.bytes, nil
	}
	n, err := ParseInt(text)
	if err != nil || n < 0 {
		return 0, errSize
	}
	return n, nil
}

// ParseInt reads a decimal number in its one usual form: 010 and 1_0 mean
// different things to different readers and are refused.
func ParseInt(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, errInt
	}
	return n, nil
}

const day = 24 * time.Hour

// ParseDuration reads Go's form and, before it, whole days: 7d, 1d12h. Its error
// is ErrDuration.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "0", text
	}
	n, err := ParseInt(days)
	if err != nil || n < 0 || n > int64(math.MaxInt64/day) {
		return 0, ErrDuration
	}
	if rest == "" && ok {
		rest = "0"
	}
	part, err := time.ParseDuration(rest)
	if err != nil || part > math.MaxInt64-time.Duration(n)*day {
		return 0, ErrDuration
	}
	return time.Duration(n)*day + part, nil
}

// FormatDuration drops the zero units that Duration.String writes: 15m, not 15m0s.
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
