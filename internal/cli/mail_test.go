package cli_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
)

// mailTest runs fluxbase mail test with a section mail.smtp, and returns what it
// prints and its exit status.
func mailTest(t *testing.T, smtp string) (string, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fluxbase.yaml")
	if err := os.WriteFile(file, []byte("mail:\n  from: Example <no-reply@example.com>\n  smtp:\n    "+strings.ReplaceAll(smtp, "\n", "\n    ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	status := cli.Main([]string{"mail", "test", "--config", file, "--to", "you@example.net"}, &out, &out)
	return out.String(), status
}

// TestMailTest makes the usual mistakes, and none.
func TestMailTest(t *testing.T) {
	t.Parallel()
	starttls := mailtest.New(t, mailtest.Options{Security: mailtest.StartTLS, User: "u", Password: "right"})
	implicit := mailtest.New(t, mailtest.Options{Security: mailtest.Implicit})
	plain := mailtest.New(t, mailtest.Options{})
	expired := mailtest.New(t, mailtest.Options{Security: mailtest.StartTLS, Expired: true})
	another := mailtest.New(t, mailtest.Options{Security: mailtest.StartTLS, Names: []string{"other.example.com"}})
	refusing := mailtest.New(t, mailtest.Options{Receiver: func(int) error { return mailtest.Refusal(550, "Relaying denied") }})
	noSender := mailtest.New(t, mailtest.Options{Sender: func(int) error { return mailtest.Refusal(553, "Not yours") }})
	later := mailtest.New(t, mailtest.Options{Data: func(int, string) error { return mailtest.Refusal(451, "Busy") }})
	silent, silentPort := mailtest.Mute(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()

	at := func(s *mailtest.Server, more string) string {
		return "host: " + s.Host + "\nport: " + strconv.Itoa(s.Port) + "\nca_file: " + s.CAFile + "\n" + more
	}
	for name, tt := range map[string]struct {
		smtp   string
		status int
		says   []string
	}{
		"fine": {
			at(starttls, "username: u\npassword: right"), 0,
			[]string{"✓ connected ", "✓ encrypted ", "TLS 1.3, certificate valid until ", "✓ authenticated    plain", "✓ sender           no-reply@example.com", "✓ recipient        you@example.net", "✓ accepted ", "spam folder"},
		},
		"fine, tls":          {at(implicit, "security: tls"), 0, []string{"✓ encrypted ", "✓ accepted "}},
		"not configured":     {"timeout: 10s", 2, []string{"✗ mail is not configured", "mail.smtp.host"}},
		"nothing there":      {"host: 127.0.0.1\nport: " + strconv.Itoa(closed), 1, []string{"✗ connecting", "Nothing listens there", "587"}},
		"no such machine":    {"host: mail.invalid\nconnect_timeout: 5s", 1, []string{"✗ connecting", "→"}},
		"tls is starttls":    {at(starttls, "security: tls"), 1, []string{"✓ connected", "✗ starting TLS", "mail.smtp.security: starttls"}},
		"starttls is tls":    {at(implicit, "timeout: 1s"), 1, []string{"✓ connected", "✗ waiting for the greeting", "mail.smtp.security: tls"}},
		"starttls missing":   {at(plain, ""), 1, []string{"✓ greeted", "does not offer STARTTLS", "nothing is sent in the clear", "587"}},
		"wrong password":     {at(starttls, "username: u\npassword: wrong-one"), 1, []string{"✓ encrypted", "✗ authenticating", "refused the credentials"}},
		"no credentials":     {at(starttls, ""), 1, []string{"✗ naming the sender", "wants credentials"}},
		"no authentication":  {at(plain, "security: none\nusername: u\npassword: p"), 1, []string{"does not offer authentication", "leave mail.smtp.username empty"}},
		"unknown authority":  {"host: " + starttls.Host + "\nport: " + strconv.Itoa(starttls.Port), 1, []string{"✗ starting TLS", "mail.smtp.ca_file"}},
		"expired":            {at(expired, ""), 1, []string{"✗ starting TLS", "expired"}},
		"another's":          {at(another, ""), 1, []string{"✗ starting TLS", "certificate is for another name"}},
		"refused":            {at(refusing, "security: none"), 1, []string{"✗ naming the recipient", "Relaying denied", "does not take mail to this address"}},
		"not our address":    {at(noSender, "security: none"), 1, []string{"✗ naming the sender", "send as mail.from"}},
		"not now":            {at(later, "security: none"), 1, []string{"✗ submitting the message", "451", "tried again by themselves"}},
		"silent":             {"host: " + silent + "\nport: " + strconv.Itoa(silentPort) + "\ntimeout: 1s", 1, []string{"✗ waiting for the greeting"}},
		"in the clear":       {"host: smtp.example.com\nsecurity: none", 1, []string{"mail.smtp.security", "not on this machine"}},
		"an unknown setting": {"hots: x", 1, []string{"mail.smtp.hots"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, status := mailTest(t, tt.smtp)
			if status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			for _, want := range tt.says {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in:\n%s", want, out)
				}
			}
			if strings.Contains(out, "right") || strings.Contains(out, "wrong-one") {
				t.Errorf("it prints the password:\n%s", out)
			}
		})
	}
	t.Cleanup(func() {
		select {
		case m := <-starttls.Received:
			if m.To != "you@example.net" || m.Header(t, "Subject") != "Fluxbase can send mail" || time.Since(date(t, m)) > time.Hour {
				t.Errorf("%+v", m)
			}
		default:
			t.Error("no message has arrived")
		}
	})
}

func date(t *testing.T, m mailtest.Message) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC1123Z, m.Header(t, "Date"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestMailCommandsThatAreNone fail, so that a script does not go on.
func TestMailCommandsThatAreNone(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"say to whom: --to":           {"mail", "test"},
		"no such command; .*: test\n": {"mail", "tset"},
	} {
		var out bytes.Buffer
		if status := cli.Main(args, &out, &out); status != 1 || !regexp.MustCompile(says).MatchString(out.String()) {
			t.Errorf("%v: %d %s", args, status, out.String())
		}
	}
}
