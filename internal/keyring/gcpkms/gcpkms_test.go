package gcpkms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

func open(t *testing.T, c Config, client *http.Client) *Wrapper {
	t.Helper()
	w, err := New(t.Context(), c, client)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// with is a configuration with a token, and no credentials.
func with(server *kmstest.GCP, key string) Config {
	token := &oauth2.Token{AccessToken: server.Token(), TokenType: "Bearer"}
	return Config{KeyID: key, Endpoint: server.URL, Tokens: oauth2.StaticTokenSource(token)}
}

const otherKey = "projects/test/locations/global/keyRings/fluxbase/cryptoKeys/other"

func TestKeepsTheContract(t *testing.T) {
	t.Parallel()
	server := kmstest.NewGCP(t)
	server.Key(otherKey)
	token := server.Token()
	under := func(key string) func(*testing.T, *http.Client) keyring.Wrapper {
		return func(t *testing.T, client *http.Client) keyring.Wrapper {
			t.Helper()
			c := with(server, key)
			c.Tokens = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
			return open(t, c, client)
		}
	}
	kmstest.Contract(t, kmstest.Subject{Server: server.Server, New: under(kmstest.GCPKey), Other: under(otherKey), Secrets: []string{token}})
}

// The way of production: the key of a service account signs for a token.
func TestApplicationDefaultCredentials(t *testing.T) {
	server := kmstest.NewGCP(t)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", server.Credentials(t))
	ctx, cancel := context.WithCancel(t.Context())
	w, err := New(ctx, Config{KeyID: kmstest.GCPKey, Endpoint: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // tokens are fetched for longer than New runs
	kmstest.WantWraps(t, w)

	server.Fail(kmstest.Denied)
	_, err = open(t, Config{KeyID: kmstest.GCPKey, Endpoint: server.URL}, nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "gcp_kms", "obtain a token", "403")

	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/credentials.json")
	_, err = New(t.Context(), Config{KeyID: kmstest.GCPKey}, nil)
	kmstest.WantSays(t, err, "gcp_kms", "find credentials", "/nowhere/credentials.json")
}

func TestOldVersionsOpenAfterRotation(t *testing.T) {
	t.Parallel()
	server := kmstest.NewGCP(t)
	w := open(t, with(server, kmstest.GCPKey), nil)
	old := kmstest.WantWraps(t, w)
	server.Rotate(kmstest.GCPKey)
	if fresh := kmstest.WantWraps(t, w); fresh.KeyID != kmstest.GCPKey || fresh.KeyID != old.KeyID {
		t.Errorf("keys %s and %s", old.KeyID, fresh.KeyID)
	}
	kmstest.WantOpens(t, w, old)
}

func TestErrorsSayWhatGoogleSays(t *testing.T) {
	t.Parallel()
	server := kmstest.NewGCP(t)
	w := open(t, with(server, kmstest.GCPKey), nil)
	wrapped := kmstest.WantWraps(t, w)

	server.Disable(kmstest.GCPKey, true)
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "gcp_kms", kmstest.GCPKey, "FAILED_PRECONDITION", "is not enabled")
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "gcp_kms", "FAILED_PRECONDITION")
	server.Disable(kmstest.GCPKey, false)
	kmstest.WantOpens(t, w, wrapped)

	_, err = open(t, with(server, otherKey), nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, otherKey, "NOT_FOUND")
	c := with(server, kmstest.GCPKey)
	c.Tokens = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "ya29.wrong"})
	_, err = open(t, c, nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "UNAUTHENTICATED")
	wrapped.KeyID = "projects/../../admin"
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "not the name of a key")
}

func TestConfigurationThatCannotWork(t *testing.T) {
	t.Parallel()
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "t"})
	for _, key := range []string{"", "secrets", kmstest.GCPKey + "/cryptoKeyVersions/1", "x/" + kmstest.GCPKey} {
		_, err := New(t.Context(), Config{KeyID: key, Tokens: tokens}, nil)
		kmstest.WantSays(t, err, "gcp_kms", "want projects/P/locations/L/keyRings/R/cryptoKeys/K")
	}
	for _, endpoint := range []string{"kms:443", "ftp://kms", "https://"} {
		_, err := New(t.Context(), Config{KeyID: kmstest.GCPKey, Endpoint: endpoint, Tokens: tokens}, nil)
		kmstest.WantSays(t, err, "gcp_kms", "endpoint")
	}
}

// stuck is a metadata server that does not answer.
type stuck struct{}

func (stuck) Token() (*oauth2.Token, error) {
	time.Sleep(time.Second)
	return nil, errors.New("too late")
}

func TestTokensAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := open(t, Config{KeyID: kmstest.GCPKey, Tokens: stuck{}}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.Wrap(ctx, kmstest.DataKey(), kmstest.Binding()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
}

// between changes what is said on the way.
type between struct {
	sent, received func([]byte) []byte
}

func (b between) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	changed, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(string(b.sent(body))))
	if err != nil {
		return nil, err
	}
	changed.Header = r.Header
	response, err := http.DefaultTransport.RoundTrip(changed)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(strings.NewReader(string(b.received(answer))))
	return response, err
}

func same(data []byte) []byte { return data }

func instead(old, fresh string) func([]byte) []byte {
	return func(data []byte) []byte { return []byte(strings.Replace(string(data), old, fresh, 1)) }
}

// A broken middlebox must not make a key that nobody can open again.
func TestDamageOnTheWayIsNoticed(t *testing.T) {
	t.Parallel()
	server := kmstest.NewGCP(t)
	wrapped := kmstest.WantWraps(t, open(t, with(server, kmstest.GCPKey), nil))
	for _, c := range []struct {
		between
		word string
	}{
		{between{instead(`"plaintext":"`, `"plaintext":"AAAA`), same}, "checksum"},
		{between{instead(`"additionalAuthenticatedData":"`, `"additionalAuthenticatedData":"AAAA`), same}, "checksum"},
		{between{instead(`"plaintextCrc32c"`, `"ciphertextCrc32c"`), same}, "checksum"},
		{between{same, instead(`"ciphertext":"`, `"ciphertext":"AAAA`)}, "checksums differ"},
		{between{same, instead(`"ciphertextCrc32c"`, `"x"`)}, "checksums differ"},
		{between{same, instead(`"verifiedPlaintextCrc32c":true`, `"verifiedPlaintextCrc32c":false`)}, "checksums differ"},
		{between{same, instead(`"verifiedAdditionalAuthenticatedDataCrc32c":true`, `"x":true`)}, "checksums differ"},
		{between{same, instead(`"name":"projects/test`, `"name":"projects/other`)}, "not one of Cloud KMS"},
		{between{same, instead(`{`, `<`)}, "not one of Cloud KMS"},
	} {
		_, err := open(t, with(server, kmstest.GCPKey), &http.Client{Transport: c.between}).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
		kmstest.WantSays(t, err, c.word)
	}
	for _, c := range []between{
		{same, instead(`"plaintext":"`, `"plaintext":"AAAA`)},
		{same, instead(`"plaintextCrc32c"`, `"x"`)},
	} {
		_, err := open(t, with(server, kmstest.GCPKey), &http.Client{Transport: c}).Unwrap(t.Context(), wrapped, kmstest.Binding())
		kmstest.WantSays(t, err, "checksums differ")
	}
}

// What is sent and answered has the members that Google documents, of that kind.
func TestThePublishedRepresentations(t *testing.T) {
	t.Parallel()
	server := kmstest.NewGCP(t)
	seen := map[string]map[string]string{}
	operation := "encrypt"
	note := func(what string) func([]byte) []byte {
		return func(data []byte) []byte {
			seen[operation+"."+what] = kinds(t, data)
			return data
		}
	}
	w := open(t, with(server, kmstest.GCPKey), &http.Client{Transport: between{note("request"), note("response")}})
	wrapped, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	if err != nil {
		t.Fatal(err)
	}
	operation = "decrypt"
	kmstest.WantOpens(t, w, wrapped)
	for name, got := range seen {
		published, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]string
		if err := json.Unmarshal(published, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-published +here):\n%s", name, diff)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d representations", len(seen))
	}
}

func kinds(t *testing.T, data []byte) map[string]string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name, value := range members {
		found[name] = map[string]string{"string": "string", "bool": "boolean", "float64": "number"}[fmt.Sprintf("%T", value)]
	}
	return found
}
