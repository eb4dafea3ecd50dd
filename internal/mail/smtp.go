package mail

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Security says how a conversation is kept private.
type Security string

// The securities. What is asked for is never given up silently: only
// opportunistic goes on in the clear, and then without credentials.
const (
	StartTLS      Security = "starttls"      // begins in the clear, and ends there if the server cannot do TLS
	ImplicitTLS   Security = "tls"           // TLS from the first byte
	Opportunistic Security = "opportunistic" // STARTTLS if the server offers it
	Clear         Security = "none"          // for a server on this machine
)

// SMTP is the mail server that takes messages. The zero value of a field means
// its default.
type SMTP struct {
	Host           string // empty: there is none
	Port           int    // default 465 for tls, otherwise 587
	Username       string // empty: without authentication
	Password       string
	Security       Security       // default starttls
	Auth           string         // auto, plain, login, cram-md5, scram-sha-256 or xoauth2; default auto
	Hello          string         // the name that we give; default localhost
	RootCAs        *x509.CertPool // default those of the system
	ConnectTimeout time.Duration  // default 10 s
	Timeout        time.Duration  // of the whole conversation; default 30 s

	// Dial opens the connection; default that of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c SMTP) withDefaults() SMTP {
	c.Security = cmp.Or(c.Security, StartTLS)
	if c.Port == 0 && c.Security == ImplicitTLS {
		c.Port = 465
	}
	c.Port = cmp.Or(c.Port, 587)
	c.Auth = cmp.Or(c.Auth, authAuto)
	c.Hello = cmp.Or(c.Hello, "localhost")
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	return c
}

func (c SMTP) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// sender has conversations with the mail server.
type sender struct {
	smtp    SMTP
	from    netmail.Address
	replyTo *netmail.Address
}

func newSender(c Config) (sender, error) {
	s := sender{smtp: c.SMTP.withDefaults(), from: netmail.Address{Address: "fluxbase@localhost"}}
	if c.From != "" {
		from, err := netmail.ParseAddress(c.From)
		if err != nil || !plainAddress(from.Address) {
			return s, errors.New("mail.from is not an address, such as Example <mail@example.com>")
		}
		s.from = *from
	}
	if c.ReplyTo != "" {
		replyTo, err := netmail.ParseAddress(c.ReplyTo)
		if err != nil || !plainAddress(replyTo.Address) {
			return s, errors.New("mail.reply_to is not an address, such as Support <help@example.com>")
		}
		s.replyTo = replyTo
	}
	return s, nil
}

// domain is that of the sender's address.
func (s sender) domain() string {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	return domain
}

// compose writes a message. Whatever its parts hold, no line of theirs becomes a
// field of its header.
func (s sender) compose(r record, l letter) ([]byte, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&s.from)
	m.ToMailAddress(&netmail.Address{Address: r.recipient})
	if s.replyTo != nil {
		m.ReplyToMailAddress(s.replyTo)
	}
	m.Subject(oneLine(l.subject))
	m.SetMessageIDWithValue(r.messageID)
	m.SetDateWithValue(r.createdAt)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: vacation programs do not answer
	m.SetBodyString(gomail.TypeTextPlain, l.text)
	m.AddAlternativeString(gomail.TypeTextHTML, l.html)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("writing the message: %w", err)
	}
	return b.Bytes(), nil
}

// refusal is the error of one step of a conversation.
type refusal struct {
	step Step
	err  error
}

func (r *refusal) Error() string { return string(r.step) + ": " + r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Step is a step of a conversation.
type Step string

// The steps, in their order.
const (
	Connecting     Step = "connecting"
	Greeting       Step = "waiting for the greeting"
	Encrypting     Step = "starting TLS"
	Authenticating Step = "authenticating"
	NamingSender   Step = "naming the sender"
	NamingReceiver Step = "naming the recipient"
	Submitting     Step = "submitting the message"
)

// permanent says that another attempt would end like this one.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// isPermanent says whether an attempt was the last. Of the mail server's
// refusals only those are that are about this message (RFC 5321, section 4.2.1):
// credentials that it does not take today it may take once they are mended.
func isPermanent(err error) bool {
	if _, ok := errors.AsType[permanent](err); ok {
		return true
	}
	r, isRefusal := errors.AsType[*refusal](err)
	code := replyCode(err)
	if !isRefusal || code < 500 || code > 599 {
		return false
	}
	return r.step == NamingSender || r.step == NamingReceiver || r.step == Submitting
}

// send has one conversation, about one message. Report, if there is one, hears of
// each step that has succeeded. It ends at the time-out of the whole, however slowly the server
// goes on.
func (s sender) send(ctx context.Context, r record, l letter, report func(Step, string)) error {
	message, err := s.compose(r, l)
	if err != nil {
		return permanent{err}
	}
	return s.converse(ctx, report, func(t *talk) []exchange { return t.delivery(r.recipient, message) })
}

// converse has one conversation that has parts after the introduction.
func (s sender) converse(ctx context.Context, report func(Step, string), further func(*talk) []exchange) error {
	if report == nil {
		report = func(Step, string) {}
	}
	ctx, cancel := context.WithTimeout(ctx, s.smtp.Timeout)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return &refusal{Connecting, err}
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	report(Connecting, conn.RemoteAddr().String())
	t := &talk{sender: s, report: report}
	err = t.run(ctx, conn, further)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = &refusal{t.step, fmt.Errorf("the mail server took too long (mail.smtp.timeout is %s): %w", s.smtp.Timeout, ctx.Err())}
	}
	return err
}

func (s sender) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.smtp.ConnectTimeout)
	defer cancel()
	return s.smtp.Dial(ctx, "tcp", s.smtp.address())
}

func (s sender) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.smtp.Host, RootCAs: s.smtp.RootCAs, MinVersion: tls.VersionTLS12}
}

// talk is one conversation.
type talk struct {
	sender

	report func(Step, string)
	step   Step
	client *smtp.Client
}

// exchange is a step and how it is taken.
type exchange struct {
	step Step
	do   func() (string, error)
}

// delivery hands a message over.
func (t *talk) delivery(to string, message []byte) []exchange {
	return []exchange{
		{NamingSender, func() (string, error) { return t.from.Address, t.client.Mail("<" + t.from.Address + ">") }},
		{NamingReceiver, func() (string, error) { return to, t.client.Rcpt("<" + to + ">") }},
		{Submitting, func() (string, error) { return t.submit(message) }},
	}
}

func (t *talk) run(ctx context.Context, conn net.Conn, further func(*talk) []exchange) error {
	for _, p := range append([]exchange{
		{Encrypting, func() (string, error) { return t.implicitTLS(ctx, &conn) }},
		{Greeting, func() (string, error) { return t.greet(conn) }},
		{Encrypting, t.startTLS},
		{Authenticating, t.authenticate},
	}, further(t)...) {
		t.step = p.step
		said, err := p.do()
		if err != nil {
			return &refusal{p.step, err}
		}
		if said != "" {
			t.report(p.step, said)
		}
	}
	t.quit(conn)
	return nil
}

func (t *talk) implicitTLS(ctx context.Context, conn *net.Conn) (string, error) {
	if t.smtp.Security != ImplicitTLS {
		return "", nil
	}
	secured := tls.Client(*conn, t.tlsConfig())
	if err := secured.HandshakeContext(ctx); err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	*conn = secured
	return describeTLS(secured.ConnectionState()), nil
}

func (t *talk) greet(conn net.Conn) (string, error) {
	client, err := smtp.NewClient(conn, t.smtp.Host)
	if err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	client.SkipSMTPUTF8(true) // addresses are ASCII
	t.client = client
	return t.smtp.Host, client.Hello(t.smtp.Hello)
}

// errNoStartTLS also ends an attempt to make us go on in the clear by hiding the
// offer.
var errNoStartTLS = errors.New("the mail server does not offer STARTTLS, and nothing is sent in the clear")

func (t *talk) startTLS() (string, error) {
	if t.smtp.Security == ImplicitTLS || t.smtp.Security == Clear {
		return "", nil
	}
	if offered, _ := t.client.Extension("STARTTLS"); !offered {
		if t.smtp.Security == Opportunistic && (t.smtp.Username == "" || isLoopback(t.smtp.Host)) {
			return "", nil
		}
		return "", errNoStartTLS
	}
	if err := t.client.StartTLS(t.tlsConfig()); err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	state, _ := t.client.TLSConnectionState()
	return describeTLS(state), nil
}

func describeTLS(state tls.ConnectionState) string {
	said := tls.VersionName(state.Version)
	if len(state.PeerCertificates) > 0 {
		said += ", certificate valid until " + state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly)
	}
	return said
}

func (t *talk) submit(message []byte) (string, error) {
	w, err := t.client.Data()
	if err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	if _, err := w.Write(message); err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	if err := w.Close(); err != nil {
		return "", err //nolint:wrapcheck // wrapped by the caller
	}
	said := ""
	if d, ok := w.(*smtp.DataCloser); ok {
		said = d.ServerResponse()
	}
	return cmp.Or(oneLine(said), "accepted"), nil
}

// quit takes leave. What was to be done is done, so nothing that happens here
// matters, and nothing is waited for.
func (t *talk) quit(conn net.Conn) {
	_, _ = t.client.Text.W.WriteString("QUIT\r\n")
	_ = t.client.Text.W.Flush()
	_ = conn.Close()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
