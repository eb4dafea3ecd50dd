// Package mailtest is a mail server for tests: real SMTP on loopback, with
// certificates of its own, that takes, refuses, delays or ignores what it is
// told to.
package mailtest

import (
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/fluxbase/fluxbase/internal/leaktest"
)

// The ways of a server to encrypt.
const (
	None     = "none" // it does not offer STARTTLS
	StartTLS = "starttls"
	Implicit = "tls"
)

// Options say how a server behaves. Functions are called with the number of the
// call, from 1 on; a nil one takes everything.
type Options struct {
	Address  string // to listen on; empty: a free port of 127.0.0.1
	Security string // empty: None
	User     string // empty: it does not offer authentication
	Password string
	Clear    bool // it takes passwords without TLS
	Sender   func(n int) error
	Receiver func(n int) error
	Data     func(n int, message string) error // after the message has been read
	Names    []string                          // of the certificate; empty: localhost and 127.0.0.1
	Expired  bool                              // the certificate
}

// Message is a message that was taken.
type Message struct {
	From, To, User string
	TLS            bool
	Text           string // as it came
}

// Header returns a field of the message's header, decoded.
func (m Message) Header(t *testing.T, name string) string {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(m.Text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header.Get(name)
}

// Server is a running mail server.
type Server struct {
	*Authority

	Host     string
	Port     int
	Received chan Message // those that were taken; room for 1000

	LogIns    atomic.Int64 // credentials that were shown, right or wrong
	Submitted atomic.Int64 // messages that were read to their end, taken or not

	options             Options
	senders, recipients atomic.Int64
}

// New runs a server until the test ends.
func New(t *testing.T, o Options) *Server {
	t.Helper()
	s := &Server{Authority: NewAuthority(t), options: o, Received: make(chan Message, 1000)}
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain, server.AllowInsecureAuth = "mail.test", o.Clear
	server.ErrorLog = silent{}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	var l net.Listener
	var err error
	l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", o.Address)
	if err != nil {
		t.Fatal(err)
	}
	if o.Security == StartTLS {
		server.TLSConfig = s.Config(t, o.Expired, o.Names...)
	}
	if o.Security == Implicit {
		l = s.listener(t, l)
	}
	address := l.Addr().(*net.TCPAddr)
	s.Host, s.Port = address.IP.String(), address.Port
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// Next waits for a message.
func (s *Server) Next(t *testing.T) Message {
	t.Helper()
	select {
	case m := <-s.Received:
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("no message arrives")
		return Message{}
	}
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *Server
	conn   *smtp.Conn
	m      Message
}

func (s *session) AuthMechanisms() []string {
	if s.server.options.User == "" {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		s.server.LogIns.Add(1)
		if user != s.server.options.User || password != s.server.options.Password {
			return smtp.ErrAuthFailed
		}
		s.m.User = user
		return nil
	}
	if mechanism == sasl.Login {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// login is the server's side of LOGIN.
type login struct {
	check func(user, password string) error
	user  *string
	asked bool
}

// Next implements sasl.Server.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	switch text := string(response); {
	case !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.user == nil:
		l.user = &text
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(*l.user, text)
	}
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.m.From = from
	if s.server.options.User != "" && s.m.User == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if f := s.server.options.Sender; f != nil {
		return f(int(s.server.senders.Add(1)))
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.m.To = to
	if f := s.server.options.Receiver; f != nil {
		return f(int(s.server.recipients.Add(1)))
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return errors.New("reading")
	}
	s.m.Text = string(text)
	leaktest.Mail(s.m.To, strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(s.m.Text)) // quoted-printable
	_, s.m.TLS = s.conn.TLSConnectionState()
	s.m.TLS = s.m.TLS || s.server.options.Security == Implicit
	n := int(s.server.Submitted.Add(1))
	if f := s.server.options.Data; f != nil {
		if err := f(n, s.m.Text); err != nil {
			return err
		}
	}
	s.server.Received <- s.m
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// Refusal is an answer of a server that does not take something.
func Refusal(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// Mute runs a server that talks no SMTP until the test ends: talk has each
// connection, which is closed when it returns.
func Mute(t *testing.T, talk func(net.Conn)) (host string, port int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				talk(conn)
			}()
		}
	}()
	address := l.Addr().(*net.TCPAddr)
	return address.IP.String(), address.Port
}
