package rule

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// reserved are the fields that say how an answer is to be read, or that the
// server has to get right for each: none of them secures anything by being the
// same on all. Those of CORS are server.cors.
var reserved = []string{
	"Alt-Svc", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Location", "Content-Range", "Content-Type", "Date", "Etag",
	"Host", "Keep-Alive", "Last-Modified", "Location", "Proxy-Authenticate", "Proxy-Connection", "Proxy-Status", "Retry-After", "Set-Cookie", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Vary", "Www-Authenticate", "X-Request-Id",
}

// checkHeaders also brings the names into their canonical form.
func checkHeaders(value any) error {
	headers, _ := value.(map[string]string)
	for name, text := range headers {
		if !isToken(name) {
			return errors.New("has a name that is not that of a header")
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if slices.Contains(reserved, canonical) || strings.HasPrefix(canonical, "Access-Control-") {
			return fmt.Errorf("has %s, which the server sets itself where it belongs", canonical)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
			return fmt.Errorf("has a character in the value of %s that is not printable ASCII", name)
		}
		if canonical == name {
			continue
		}
		if _, twice := headers[canonical]; twice {
			return fmt.Errorf("has %s twice, in different case", canonical)
		}
		delete(headers, name)
		headers[canonical] = text
	}
	return nil
}

func isToken(name string) bool {
	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return name != ""
}

// checkDomains wants names that an authority proves by asking them: no wildcard,
// and no address.
func checkDomains(value any) error {
	const maxName = 253
	domains, _ := value.([]string)
	for i, domain := range domains {
		_, err := netip.ParseAddr(domain)
		if err == nil || len(domain) > maxName || strings.ContainsAny(domain, "[]_") || !strings.Contains(domain, ".") || !hostName.MatchString(domain) {
			return fmt.Errorf("must be names such as api.example.com, in lower case and ASCII, without wildcards (element %d)", i+1)
		}
		if slices.Contains(domains[:i], domain) {
			return fmt.Errorf("has a name twice (element %d)", i+1)
		}
	}
	return nil
}

// checkContact wants an address that can stand in a mailto URL.
func checkContact(value any) error {
	text, _ := value.(string)
	if parsed, err := netmail.ParseAddress(text); text != "" && (err != nil || parsed.Address != text || strings.ContainsAny(text, "\"?,% ") || !isASCII(text)) {
		return errors.New("must be an address, such as operators@example.com")
	}
	return nil
}

func checkDirectoryURL(value any) error {
	text, _ := value.(string)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") || checkWord(text) != nil {
		return errors.New("must be an https URL, without user, query or fragment")
	}
	return nil
}
