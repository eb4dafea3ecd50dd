package pgtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Wire stands between programs and the PostgreSQL of a database, and notes what
// passes: every statement that is sent, by whatever means, and every refusal. It
// is safe for concurrent use.
type Wire struct {
	Database // whose URLs lead through the wire

	mu         sync.Mutex
	statements []string
	seen       map[string]bool
	refusals   []Refusal
}

// Refusal is an error that PostgreSQL has answered with.
type Refusal struct{ State, Message string }

// NewWire returns a wire to a database, until the test ends.
func NewWire(tb testing.TB, d *Database) *Wire {
	tb.Helper()
	u, err := url.Parse(d.OwnerURL)
	if err != nil {
		tb.Fatal(err)
	}
	host, port := u.Query().Get("host"), u.Query().Get("port")
	if host == "" {
		tb.Skip("PostgreSQL has no unix socket here")
	}
	dir, err := os.MkdirTemp("", "fluxbase-wire-") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := ".s.PGSQL." + port
	listener, err := net.Listen("unix", filepath.Join(dir, name)) //nolint:noctx // it is closed below
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	w := &Wire{Database: *d, seen: map[string]bool{}}
	for _, u := range []*string{&w.OwnerURL, &w.UserURL, &w.ServiceURL} {
		through, err := url.Parse(*u)
		if err != nil {
			tb.Fatal(err)
		}
		through.RawQuery = url.Values{"host": {dir}, "port": {port}, "sslmode": {"disable"}}.Encode()
		*u = through.String()
	}
	go w.accept(listener, filepath.Join(host, name))
	return w
}

// Statements returns the statements sent so far that are different from each
// other, in the order in which they first were.
func (w *Wire) Statements() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.statements...)
}

// Refusals returns the errors so far.
func (w *Wire) Refusals() []Refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Refusal(nil), w.refusals...)
}

func (w *Wire) accept(listener net.Listener, target string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", target) //nolint:noctx // it is local, and ends with the client
		if err != nil {
			_ = client.Close()
			continue
		}
		go func() {
			if pass(server, client, true, nil) == nil { // the startup message, which has no type
				_ = w.follow(server, client, w.sent)
			}
			_ = server.Close()
		}()
		go func() {
			_ = w.follow(client, server, w.answered)
			_ = client.Close()
		}()
	}
}

func (w *Wire) follow(to io.Writer, from io.Reader, note func(kind byte, body []byte)) error {
	for {
		if err := pass(to, from, false, note); err != nil {
			return err
		}
	}
}

// pass hands on one message (manual, section 55.7) after it has been noted.
func pass(to io.Writer, from io.Reader, startup bool, note func(kind byte, body []byte)) error {
	head := make([]byte, 5)
	if startup {
		head = head[1:]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head[len(head)-4:])
	if length < 4 || length > 1<<30 {
		return errors.New("a message that is none")
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(from, body); err != nil {
		return err
	}
	if note != nil {
		note(head[0], body)
	}
	_, err := to.Write(append(head, body...))
	return err
}

// sent notes what a program sends: Query, Parse, and FunctionCall, which is by no
// statement.
func (w *Wire) sent(kind byte, body []byte) {
	fields := strings.SplitN(string(body), "\x00", 3)
	switch {
	case kind == 'Q' && len(fields) > 0:
		w.statement(fields[0])
	case kind == 'P' && len(fields) > 1:
		w.statement(fields[1])
	case kind == 'F':
		w.statement(fmt.Sprintf("a function called without a statement: %q", body))
	}
}

func (w *Wire) statement(sql string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen[sql] {
		w.seen[sql] = true
		w.statements = append(w.statements, sql)
	}
}

// answered notes an ErrorResponse.
func (w *Wire) answered(kind byte, body []byte) {
	if kind != 'E' {
		return
	}
	var r Refusal
	for field := range strings.SplitSeq(string(body), "\x00") {
		switch {
		case strings.HasPrefix(field, "C"):
			r.State = field[1:]
		case strings.HasPrefix(field, "M"):
			r.Message = field[1:]
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = append(w.refusals, r)
}
