// Package remote is what the providers of wrapped keys have in common: how long
// they may take, small JSON requests over HTTP, and how much of a service's
// words an error may repeat.
//
// A request is tried a few times while the service is unwell, and never follows
// a redirect: the token in its header would go along to wherever that points.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
)

// Timeout is how long a provider may take to wrap or unwrap one key, with all
// its tries.
const Timeout = 20 * time.Second

// Tries is how often a request is sent while the service is unwell.
const Tries = 3

// Pause is the time between the first two tries; it doubles.
const Pause = 200 * time.Millisecond

const (
	maxAnswer = 1 << 20 // bytes
	maxReason = 300     // runes
	maxBrief  = 600     // runes, since the cause is at the end
)

// Request is one request with a JSON body.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   any // sent as JSON; nil sends no body
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Body   []byte // at most 1 MiB
}

// Do sends a request, again if there is no answer or one that says the service
// is overloaded or broken (429, 5xx). A nil client is one without a timeout of
// its own.
func Do(ctx context.Context, client *http.Client, r Request) (Answer, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return Answer{}, fmt.Errorf("encode the request: %w", err)
		}
	}
	for try := 1; ; try++ {
		answer, err := once(ctx, client, r, body)
		unwell := err != nil || answer.Status == http.StatusTooManyRequests || answer.Status >= http.StatusInternalServerError
		if !unwell || try == Tries || ctx.Err() != nil {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-time.After(Pause << (try - 1)):
		}
	}
}

func once(ctx context.Context, client *http.Client, r Request, body []byte) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header = r.Header.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := Straight(client).Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	case len(data) > maxAnswer:
		return Answer{}, errors.New("the answer is larger than 1 MiB")
	}
	return Answer{Status: response.StatusCode, Body: data}, nil
}

// Straight is a client like another that follows no redirects.
func Straight(client *http.Client) *http.Client {
	straight := &http.Client{}
	if client != nil {
		*straight = *client
	}
	straight.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return straight
}

// Reason is what an error may repeat of a service's message: its first line, of
// printable characters, cut at some length. What follows may repeat the request.
func Reason(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return printable(line, maxReason)
}

// Brief is an error with the text of another on one line, cut at some length.
func Brief(err error) error { return brief{err} }

type brief struct{ error }

func (b brief) Error() string {
	return printable(strings.Join(strings.Fields(b.error.Error()), " "), maxBrief)
}
func (b brief) Unwrap() error { return b.error }

func printable(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	text = strings.TrimSuffix(text, ".")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "..."
	}
	return text
}
