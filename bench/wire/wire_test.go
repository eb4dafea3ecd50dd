package wire

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		answer string
		status int
		body   string
		err    error
	}{
		"with a body":      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", nil},
		"any case":         {"HTTP/1.1 201 Created\r\nX-A: 1\r\ncontent-LENGTH:3\r\n\r\nabc", 201, "abc", nil},
		"no reason phrase": {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", nil},
		"no content":       {"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n", 204, "", nil},
		"no length":        {"HTTP/1.1 200 OK\r\n\r\n", 0, "", ErrUnsupported},
		"chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", ErrUnsupported},
		"bad length":       {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, "", ErrUnsupported},
		"huge length":      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 0, "", ErrUnsupported},
		"bad status":       {"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", 0, "", ErrUnsupported},
		"another protocol": {"SSH-2.0-OpenSSH_9.2p1\r\n", 0, "", ErrUnsupported},
		"cut body":         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 0, "", io.ErrUnexpectedEOF},
		"cut header":       {"HTTP/1.1 200 OK\r\nContent-", 0, "", io.EOF},
		"nothing":          {"", 0, "", io.EOF},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, err := Read(bufio.NewReader(strings.NewReader(c.answer)), nil)
			if status != c.status || string(body) != c.body || !errors.Is(err, c.err) {
				t.Errorf("got %d, %q, %v; want %d, %q, %v", status, body, err, c.status, c.body, c.err)
			}
		})
	}
}

// Answers follow one another on a connection, and the buffer is used again.
func TestReadTwice(t *testing.T) {
	t.Parallel()
	in := bufio.NewReader(strings.NewReader(
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirstHTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecond"))
	_, body, err := Read(in, nil)
	if err != nil || string(body) != "first" {
		t.Fatalf("got %q, %v", body, err)
	}
	status, body, err := Read(in, body[:0])
	if err != nil || status != 404 || string(body) != "second" {
		t.Errorf("got %d, %q, %v", status, body, err)
	}
}
