package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// replyCode is the code that the mail server refused with; 0 if it did not.
func replyCode(err error) int {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Code
	}
	return 0
}

// maxReason is the longest reason that is kept, in characters.
const maxReason = 300

// scrub makes what a mail server has said fit to be kept and logged: one line,
// without addresses, links, and whatever the message says that works only once,
// all of which servers like to repeat.
func scrub(text string, v Vars) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	secrets := secretsOf(v)
	words := strings.Fields(text)
	for i, word := range words {
		hidden := strings.Contains(word, "://") || strings.Contains(word, "@")
		for _, secret := range secrets {
			hidden = hidden || strings.Contains(word, secret)
		}
		if hidden {
			words[i] = "[…]"
		}
	}
	text = strings.Join(words, " ")
	if runes := []rune(text); len(runes) > maxReason {
		text = string(runes[:maxReason-1]) + "…"
	}
	return text
}

// secretsOf are the values that give access to something.
func secretsOf(v Vars) []string {
	candidates := []string{v.Token, v.TokenHash}
	if u, err := url.Parse(v.ConfirmationURL); err == nil {
		candidates = append(candidates, u.Fragment)
		for _, values := range u.Query() {
			candidates = append(candidates, values...)
		}
	}
	var secrets []string
	for _, c := range candidates {
		if len(c) >= 4 {
			secrets = append(secrets, c)
		}
	}
	return secrets
}

// Advise says in a sentence what to do about an error of Test; empty if the
// error says it all.
func Advise(err error, c SMTP) string {
	c = c.withDefaults()
	for _, advise := range []func(error, SMTP) string{adviseTLS, adviseNetwork, adviseReply} {
		if advice := advise(err, c); advice != "" {
			return advice
		}
	}
	return ""
}

func adviseTLS(err error, _ SMTP) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "The port does not speak TLS from the start. Port 587 wants mail.smtp.security: starttls; tls is for port 465."
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "The certificate is of an authority that this machine does not know. If it is your own, name its file in mail.smtp.ca_file."
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "The certificate is for another name. mail.smtp.host has to be the name that the certificate is for."
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "The certificate is not valid: it may have expired. Renew it at the mail server, and check the clocks."
	}
	switch {
	case errors.Is(err, errNoStartTLS):
		return "Check that the port is the one for submission (587). If the server does TLS from the start, set mail.smtp.security: tls and port 465. If there is a proxy or virus scanner in between, it may hide the offer."
	case errors.Is(err, errNoAuth), errors.Is(err, errNoMechanism):
		return "Check that the port is the one for submission (587 or 465), and mail.smtp.auth. Without credentials leave mail.smtp.username empty."
	}
	return ""
}

func adviseNetwork(err error, c SMTP) string {
	r, _ := errors.AsType[*refusal](err)
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "There is no machine of that name. Check mail.smtp.host."
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "Nothing listens there. Check mail.smtp.host and mail.smtp.port: 587 for starttls, 465 for tls."
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
		switch {
		case r != nil && r.step == Connecting:
			return "Nothing answers there. A firewall may be in between: many providers block port 25; try 587 or 465."
		case r != nil && r.step == Greeting && c.Security != ImplicitTLS:
			return "The port is open and says nothing. Port 465 waits for TLS from the start: set mail.smtp.security: tls."
		}
		return "The server stopped answering. Try again; if it is slow, raise mail.smtp.timeout."
	}
	return ""
}

func adviseReply(err error, _ SMTP) string {
	r, ok := errors.AsType[*refusal](err)
	code := replyCode(err)
	if !ok || code == 0 {
		return ""
	}
	switch {
	case r.step == Authenticating && code/100 == 5:
		return "The mail server refused the credentials. Check mail.smtp.username and mail.smtp.password; many providers want a password made for applications."
	case code == 530:
		return "The mail server wants credentials: set mail.smtp.username and mail.smtp.password."
	case r.step == NamingSender && code/100 == 5:
		return "The mail server does not let this account send as mail.from. Use an address that belongs to it."
	case r.step == NamingReceiver && code/100 == 5:
		return "The mail server does not take mail to this address. Check it; if it is another domain's, the server may want credentials first."
	case code/100 == 4:
		return "The mail server refuses for now. Such messages are tried again by themselves."
	}
	return ""
}
