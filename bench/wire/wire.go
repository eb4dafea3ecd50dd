// Package wire is an HTTP/1.1 client that does next to nothing: it sends bytes
// that were made beforehand over one connection that stays open, and reads the
// status and a body of declared length.
//
// It exists because the load generator shares its processors with what it
// measures. It knows no redirects, no chunks, no compression, and it refuses
// what it does not know. A Conn is for one goroutine.
package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// maxBody is the longest body that is read, in bytes.
const maxBody = 64 << 20

// ErrUnsupported means an answer that this client does not read.
var ErrUnsupported = errors.New("the answer is not plain HTTP/1.1 with a Content-Length")

// Conn is a connection that is kept open.
type Conn struct {
	net  net.Conn
	in   *bufio.Reader
	body []byte
}

// Dial opens a connection to host:port.
func Dial(ctx context.Context, address string) (*Conn, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to the server: %w", err)
	}
	return &Conn{net: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.net.Close() }

// SetDeadline bounds everything up to the next call.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// Do sends a request and returns the answer's status and body. The body is
// valid until the next call.
func (c *Conn) Do(request []byte) (status int, body []byte, err error) {
	if _, err := c.net.Write(request); err != nil {
		return 0, nil, fmt.Errorf("sending a request: %w", err)
	}
	status, c.body, err = Read(c.in, c.body[:0])
	return status, c.body, err
}

// Read reads one answer and appends its body to the buffer.
func Read(in *bufio.Reader, buffer []byte) (status int, body []byte, err error) {
	status, err = readStatus(in)
	if err != nil {
		return 0, buffer, err
	}
	length, err := readFields(in)
	if err != nil {
		return 0, buffer, err
	}
	if length < 0 {
		if status != 204 && status != 304 {
			return 0, buffer, ErrUnsupported
		}
		length = 0
	}
	start := len(buffer)
	if need := start + length; cap(buffer) < need {
		buffer = append(make([]byte, 0, need+need/4), buffer...)
	}
	buffer = buffer[:start+length]
	if _, err := io.ReadFull(in, buffer[start:]); err != nil {
		return 0, buffer[:start], fmt.Errorf("reading a body: %w", err)
	}
	return status, buffer, nil
}

// readStatus reads a line such as "HTTP/1.1 200 OK".
func readStatus(in *bufio.Reader) (int, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("reading a status line: %w", err)
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, ErrUnsupported
	}
	status := 0
	for _, digit := range line[9:12] {
		if digit < '0' || digit > '9' {
			return 0, ErrUnsupported
		}
		status = status*10 + int(digit-'0')
	}
	return status, nil
}

var (
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
)

// readFields reads the header fields and returns Content-Length, or -1 if there
// is none.
func readFields(in *bufio.Reader) (length int, err error) {
	length = -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("reading header fields: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		colon := bytes.IndexByte(line, ':')
		switch {
		case colon == len(contentLength) && bytes.EqualFold(line[:colon], contentLength):
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[colon+1:])))
			if err != nil || length < 0 || length > maxBody {
				return 0, ErrUnsupported
			}
		case colon == len(transferEncoding) && bytes.EqualFold(line[:colon], transferEncoding):
			return 0, ErrUnsupported
		}
	}
}
