// Package vault wraps data keys with the transit engine of HashiCorp Vault (1.13
// or newer) or OpenBao, and reads keys from their KV engines.
//
// It speaks the HTTP API that both have, with a token that somebody else obtains
// and renews. Errors say what an operator can do about them; they hold no token
// and no secret.
//
// https://developer.hashicorp.com/vault/api-docs
package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

// Client is one Vault as the holder of one token. It is safe for concurrent use.
type Client struct {
	Address   string // of the server, such as https://vault.example.com:8200
	Token     string
	Namespace string // of Vault Enterprise or OpenBao; empty for the root
	HTTP      *http.Client
}

// answer is what Vault said about a request.
type answer struct {
	status  int
	reason  string // what it says for itself, if it refuses
	refused bool   // in the words of Vault, and not of something before it
	body    []byte
}

func (c *Client) send(ctx context.Context, method, path string, body any) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	address, err := url.Parse(c.Address)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return answer{}, errors.New("the address is not one of https://HOST:PORT")
	}
	if c.Token == "" {
		return answer{}, errors.New("there is no token")
	}
	header := http.Header{"X-Vault-Token": {c.Token}, "X-Vault-Request": {"true"}}
	if c.Namespace != "" {
		header.Set("X-Vault-Namespace", c.Namespace)
	}
	got, err := remote.Do(ctx, c.HTTP, remote.Request{
		Method: method, URL: address.JoinPath("v1").String() + "/" + path, Header: header, Body: body,
	})
	if err != nil {
		return answer{}, err
	}
	var said struct {
		Errors []string `json:"errors"`
	}
	if got.Status >= http.StatusMultipleChoices {
		_ = json.Unmarshal(got.Body, &said) // a proxy's page has no reason
	}
	return answer{
		status: got.Status, body: got.Body,
		reason: remote.Reason(strings.Join(said.Errors, "; ")), refused: said.Errors != nil,
	}, nil
}

// refusal is what to say of an answer that is not what was asked for. Need is
// what a policy must grant.
func (a answer) refusal(need string) error {
	switch {
	case a.status == http.StatusServiceUnavailable && strings.Contains(a.reason, "sealed"):
		return errors.New("it is sealed: unseal it with vault operator unseal")
	case a.status == http.StatusForbidden:
		return fmt.Errorf("permission denied: the token is unknown or has expired, or its policy does not grant %s", need)
	case a.status/100 == 3:
		return fmt.Errorf("it answered %d, which leads elsewhere: set the address of the active node", a.status)
	case a.reason == "":
		return fmt.Errorf("it answered %d", a.status)
	default:
		return fmt.Errorf("it answered %d: %s", a.status, a.reason)
	}
}

// escape makes a path of an API from a path of a person.
func escape(path string) (string, error) {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if segment == "" || segment == "." || segment == ".." {
			return "", fmt.Errorf("%q is not a path of names between slashes", path)
		}
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/"), nil
}

var errNotAnswered = errors.New("its answer is not one of Vault: is the address right?")
