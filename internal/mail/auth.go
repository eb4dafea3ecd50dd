package mail

import (
	"errors"
	"slices"
	"strings"

	"github.com/wneessen/go-mail/smtp"
)

// authAuto is the best mechanism that both sides have.
const authAuto = "auto"

// errNoMechanism: what is offered would send the password in the clear, or is
// unknown to us.
var (
	errNoMechanism = errors.New("the mail server offers no mechanism of authentication that can be used here; none that sends the password is used without TLS")
	errNoAuth      = errors.New("the mail server does not offer authentication, and mail.smtp.username is set")
)

// mechanisms are those of auto, best first. Two show the password to the
// server, and therefore need TLS.
var mechanisms = []string{"scram-sha-256", "plain", "login", "cram-md5"}

func (t *talk) authenticate() (string, error) {
	c := t.smtp
	if c.Username == "" {
		return "", nil
	}
	offered, list := t.client.Extension("AUTH")
	if !offered {
		return "", errNoAuth
	}
	private := t.private()
	has := strings.Fields(strings.ToLower(list))
	usable := func(mechanism string) bool {
		return slices.Contains(has, mechanism) && (private || mechanism == "cram-md5" || mechanism == "scram-sha-256")
	}
	mechanism := c.Auth
	if mechanism == authAuto {
		if i := slices.IndexFunc(mechanisms, usable); i >= 0 {
			mechanism = mechanisms[i]
		}
	}
	if !usable(mechanism) {
		return "", errNoMechanism
	}
	if err := t.client.Auth(c.mechanism(mechanism)); err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	return mechanism, nil
}

// private says that nobody between us and the server can listen.
func (t *talk) private() bool {
	_, encrypted := t.client.TLSConnectionState()
	return encrypted || isLoopback(t.smtp.Host)
}

// mechanism is only asked for what may be used: see usable.
func (c SMTP) mechanism(name string) smtp.Auth {
	switch name {
	case "plain":
		return smtp.PlainAuth("", c.Username, c.Password, c.Host, true)
	case "login":
		return smtp.LoginAuth(c.Username, c.Password, c.Host, true)
	case "cram-md5":
		return smtp.CRAMMD5Auth(c.Username, c.Password)
	case "xoauth2":
		return smtp.XOAuth2Auth(c.Username, c.Password)
	default:
		return smtp.ScramSHA256Auth(c.Username, c.Password)
	}
}
