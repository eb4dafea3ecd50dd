package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// LinesMedia is the media type of JSON values, one on each line.
const LinesMedia = "application/x-ndjson"

// Upload completes a route with a handler that reads a body of JSON lines, of
// any length, and has an answer in JSON. The handler may leave part of it unread.
func Upload[Out any](r Route, f func(ctx context.Context, c *Call, body io.Reader) (Out, error)) Route {
	r.Stream, r.Media, r.Answer, r.Status = true, LinesMedia, reflect.TypeFor[Out](), http.StatusOK
	r.Serve = func(w http.ResponseWriter, req *http.Request, c *Call) error {
		if err := r.checkQuery(req); err != nil {
			return err
		}
		switch media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); {
		case err == nil && (media == LinesMedia || media == "application/jsonl" || media == "application/ndjson"):
		default:
			return fault.New(fault.UnsupportedMedia, "unsupported_media_type", "Send the body as JSON lines, with the header Content-Type: "+LinesMedia+".")
		}
		out, err := f(req.Context(), c, req.Body)
		if err != nil {
			return err
		}
		return Encode(w, r.Status, out)
	}
	return r
}

// Download completes a route with a handler that writes an answer of JSON lines,
// of any length. If it fails after it has begun, the connection is broken, so
// that nobody takes the part for the whole.
func Download(r Route, f func(ctx context.Context, c *Call, out io.Writer) error) Route {
	r.Stream, r.Media, r.Status = true, LinesMedia, http.StatusOK
	r.Serve = func(w http.ResponseWriter, req *http.Request, c *Call) error {
		if err := r.checkQuery(req); err != nil {
			return err
		}
		out := &lines{w: w}
		if err := f(req.Context(), c, out); err != nil {
			return err
		}
		out.begin()
		return nil
	}
	return r
}

// lines says what the answer is when it begins.
type lines struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", LinesMedia)
		l.w.WriteHeader(http.StatusOK)
	}
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.begin()
	n, err := l.w.Write(b)
	if err != nil {
		return n, fmt.Errorf("writing an answer: %w", err)
	}
	return n, nil
}

// moving gives each read and each write of a request the time that another
// request has as a whole. All reads together have that time too, and more as the
// body comes, so that a body which trickles ends as one does that stands.
func (s *Server) moving(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	control := http.NewResponseController(w)
	r.Body = &movingBody{ReadCloser: r.Body, server: s, control: control}
	return &movingWriter{w, func() { _ = control.SetWriteDeadline(s.Now().Add(s.Deadline)) }}
}

type movingBody struct {
	io.ReadCloser

	server  *Server
	control *http.ResponseController
	waited  time.Duration // in reads; what the handler does between them is not the client's time
	come    int64         // bytes
}

// Read implements io.Reader. The error of a body that is too slow is a fault.
func (b *movingBody) Read(p []byte) (int, error) {
	s, began := b.server, b.server.Now()
	patience := s.Deadline
	if s.MinRate > 0 {
		earned := time.Duration(float64(b.come) / float64(s.MinRate) * float64(time.Second))
		patience = min(patience, s.Deadline+earned-b.waited)
	}
	// Without a connection, as in a test, there is nothing to limit. There is time
	// left for an answer that says what came of it.
	_ = b.control.SetReadDeadline(began.Add(patience))
	_ = b.control.SetWriteDeadline(began.Add(2 * s.Deadline))
	n, err := b.ReadCloser.Read(p)
	b.waited += s.Now().Sub(began)
	b.come += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = BodyFault(err)
	}
	return n, err
}

type movingWriter struct {
	http.ResponseWriter
	extend func()
}

// Write implements http.ResponseWriter.
func (w *movingWriter) Write(b []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *movingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
