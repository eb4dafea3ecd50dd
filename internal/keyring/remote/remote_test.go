package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers with one status after the other, the last for good, and counts.
func serve(t *testing.T, statuses ...int) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(requests.Add(1))
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(statuses[min(n, len(statuses))-1])
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

func TestTriesAgainWhileUnwell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		statuses []int
		want     int
		requests int64
	}{
		{[]int{200}, 200, 1},
		{[]int{400}, 400, 1},
		{[]int{403}, 403, 1},
		{[]int{503, 200}, 200, 2},
		{[]int{429, 500, 200}, 200, 3},
		{[]int{502}, 502, Tries},
	} {
		url, requests := serve(t, c.statuses...)
		answer, err := Do(t.Context(), nil, Request{Method: "POST", URL: url, Body: map[string]string{"a": "b"}})
		if err != nil || answer.Status != c.want || requests.Load() != c.requests || string(answer.Body) != `{"a":"b"}` {
			t.Errorf("%v: %d %s, %v after %d requests", c.statuses, answer.Status, answer.Body, err, requests.Load())
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(nil)
	s.Close()
	if _, err := Do(t.Context(), nil, Request{Method: "GET", URL: s.URL}); err == nil {
		t.Error("an answer of nobody")
	}
}

// The token would go along.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	url, requests := serve(t, http.StatusTemporaryRedirect)
	answer, err := Do(t.Context(), &http.Client{}, Request{Method: "POST", URL: url, Header: http.Header{"X-Vault-Token": {"s.x"}}})
	if err != nil || answer.Status != http.StatusTemporaryRedirect || requests.Load() != 1 {
		t.Errorf("%d, %v after %d requests", answer.Status, err, requests.Load())
	}
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Do(ctx, nil, Request{Method: "GET", URL: s.URL}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}

	url, requests := serve(t, 503)
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop) // in the first pause
	if answer, err := Do(ctx, nil, Request{Method: "GET", URL: url}); err != nil || answer.Status != 503 || requests.Load() != 1 {
		t.Errorf("%d, %v after %d requests", answer.Status, err, requests.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, maxAnswer+1))
	}))
	t.Cleanup(s.Close)
	if _, err := Do(t.Context(), nil, Request{Method: "GET", URL: s.URL}); err == nil {
		t.Error("an answer without bound")
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":                              "",
		"The key is disabled.":          "The key is disabled",
		"first\nx-amz-security-token:s": "first",
		"\n bell\x07\u202e ":            "bell",
		strings.Repeat("ä", 400):        strings.Repeat("ä", 300) + "...",
	} {
		if got := Reason(message); got != want {
			t.Errorf("Reason(%q) = %q, want %q", message, got, want)
		}
	}
}

func TestBriefIsStillTheError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a token:\n\t401\x07\r\n":       "a token: 401 context canceled",
		strings.Repeat("x", 1000) + " ": strings.Repeat("x", maxBrief) + "...",
	} {
		got := Brief(fmt.Errorf("%s%w", text, context.Canceled))
		if !errors.Is(got, context.Canceled) || got.Error() != want {
			t.Errorf("Brief = %v, want %s", got, want)
		}
	}
}
