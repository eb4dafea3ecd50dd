package rule

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

const (
	maxRate   = 1000000
	minWindow = time.Second
	maxWindow = 24 * time.Hour
)

var errRate = errors.New("must be a number and a window, such as 60/5m, or none: 1 to 1000000 in 1s to 24h")

// ParseRate reads 60/5m, or none, which is 0 and 0.
func ParseRate(text string) (limit int, window time.Duration, err error) {
	if text == "none" {
		return 0, 0, nil
	}
	number, length, _ := strings.Cut(text, "/")
	n, err := setting.ParseInt(number)
	if err != nil || n < 1 || n > maxRate {
		return 0, 0, errRate
	}
	window, err = time.ParseDuration(length)
	if err != nil || window < minWindow || window > maxWindow {
		return 0, 0, errRate
	}
	return int(n), window, nil
}

func checkRate(value any) error {
	text, _ := value.(string)
	_, _, err := ParseRate(text)
	return err
}

func checkRedisURL(value any) error {
	text, _ := value.(setting.Secret)
	u, err := url.Parse(text.Reveal())
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.Fragment != "" || u.RawQuery != "" ||
		u.Port() != "" && !isPort(u.Port()) || !isDatabase(strings.Trim(u.Path, "/")) {
		return errors.New("must be redis://HOST:PORT/DATABASE or rediss://..., with a user and a password before the host or without")
	}
	return nil
}

// isDatabase says whether text is the number of a database of Redis, or nothing.
func isDatabase(text string) bool {
	n, err := setting.ParseInt(text)
	return text == "" || err == nil && n >= 0
}
