package rule

import (
	"errors"
	netmail "net/mail"
	"regexp"
	"strings"
)

var locale = regexp.MustCompile(`^[a-zA-Z]{2,3}([-_][a-zA-Z0-9]{2,8}){0,3}$`)

func checkLocale(value any) error {
	if text, _ := value.(string); !locale.MatchString(text) {
		return errors.New("must be a language tag, such as en or pt-BR")
	}
	return nil
}

func checkMailbox(value any) error {
	text, _ := value.(string)
	if text == "" {
		return nil
	}
	parsed, err := netmail.ParseAddress(text)
	if err != nil || strings.ContainsAny(parsed.Address, "\" \t") || strings.Count(parsed.Address, "@") != 1 || !isASCII(parsed.Address) {
		return errors.New("must be an address, or a name and an address, such as Example <mail@example.com>")
	}
	return nil
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// checkHost takes a name or an address, without a port.
func checkHost(value any) error {
	text, _ := value.(string)
	if text == "" || isASCII(text) && !strings.ContainsAny(text, " /@[]") && (strings.Count(text, ":") == 0 || strings.Count(text, ":") > 1) {
		return nil
	}
	return errors.New("must be the name or the address of a machine, without a port: smtp.example.com")
}
