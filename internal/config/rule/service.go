package rule

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

var (
	errWord     = errors.New("must be one word of printable ASCII, without spaces")
	errEndpoint = errors.New("must be an http or https URL such as https://vault.example.com:8200, without user, query or fragment")
	errWebhook  = errors.New("must be an https URL without user or fragment; in development, http to this machine will do")
	errWhsec    = errors.New("must be whsec_ and the base64 of 24 to 64 random bytes: (printf whsec_; openssl rand -base64 32)")

	region = regexp.MustCompile(`^[a-z0-9-]{0,63}$`)
	mount  = regexp.MustCompile(`^[\w.-]+(?:/[\w.-]+)*$`)
)

// checkWord is for what is put into the header or the path of a request.
func checkWord(value any) error {
	if strings.ContainsFunc(reflect.ValueOf(value).String(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errWord
	}
	return nil
}

func checkRegion(value any) error {
	if text, _ := value.(string); !region.MatchString(text) {
		return errors.New("must be the name of a region, such as eu-central-1")
	}
	return nil
}

func checkMount(value any) error {
	text, _ := value.(string)
	if !mount.MatchString(text) || strings.Contains("/"+text+"/", "/../") || strings.Contains("/"+text+"/", "/./") {
		return errors.New("must be a path such as transit or team/transit, without a slash at either end")
	}
	return nil
}

func checkEndpoint(value any) error {
	text, _ := value.(string)
	if u, ok := webURL(text); text != "" && (!ok || u.RawQuery != "" || u.ForceQuery) {
		return errEndpoint
	}
	return nil
}

// checkBreachURL is checkEndpoint for a key that is never empty.
func checkBreachURL(value any) error {
	if value == "" {
		return errEndpoint
	}
	return checkEndpoint(value)
}

func checkWebhook(value any) error {
	secret, _ := value.(setting.Secret)
	text := secret.Reveal()
	u, ok := webURL(text)
	if text == "" || ok && (u.Scheme == "https" || IsLoopback(u.Hostname())) {
		return nil
	}
	return errWebhook
}

// webURL parses an absolute http or https URL that has no user and no fragment.
func webURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	isWeb := strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
	if err != nil || checkWord(text) != nil || !isWeb {
		return nil, false
	}
	port := u.Port()
	hasPort := strings.HasSuffix(u.Host, ":"+port)
	ok := u.Hostname() != "" && u.User == nil && u.Opaque == "" && !strings.Contains(text, "#") && (!hasPort || port != "0" && isPort(port))
	return u, ok
}

// IsLoopback says whether a host, by name or address, is this machine.
func IsLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// checkWebhookSecret is the form of a symmetric secret of Standard Webhooks.
func checkWebhookSecret(value any) error {
	secret, _ := value.(setting.Secret)
	if secret == "" {
		return nil
	}
	encoded, ok := strings.CutPrefix(secret.Reveal(), "whsec_")
	key, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(encoded, "="))
	if !ok || err != nil || strings.ContainsAny(encoded, "\r\n") || len(key) < 24 || len(key) > 64 {
		return errWhsec
	}
	return nil
}
