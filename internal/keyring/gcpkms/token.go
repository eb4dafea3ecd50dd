package gcpkms

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/fluxbase/fluxbase/internal/keyring/remote"
)

const scope = "https://www.googleapis.com/auth/cloudkms"

// defaultTokens are the Application Default Credentials. They fetch tokens for as
// long as the program runs, with a client that does not wait forever.
func defaultTokens(ctx context.Context, client *http.Client) (oauth2.TokenSource, error) {
	bounded := remote.Straight(client)
	if bounded.Timeout == 0 {
		bounded.Timeout = remote.Timeout
	}
	found, err := google.FindDefaultCredentials(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, bounded), scope)
	if err != nil {
		return nil, err
	}
	return found.TokenSource, nil
}

// token is a token of a source, which knows no context.
func token(ctx context.Context, source oauth2.TokenSource) (*oauth2.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type result struct {
		token *oauth2.Token
		err   error
	}
	fetched := make(chan result, 1) // so that a late one is not waited for
	go func() {
		t, err := source.Token()
		fetched <- result{t, err}
	}()
	select {
	case r := <-fetched:
		return r.token, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
