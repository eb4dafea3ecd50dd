package mail_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

const user, password = "postmaster", "correct horse"

// TestConversations has one conversation of each sort with a server that takes
// the message, or is not to be trusted with it.
func TestConversations(t *testing.T) {
	t.Parallel()
	none, starttls, implicit := mailtest.Options{Security: mailtest.None}, mailtest.Options{Security: mailtest.StartTLS}, mailtest.Options{Security: mailtest.Implicit}
	credentials := func(o mailtest.Options) mailtest.Options {
		o.User, o.Password = user, password
		return o
	}
	clear := func(o mailtest.Options) mailtest.Options {
		o = credentials(o)
		o.Clear = true
		return o
	}
	named := func(o mailtest.Options, names ...string) mailtest.Options {
		o.Names = names
		return o
	}
	expired := starttls
	expired.Expired = true
	logIn := func(c *mail.SMTP) { c.Username, c.Password = user, password }
	// elsewhere has the server on another machine, to the client's knowledge.
	elsewhere := func(c *mail.SMTP) { c.Host = "mail.example.com" }
	tests := map[string]struct {
		server   mailtest.Options
		security mail.Security
		change   []func(*mail.SMTP)
		fails    string // "" if the message is taken
		logIns   int64
		tls      bool
	}{
		"starttls":                {starttls, mail.StartTLS, nil, "", 0, true},
		"starttls by default":     {starttls, "", nil, "", 0, true},
		"tls":                     {implicit, mail.ImplicitTLS, nil, "", 0, true},
		"none":                    {none, mail.Clear, nil, "", 0, false},
		"opportunistic with":      {starttls, mail.Opportunistic, nil, "", 0, true},
		"opportunistic without":   {none, mail.Opportunistic, nil, "", 0, false},
		"plain":                   {credentials(starttls), mail.StartTLS, []func(*mail.SMTP){logIn}, "", 1, true},
		"plain, tls":              {credentials(implicit), mail.ImplicitTLS, []func(*mail.SMTP){logIn}, "", 1, true},
		"login":                   {credentials(starttls), mail.StartTLS, []func(*mail.SMTP){logIn, func(c *mail.SMTP) { c.Auth = "login" }}, "", 1, true},
		"elsewhere":               {named(credentials(starttls), "mail.example.com"), mail.StartTLS, []func(*mail.SMTP){logIn, elsewhere}, "", 1, true},
		"in the clear, here":      {clear(none), mail.Clear, []func(*mail.SMTP){logIn}, "", 1, false},
		"wrong password":          {credentials(starttls), mail.StartTLS, []func(*mail.SMTP){logIn, func(c *mail.SMTP) { c.Password = "wrong" }}, "authenticating: 535", 1, false},
		"no credentials":          {credentials(starttls), mail.StartTLS, nil, "naming the sender: 530", 0, false},
		"nobody asks":             {starttls, mail.StartTLS, []func(*mail.SMTP){logIn}, "does not offer authentication", 0, false},
		"unknown mechanism":       {credentials(starttls), mail.StartTLS, []func(*mail.SMTP){logIn, func(c *mail.SMTP) { c.Auth = "scram-sha-256" }}, "no mechanism", 0, false},
		"another's certificate":   {named(starttls, "other.example.com"), mail.StartTLS, nil, "starting TLS: tls: failed to verify", 0, false},
		"unknown authority":       {starttls, mail.StartTLS, []func(*mail.SMTP){func(c *mail.SMTP) { c.RootCAs = mailtest.NewAuthority(t).Roots }}, "starting TLS: tls: failed to verify", 0, false},
		"unknown authority, tls":  {implicit, mail.ImplicitTLS, []func(*mail.SMTP){func(c *mail.SMTP) { c.RootCAs = mailtest.NewAuthority(t).Roots }}, "starting TLS: tls: failed to verify", 0, false},
		"expired certificate":     {expired, mail.StartTLS, nil, "starting TLS: tls: failed to verify", 0, false},
		"tls where there is none": {none, mail.ImplicitTLS, nil, "does not look like a TLS handshake", 0, false},

		// The weakness: a client that goes on without what it asked for. The
		// attack: somebody in between hides the offer of STARTTLS, and invites
		// passwords in the clear.
		"stripped":                            {none, mail.StartTLS, nil, "does not offer STARTTLS", 0, false},
		"stripped, with credentials":          {clear(none), mail.StartTLS, []func(*mail.SMTP){logIn, elsewhere}, "does not offer STARTTLS", 0, false},
		"stripped, opportunistic, password":   {clear(none), mail.Opportunistic, []func(*mail.SMTP){logIn, elsewhere}, "does not offer STARTTLS", 0, false},
		"asked for in the clear":              {clear(none), mail.Clear, []func(*mail.SMTP){logIn, elsewhere}, "no mechanism", 0, false},
		"asked for plain in the clear":        {clear(none), mail.Clear, []func(*mail.SMTP){logIn, elsewhere, func(c *mail.SMTP) { c.Auth = "plain" }}, "no mechanism", 0, false},
		"asked for login in the clear":        {clear(none), mail.Clear, []func(*mail.SMTP){logIn, elsewhere, func(c *mail.SMTP) { c.Auth = "login" }}, "no mechanism", 0, false},
		"asked for xoauth2 in the clear":      {clear(none), mail.Clear, []func(*mail.SMTP){logIn, elsewhere, func(c *mail.SMTP) { c.Auth = "xoauth2" }}, "no mechanism", 0, false},
		"control: elsewhere, no credentials":  {none, mail.Clear, []func(*mail.SMTP){elsewhere}, "", 0, false},
		"control: opportunistic, no password": {none, mail.Opportunistic, []func(*mail.SMTP){elsewhere}, "", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.New(t, tt.server)
			c := to(s, tt.security)
			c.From = "no-reply@example.com"
			c.SMTP.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("%s:%d", s.Host, s.Port))
			}
			for _, change := range tt.change {
				change(&c.SMTP)
			}
			err := mail.Test(t.Context(), c, receiver, time.Now(), nil)
			if tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Fatalf("%v, want %q", err, tt.fails)
			}
			if n := s.LogIns.Load(); n != tt.logIns {
				t.Errorf("credentials were shown %d times", n)
			}
			if tt.fails != "" {
				if len(s.Received) > 0 {
					t.Error("and yet the message was sent")
				}
				return
			}
			if m := s.Next(t); m.TLS != tt.tls || m.To != receiver || (m.User != "") != (tt.logIns > 0) {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestTriedAgain has servers that refuse at first: what may go better is tried
// again under the same Message-ID, what is about the message is not.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	first := func(code int) func(int) error {
		return func(n int) error {
			if n == 1 {
				return mailtest.Refusal(code, "Not now, or never")
			}
			return nil
		}
	}
	data := func(code int) func(int, string) error {
		return func(n int, _ string) error { return first(code)(n) }
	}
	for name, tt := range map[string]struct {
		options mailtest.Options
		again   bool
		says    string
	}{
		"sender, 4xx":      {mailtest.Options{Sender: first(451)}, true, "naming the sender: 451"},
		"recipient, 4xx":   {mailtest.Options{Receiver: first(450)}, true, "naming the recipient: 450"},
		"after DATA, 4xx":  {mailtest.Options{Data: data(452)}, true, "submitting the message: 452"},
		"sender, 5xx":      {mailtest.Options{Sender: first(550)}, false, "naming the sender: 550"},
		"recipient, 5xx":   {mailtest.Options{Receiver: first(550)}, false, "naming the recipient: 550"},
		"after DATA, 5xx":  {mailtest.Options{Data: data(554)}, false, "submitting the message: 554"},
		"no authorisation": {mailtest.Options{User: user, Password: "another", Clear: true}, true, "authenticating: 535"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.New(t, tt.options)
			c := to(s, mail.Clear)
			if tt.options.User != "" {
				c.SMTP.Username, c.SMTP.Password = user, password
			}
			h := running(t, c, nil)
			h.send(t, time.Hour)
			if !tt.again {
				m := h.reaches(t, mail.Failed, 1)
				if !strings.HasPrefix(text(m.LastError), tt.says) || m.Attempts != 1 || len(s.Received) > 0 {
					t.Errorf("%q, %+v", text(m.LastError), m)
				}
				h.again(t)
				if _, err := h.Retry(t.Context(), audit.Actor{}, m.ID); err != nil { // an administrator, once it is mended
					t.Fatal(err)
				}
				h.reaches(t, mail.Sent, 2)
				return
			}
			m := h.reaches(t, mail.Queued, 1)
			if !strings.HasPrefix(text(m.LastError), tt.says) || h.sealed(t) != 1 {
				t.Errorf("%q, %d kept", text(m.LastError), h.sealed(t))
			}
			if tt.options.User != "" {
				return
			}
			h.again(t)
			sent := h.reaches(t, mail.Sent, 2)
			if got := s.Next(t); got.Header(t, "Message-Id") != "<"+m.MessageID+">" || sent.LastError != nil || len(s.Received) > 0 {
				t.Errorf("%+v", sent)
			}
		})
	}
}

// TestServersEchoes has a server that repeats what it refuses. The row and the
// log are read by people who must not be able to use the link.
func TestServersEchoes(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t, mailtest.Options{Data: func(_ int, message string) error {
		return mailtest.Refusal(554, "Rejected for "+receiver+": code "+code+"\u2028 and "+link+" and token=Zm9vYmFyYmF6cXV4. "+strings.Repeat("x", 400))
	}})
	h := running(t, to(s, mail.Clear), nil)
	h.send(t, time.Hour)
	said := text(h.reaches(t, mail.Failed, 1).LastError)
	if !strings.Contains(said, "554") || !strings.Contains(said, "Rejected for") || len([]rune(said)) > 300 {
		t.Errorf("%q", said)
	}
	var errors string
	for deadline := time.Now().Add(wait); !strings.Contains(errors, "554"); time.Sleep(20 * time.Millisecond) {
		h.db.Scan(t, "select coalesce(errors::text, '') from auth.river_job where kind = 'mail.send'", nil, &errors)
		if time.Now().After(deadline) {
			t.Fatal("the job has no error")
		}
	}
	for place, text := range map[string]string{"row": said, "log": h.log.String(), "job": errors} {
		for _, secret := range []string{code, "Zm9vYmFyYmF6cXV4", receiver} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s has %s: %s", place, secret, text)
			}
		}
	}
}

// TestDeadServers has servers that refuse the connection, or say nothing, or too
// little. Each attempt ends in time; other work and the deeds that entail
// messages do not wait for it; and no message is lost.
func TestDeadServers(t *testing.T) {
	t.Parallel()
	quiet := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1<<10)); _, _ = conn.Read(make([]byte, 1<<10)) }
	drip := func(conn net.Conn) {
		for {
			if _, err := conn.Write([]byte("2")); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	hanging := mailtest.Options{Data: func(int, string) error {
		<-stop
		return nil
	}}
	for name, start := range map[string]func(*testing.T) (string, int, string){
		"refused": func(t *testing.T) (string, int, string) {
			t.Helper()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			return "127.0.0.1", l.Addr().(*net.TCPAddr).Port, "connecting: "
		},
		"silent": func(t *testing.T) (string, int, string) {
			t.Helper()
			host, port := mailtest.Mute(t, quiet)
			return host, port, "waiting for the greeting: the mail server took too long"
		},
		"slow": func(t *testing.T) (string, int, string) {
			t.Helper()
			host, port := mailtest.Mute(t, drip)
			return host, port, "waiting for the greeting: the mail server took too long"
		},
		"hanging after the message": func(t *testing.T) (string, int, string) {
			t.Helper()
			s := mailtest.New(t, hanging)
			return s.Host, s.Port, "submitting the message: the mail server took too long"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, port, says := start(t)
			h := newHouse(t, mail.Config{SMTP: mail.SMTP{Host: host, Port: port, Security: mail.Clear, Timeout: time.Second}}, nil)
			other := make(chan struct{}, 1)
			job.Register(h.jobs, job.Kind[errand]{Handle: func(context.Context, errand) error {
				other <- struct{}{}
				return nil
			}})
			h.run(t)
			const many = 40
			for range many {
				h.send(t, time.Hour)
			}
			if err := h.db.InTx(t.Context(), func(q postgres.Querier) error { return h.jobs.Insert(t.Context(), q, errand{}, job.Options{}) }); err != nil {
				t.Fatal(err)
			}
			select {
			case <-other:
			case <-time.After(wait):
				t.Fatal("other work waits for the mail server")
			}
			var failed int
			for deadline := time.Now().Add(wait); failed == 0; time.Sleep(20 * time.Millisecond) {
				h.db.Scan(t, "select count(*) from auth.mail_messages where starts_with(last_error, $1)", []any{says}, &failed)
				if time.Now().After(deadline) {
					var reason string
					h.db.Scan(t, "select coalesce(max(last_error), '') from auth.mail_messages", nil, &reason)
					t.Fatalf("no attempt has ended that way, but %q", reason)
				}
			}
			var shared int
			if h.db.Scan(t, "select count(*) from auth.river_job where kind = 'mail.send' and queue = 'default'", nil, &shared); shared > 0 {
				t.Errorf("%d messages wait where other work does", shared)
			}
			if n := h.sealed(t); n != many {
				t.Errorf("%d of %d are kept", n, many)
			}
		})
	}
}

// errand is work that has nothing to do with mail.
type errand struct{}

func (errand) Kind() string { return "test.errand" }

// TestGivesUp has a message fail as often as it is tried.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t, mailtest.Options{Receiver: func(int) error { return mailtest.Refusal(450, "Later") }})
	h := running(t, to(s, mail.Clear), nil)
	h.send(t, time.Hour)
	for attempt := 1; attempt < 9; attempt++ {
		h.reaches(t, mail.Queued, attempt)
		for deadline := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
			var waits bool
			if h.db.Scan(t, "select state <> 'running' from auth.river_job where kind = 'mail.send'", nil, &waits); waits {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not wait for its next attempt")
			}
		}
		h.again(t)
	}
	m := h.reaches(t, mail.Failed, 9)
	if m.Attempts != 9 || h.sealed(t) != 1 {
		t.Errorf("%+v", m)
	}
	if _, err := h.Retry(t.Context(), audit.Actor{}, m.ID); err != nil {
		t.Fatal(err)
	}
	h.reaches(t, mail.Queued, 10) // has as many attempts again
}
