package syslog_test

import (
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/audit"
)

// TestForgedNames sends records whose action somebody with the database has
// written: none ends its message, or moves what comes after it.
func TestForgedNames(t *testing.T) {
	t.Parallel()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for name, want := range map[string]string{
		"user.signed_in":          `user\.signed_in`, // the control
		"x\n<13>1 - root su - - ": `x\?<13>1\?-\?root\?su\?-\?-\?`,
		"x - [a b=\"c\"] y":       `x\?-\?\[a\?b="c"\]\?y`,
		"":                        `-`,
		"ä\x00\u2028":             `\?\?\?`,
	} {
		s := server(t, "udp://"+conn.LocalAddr().String(), nil)
		if err := s.Send(t.Context(), []audit.Entry{{At: time.Unix(0, 0), Name: name, Text: []byte(`{}`)}}); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 1000)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, _, err := conn.ReadFrom(message)
		if err != nil {
			t.Fatal(err)
		}
		if form := regexp.MustCompile(`^<109>1 [^ ]+ [!-~]+ fluxbase - ` + want + ` - \{\}$`); !form.Match(message[:n]) {
			t.Errorf("%q: %q", name, message[:n])
		}
	}
}
