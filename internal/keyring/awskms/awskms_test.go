package awskms

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

const alias = "alias/fluxbase-secrets"

func TestMain(m *testing.M) {
	for name, value := range kmstest.AWSEnvironment() {
		_ = os.Setenv(name, value)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, c Config, client *http.Client) *Wrapper {
	t.Helper()
	w, err := New(t.Context(), c, client)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestKeepsTheContract(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAWS(t)
	server.Alias("alias/other", server.Key())
	under := func(alias string) func(*testing.T, *http.Client) keyring.Wrapper {
		return func(t *testing.T, client *http.Client) keyring.Wrapper {
			t.Helper()
			return open(t, Config{KeyID: alias, Region: kmstest.AWSRegion, Endpoint: server.URL}, client)
		}
	}
	kmstest.Contract(t, kmstest.Subject{
		Server: server.Server, New: under(alias), Other: under("alias/other"), Secrets: []string{kmstest.AWSSecretAccessKey},
	})
}

func TestEveryNameOfAKey(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAWS(t)
	arn := server.Key()
	server.Alias("alias/named", arn)
	account := arn[:strings.Index(arn, ":key/")+1]
	for _, name := range []string{arn, arn[strings.Index(arn, "/")+1:], "alias/named", account + "alias/named"} {
		w := open(t, Config{KeyID: name, Region: kmstest.AWSRegion, Endpoint: server.URL}, nil)
		if wrapped := kmstest.WantWraps(t, w); wrapped.KeyID != arn {
			t.Errorf("%s wraps with %s, want %s", name, wrapped.KeyID, arn)
		}
	}
	kmstest.WantWraps(t, open(t, Config{KeyID: arn, Endpoint: server.URL}, nil)) // the ARN says where
}

// An alias that moves on is how keys are replaced by hand.
func TestOldKeysOpenAfterTheAliasMoved(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAWS(t)
	w := open(t, Config{KeyID: alias, Region: kmstest.AWSRegion, Endpoint: server.URL}, nil)
	old := kmstest.WantWraps(t, w)
	server.Alias(alias, server.Key())
	if fresh := kmstest.WantWraps(t, w); fresh.KeyID == old.KeyID {
		t.Error("the alias has not moved")
	}
	kmstest.WantOpens(t, w, old)
}

func TestErrorsSayWhatAWSSays(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAWS(t)
	c := Config{KeyID: alias, Region: kmstest.AWSRegion, Endpoint: server.URL}
	w := open(t, c, nil)
	wrapped := kmstest.WantWraps(t, w)

	server.Disable(wrapped.KeyID, true)
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "aws_kms", alias, "DisabledException", "is disabled")
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "aws_kms", wrapped.KeyID, "DisabledException")
	server.Disable(wrapped.KeyID, false)
	kmstest.WantOpens(t, w, wrapped)

	server.Fail(kmstest.Denied)
	_, err = w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "AccessDeniedException", "is not authorized")
	server.Fail(kmstest.Unavailable)
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "KeyUnavailableException")
	server.Fail(kmstest.Works)

	c.KeyID = "alias/none"
	_, err = open(t, c, nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "alias/none", "NotFoundException", "is not found")
	wrapped.KeyID = strings.Replace(wrapped.KeyID, "key/", "key/0", 1)
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "NotFoundException")
}

// AWS repeats the request that it received, with the session token in its headers.
func TestWrongSignature(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAWS(t)
	c := Config{KeyID: alias, Region: kmstest.AWSRegion, Endpoint: server.URL}
	w := open(t, c, &http.Client{Transport: changing(func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.Decrypt") })})
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "InvalidSignatureException", "does not match")
	if err != nil && strings.Contains(err.Error(), "Canonical") {
		t.Errorf("the error holds the request: %v", err)
	}
	c.Region = "us-east-1"
	_, err = open(t, c, nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "InvalidSignatureException", "valid region")
}

// changing changes requests after they are signed.
type changing func(*http.Request)

func (c changing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	c(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestConfigurationThatCannotWork(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Config{}, nil)
	kmstest.WantSays(t, err, "aws_kms", "no key id")
	_, err = New(t.Context(), Config{KeyID: alias}, nil)
	kmstest.WantSays(t, err, "aws_kms", alias, "no region")
}

func TestCredentialsThatAreNotThere(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	server := kmstest.NewAWS(t)
	w := open(t, Config{KeyID: alias, Region: kmstest.AWSRegion, Endpoint: server.URL}, nil)
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "aws_kms", alias, "credentials")
	if n := server.Requests(); n != 0 {
		t.Errorf("%d requests without credentials", n)
	}
}
