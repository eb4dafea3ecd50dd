package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/cli"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// client calls the admin API.
type client struct {
	url  string
	key  string
	http *http.Client
}

func newClient(url, key string) *client {
	return &client{
		url: strings.TrimRight(url, "/"), key: key,
		http: &http.Client{
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key stays here
		},
	}
}

// call asks for a path below /api/v1/admin and decodes the answer.
func (c *client) call(ctx context.Context, method, path string, into any) error {
	return c.send(ctx, method, path, nil, into)
}

// send is call with a body, of JSON; nil is none. into may be nil, too.
func (c *client) send(ctx context.Context, method, path string, body, into any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+"/api/v1/admin"+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	return c.exchange(request, into)
}

// places lists what a problem is about, where that says more than its sentence.
func places(p problem.Document) string {
	var b strings.Builder
	for _, e := range p.Errors {
		if e.Detail != p.Detail {
			b.WriteString("\n  " + cli.Printable(e.Pointer) + ": " + cli.Printable(e.Detail))
		}
	}
	return b.String()
}

func (c *client) exchange(request *http.Request, into any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return c.unanswered(err)
	}
	defer func() { _ = response.Body.Close() }()
	return c.decode(response, into)
}

// unanswered says that no server has answered.
func (c *client) unanswered(err error) error {
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server listens at %s; is it running, and is that its address (FLUXBASE_URL or --url)?", c.url)
	case errors.As(err, &name):
		return fmt.Errorf("the host in %s is not known; correct FLUXBASE_URL or --url", c.url)
	case errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("the server at %s does not answer", c.url)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the URL, which is longer than what was typed
	}
	return fmt.Errorf("asking the server at %s: %w", c.url, err)
}

// decode reads an answer, or the problem that it is.
func (c *client) decode(response *http.Response, into any) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		var p problem.Document
		if json.Unmarshal(body, &p) != nil || p.Detail == "" {
			return fmt.Errorf("the server at %s answered %s; is it a Fluxbase?", c.url, response.Status)
		}
		if response.StatusCode == http.StatusUnauthorized {
			return fmt.Errorf("the server does not accept the service key (FLUXBASE_SERVICE_KEY or --service-key): %s (%s)", p.Detail, p.Code)
		}
		if u, err := url.Parse(c.url); p.Code == "route_not_found" && err == nil && u.Path != "" {
			return fmt.Errorf("%s (%s) The address of the server, %s, has a path; is it one too many (FLUXBASE_URL or --url)?", p.Detail, p.Code, c.url)
		}
		return fmt.Errorf("%s (%s, request %s)%s", p.Detail, p.Code, p.RequestID, places(p))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
