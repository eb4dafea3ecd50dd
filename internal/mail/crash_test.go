package mail_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/mail"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// childURL is the database of a process that this test is run again as, to be
// killed; childPort the mail server's.
const (
	childURL  = "FLUXBASE_TEST_CHILD_URL"
	childPort = "FLUXBASE_TEST_CHILD_PORT"
)

// child is an instance that works the queue until it is killed.
func child(url string) {
	port, _ := strconv.Atoi(os.Getenv(childPort))
	c := mail.Config{SMTP: mail.SMTP{Host: "127.0.0.1", Port: port, Security: mail.Clear, Timeout: 20 * time.Second}}
	db, err := postgres.Open(context.Background(), postgres.Config{OwnerURL: url, MaxConns: 4})
	if err == nil {
		_, jobs, err := instance(db, c, nil, os.Stderr)
		if err == nil {
			jobs.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, "the child ended:", err)
	os.Exit(1)
}

// TestKilledInTheMiddle kills a server between the message and the mail server's
// yes. Another sends the message, under the same Message-ID. The time that has to
// pass until the dead server's work counts as abandoned is not waited for: the
// clocks of its job and of its leadership are put back.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	reached, stop := make(chan string, 1), make(chan struct{})
	t.Cleanup(func() { close(stop) })
	s := mailtest.New(t, mailtest.Options{Data: func(n int, message string) error {
		if n == 1 {
			reached <- message
			<-stop
		}
		return nil
	}})
	h := newHouse(t, to(s, mail.Clear), nil)
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), childURL+"="+h.db.OwnerURL, childPort+"="+strconv.Itoa(s.Port))
	victim.Stderr = h.log
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = victim.Process.Kill() })
	h.send(t, time.Hour)
	var first string
	select {
	case first = <-reached:
	case <-time.After(wait):
		t.Fatalf("the child sends nothing\n%s", h.log)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	if m := h.reaches(t, mail.Sending, 1); h.sealed(t) != 1 || !strings.Contains(first, m.MessageID) {
		t.Errorf("%+v, %d kept", m, h.sealed(t))
	}
	h.db.Exec(t, "update auth.river_job set attempted_at = now() - interval '5 minutes' where kind = 'mail.send'")
	h.db.Exec(t, "delete from auth.river_leader")
	h.run(t)
	m := h.reaches(t, mail.Sent, 2)
	if got := s.Next(t); got.Header(t, "Message-Id") != "<"+m.MessageID+">" || s.Submitted.Load() != 2 {
		t.Errorf("submitted %d times; %q, %+v", s.Submitted.Load(), got.Header(t, "Message-Id"), m)
	}
}
