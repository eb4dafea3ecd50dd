package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// streams is a site with a route each way, on a real connection.
func streams(t *testing.T, deadline time.Duration, download func(io.Writer) error) (*testSite, string) {
	t.Helper()
	s := site(t)
	s.Deadline = deadline
	s.routes = append(s.routes,
		Upload(Route{Method: http.MethodPost, Path: "/up"}, func(_ context.Context, _ *Call, body io.Reader) (int64, error) {
			return io.Copy(io.Discard, body)
		}),
		Download(Route{Method: http.MethodGet, Path: "/down"}, func(_ context.Context, _ *Call, out io.Writer) error { return download(out) }))
	server := httptest.NewServer(s.Handler(s.routes))
	t.Cleanup(server.Close)
	return s, server.URL
}

func exchange(t *testing.T, method, url, media string, body io.Reader) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func TestUploadIsNotLimited(t *testing.T) {
	t.Parallel()
	s, url := streams(t, time.Minute, nil)
	size := int(s.MaxBody) * 1000
	if status, text, err := exchange(t, http.MethodPost, url+"/up", LinesMedia, bytes.NewReader(make([]byte, size))); err != nil || status != 200 || text != "100000" {
		t.Errorf("%d %s %v", status, text, err)
	}
	if status, text, _ := exchange(t, http.MethodPost, url+"/up", "application/json", strings.NewReader("{}")); status != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", status, text)
	}
}

// TestUploadThatStands gives up on a body of which nothing more comes.
func TestUploadThatStands(t *testing.T) {
	t.Parallel()
	_, url := streams(t, 50*time.Millisecond, nil)
	body, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	go func() { _, _ = feed.Write([]byte("something")) }()
	if status, text, err := exchange(t, http.MethodPost, url+"/up", LinesMedia, body); err != nil || status != http.StatusRequestTimeout {
		t.Errorf("%d %s %v", status, text, err)
	}
}

// TestUploadThatTrickles gives up on a body that never stands and never ends,
// and has patience with one that is as slow as it may be.
func TestUploadThatTrickles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		rate          int64
		chunk, chunks int // of bytes, each after a tenth of the deadline
		status        int
	}{
		{"a trickle", 1000, 1, 100, http.StatusRequestTimeout},
		{"as fast as it has to be", 1000, 2000, 20, http.StatusOK},
		{"any rate will do", 0, 1, 20, http.StatusOK},
	} {
		const deadline = time.Second
		s, url := streams(t, deadline, nil)
		s.MinRate = c.rate
		body, feed := io.Pipe()
		go func() {
			for range c.chunks {
				time.Sleep(deadline / 10)
				if _, err := feed.Write(make([]byte, c.chunk)); err != nil {
					return
				}
			}
			_ = feed.Close()
		}()
		status, text, err := exchange(t, http.MethodPost, url+"/up", LinesMedia, body)
		if err != nil || status != c.status {
			t.Errorf("%s: %d %s %v", c.name, status, text, err)
		}
		_ = body.Close()
	}
}

// TestDownloadThatBreaks lets the client see that it does not have all.
func TestDownloadThatBreaks(t *testing.T) {
	t.Parallel()
	s, url := streams(t, time.Minute, func(out io.Writer) error {
		_, _ = out.Write(bytes.Repeat([]byte("{}\n"), 10_000))
		return errors.New("the database went away")
	})
	status, text, err := exchange(t, http.MethodGet, url+"/down", "", nil)
	if status != 200 || err == nil {
		t.Errorf("it looks whole: %d, %d bytes, %v", status, len(text), err)
	}
	if len(s.logged(t, "request failed")) != 1 || len(s.logged(t, "request")) != 1 {
		t.Error("the log has no word of it")
	}
	whole, url := streams(t, time.Minute, func(out io.Writer) error {
		_, err := out.Write([]byte("{}\n"))
		return err
	})
	if status, text, err := exchange(t, http.MethodGet, url+"/down", "", nil); status != 200 || err != nil || text != "{}\n" {
		t.Errorf("control: %d %q %v", status, text, err)
	}
	if len(whole.logged(t, "request failed")) != 0 {
		t.Error("control: a failure is logged")
	}
	_, url = streams(t, time.Minute, func(io.Writer) error { return errors.New("before anything was written") })
	if status, text, err := exchange(t, http.MethodGet, url+"/down", "", nil); status != 500 || err != nil || !strings.Contains(text, "internal_error") {
		t.Errorf("%d %q %v", status, text, err)
	}
}
