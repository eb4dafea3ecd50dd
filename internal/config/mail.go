package config

import (
	"time"

	"github.com/fluxbase/fluxbase/internal/config/rule"
)

// Mail is the section mail.
type Mail struct {
	// From is "Name <address>" or an address; needed when SMTP.Host is set. Empty by default.
	From string `key:"from" check:"mailbox" example:"Example <no-reply@example.com>" doc:"Whom messages come from: a name and an address, or an address. Needed when mail.smtp.host is set; the mail server has to let you send as it."`
	// ReplyTo is written like From; empty, which is From, by default.
	ReplyTo string `key:"reply_to" check:"mailbox" example:"Support <help@example.com>" doc:"Where answers go. When empty, to mail.from."`
	// Locale is of messages that name none; default en.
	Locale string `key:"locale" default:"en" check:"locale" doc:"The language of messages to people whose own is unknown, or that there are no templates in. en and de are built in."`
	// TemplatesDir holds templates that win over the built-in ones; empty, none, by default.
	TemplatesDir string `key:"templates_dir" example:"/etc/fluxbase/mail" doc:"A folder of templates that win over the built-in ones: KIND.html, KIND.txt, KIND.subject, and LOCALE/KIND.html and so on. See docs/mail.md."`
	// Retention is 1h to 87600h; default 720h (30 days).
	Retention time.Duration `key:"retention" default:"720h" min:"1h" max:"87600h" doc:"How long the record of a message is kept: its recipient, kind and fate. What it says is destroyed as soon as it is sent."`

	SMTP SMTP `key:"smtp" doc:"The mail server. Without one, messages go to the mailbox at /dev/mail in development, and fail elsewhere."`
}

// SMTP is the section mail.smtp.
type SMTP struct {
	// Host is a name or an address; empty, no mail server, by default.
	Host string `key:"host" check:"host" example:"smtp.example.com" doc:"The name of the mail server, as its certificate has it."`
	// Port is 0 to 65535; default 0, which is 465 for tls and 587 for the rest.
	Port int `key:"port" default:"0" min:"0" max:"65535" doc:"Its port; 0 is 465 for tls, and 587 otherwise."`
	// Username is empty, no authentication, by default.
	Username string `key:"username" example:"apikey" doc:"Who we are to the mail server. When empty, there is no authentication."`
	// Password is needed with Username; empty by default.
	Password Secret `key:"password" secret:"all" example:"${SMTP_PASSWORD}" doc:"The password of that user; for xoauth2 the token."`
	// Security is starttls, tls, opportunistic or none; default starttls. None outside development is only for this machine.
	Security string `key:"security" default:"starttls" enum:"starttls|tls|opportunistic|none" doc:"starttls begins in the clear and refuses to go on without TLS; tls is encrypted from the start; opportunistic goes on in the clear, without credentials, where the server cannot do TLS; none does not encrypt, which outside development is only accepted for a server on this machine."`
	// Auth is auto, plain, login, cram-md5, scram-sha-256 or xoauth2; default auto.
	Auth string `key:"auth" default:"auto" enum:"auto|plain|login|cram-md5|scram-sha-256|xoauth2" doc:"The mechanism of authentication; auto is the best of those that the server offers. None that shows the password is used without TLS, except to this machine."`
	// CAFile is a PEM file; empty, the authorities of the system, by default.
	CAFile string `key:"ca_file" example:"/etc/ssl/certs/mail.pem" doc:"A PEM file of the authority that signed the mail server's certificate. When empty, the authorities of the system count."`
	// Hello is the name given to the mail server; empty, the host of public_url, by default.
	Hello string `key:"hello" check:"host" example:"api.example.com" doc:"The name that we give to the mail server. When empty, the host of public_url."`
	// ConnectTimeout is 100ms to 1m; default 10s.
	ConnectTimeout time.Duration `key:"connect_timeout" default:"10s" min:"100ms" max:"1m" doc:"How long connecting may take."`
	// Timeout is 500ms to 5m; default 30s.
	Timeout time.Duration `key:"timeout" default:"30s" min:"500ms" max:"5m" doc:"How long a whole conversation may take, from connecting to the server's yes."`
}

// mailNeeds names what is missing to use the mail server.
func (c *Config) mailNeeds() []Problem {
	var problems []Problem
	need := func(key, detail string) {
		problems = append(problems, Problem{Place: c.place(key), Key: key, Detail: detail})
	}
	m := c.Mail
	if m.SMTP.Host != "" && m.From == "" {
		need("mail.from", "is not set: mail.smtp.host is, and messages have to come from somebody")
	}
	if m.SMTP.Username != "" && m.SMTP.Password == "" {
		need("mail.smtp.password", "is not set: mail.smtp.username is")
	}
	if m.SMTP.Username == "" && m.SMTP.Password != "" {
		need("mail.smtp.username", "is not set: mail.smtp.password is")
	}
	return problems
}

func (c *Config) validateMail(refuse func(key, detail string)) {
	if s := c.Mail.SMTP; s.Host != "" && s.Security == "none" && !rule.IsLoopback(s.Host) {
		refuse("mail.smtp.security", "is none, and the mail server is not on this machine")
	}
	if c.Auth.EmailVerification == "required" && c.Mail.SMTP.Host == "" {
		refuse("auth.email_verification", "is required, and mail.smtp.host is not set: set it, or nobody can confirm an address")
	}
}
