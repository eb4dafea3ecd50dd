package rule

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

var errPublicURL = errors.New("must be an http or https URL of scheme, host and port only, in lower case, such as https://api.example.com: no user, path, trailing slash, query or fragment")

func checkPublicURL(value any) error {
	text, _ := value.(string)
	if text == "" {
		return nil
	}
	if scheme, ok := originScheme(text); !ok || scheme != "http" && scheme != "https" {
		return errPublicURL
	}
	return nil
}

func checkOrigins(value any) error {
	origins, _ := value.([]string)
	for i, origin := range origins {
		if origin == "*" && len(origins) == 1 {
			continue
		}
		if _, ok := originScheme(origin); !ok {
			return fmt.Errorf("must be exact origins, as a browser sends them, such as https://app.example.com or http://localhost:3000: lower case, no path or trailing slash, no usual port, no wildcard (element %d)", i+1)
		}
		if slices.Contains(origins[:i], origin) {
			return fmt.Errorf("has an origin twice (element %d)", i+1)
		}
	}
	return nil
}

var hostName = regexp.MustCompile(`^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$`)

// originScheme reports whether text is exactly a serialised origin (RFC 6454,
// section 6.1) and returns its scheme.
func originScheme(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme+"://"+u.Host != text {
		return "", false
	}
	host, port := u.Host, u.Port()
	if port != "" {
		host = strings.TrimSuffix(host, ":"+port)
		usual := u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
		if usual || port == "0" || !isPort(port) {
			return "", false
		}
	}
	return u.Scheme, hostName.MatchString(host)
}

var errDatabaseURL = errors.New("must be a URL such as postgres://user:password@host:5432/database, with special characters of the password percent-encoded")

func checkDatabaseURL(value any) error {
	secret, _ := value.(setting.Secret)
	if secret == "" {
		return nil
	}
	_, err := parseDatabaseURL(secret.Reveal())
	return err
}

// parseDatabaseURL refuses every URL of which a part of the password, written
// without percent-encoding, could have been taken for something else.
func parseDatabaseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || u.Fragment != "" {
		return nil, errDatabaseURL
	}
	path := u.EscapedPath()
	if strings.Contains(path+u.RawQuery, "@") || strings.LastIndexByte(path, '/') > 0 {
		return nil, errDatabaseURL
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, errDatabaseURL
	}
	return u, nil
}

// openParameters are the connection parameters whose value is no secret.
var openParameters = []string{
	"application_name", "connect_timeout", "dbname", "host", "port", "search_path", "sslmode", "sslrootcert", "target_session_attrs", "user",
}

// RedactURL shows a database URL without its password and without parameters
// that it does not know.
func RedactURL(text string) string {
	u, err := parseDatabaseURL(text)
	if err != nil {
		return setting.Redacted
	}
	out := u.Scheme + "://"
	if u.User != nil {
		out += url.User(u.User.Username()).String()
		if _, has := u.User.Password(); has {
			out += ":" + setting.Redacted
		}
		out += "@"
	}
	out += u.Host + u.EscapedPath()
	separator := "?"
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if pair == "" {
			continue
		}
		if name, _, _ := strings.Cut(pair, "="); !slices.Contains(openParameters, name) {
			pair = setting.Redacted
		}
		out += separator + pair
		separator = "&"
	}
	return out
}

// RedactRedisURL shows the URL of a Redis without its user and password: some
// write the password where the user belongs.
func RedactRedisURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || checkRedisURL(setting.Secret(text)) != nil {
		return setting.Redacted
	}
	out := u.Scheme + "://"
	if u.User != nil {
		out += setting.Redacted + "@"
	}
	return out + u.Host + u.Path
}

// OriginOf shows a URL that may hold a secret anywhere but in its scheme, host
// and port.
func OriginOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return setting.Redacted
	}
	origin := u.Scheme + "://" + u.Host
	if text == origin || text == origin+"/" {
		return text
	}
	return origin + "/" + setting.Redacted
}

// checkSyslogURL wants a server by name and port, or a socket by its path.
func checkSyslogURL(value any) error {
	text, _ := value.(string)
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err == nil && checkWord(text) == nil && u.User == nil && u.RawQuery == "" && !strings.ContainsAny(text, "?#") {
		switch u.Scheme {
		case "unix":
			if u.Host == "" && strings.HasPrefix(u.Path, "/") {
				return nil
			}
		case "udp", "tcp", "tls":
			if u.Hostname() != "" && u.Port() != "0" && u.Port() != "" && isPort(u.Port()) && u.Path == "" {
				return nil
			}
		}
	}
	return errors.New("must be tls://HOST:PORT, tcp://HOST:PORT, udp://HOST:PORT or unix:///PATH")
}
