package azurekeyvault

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

var (
	dataKey = []byte("0123456789abcdef0123456789abcdef")
	binding = map[string]string{"purpose": "data_key", "version": "1"}
)

// static is a credential that has its token, and wants to be asked for Key Vault.
type static string

func (s static) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != "https://vault.azure.net/.default" {
		return azcore.AccessToken{}, errors.New("asked for other scopes")
	}
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func key(name string) string { return strings.Replace(kmstest.AzureKey, "secrets", name, 1) }

// open makes a wrapper; of a client that is given only the timeout counts.
func open(t *testing.T, server *kmstest.Azure, id, token string, client *http.Client) *Wrapper {
	t.Helper()
	trusting := server.Client()
	if client != nil {
		trusting.Timeout = client.Timeout
	}
	w, err := New(t.Context(), Config{KeyID: id, Endpoint: server.URL, Credential: static(token)}, trusting)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wantWraps(t *testing.T, w *Wrapper) keyring.Wrapped {
	t.Helper()
	wrapped, err := w.Wrap(t.Context(), dataKey, binding)
	if err != nil {
		t.Fatal(err)
	}
	wantOpens(t, w, wrapped)
	return wrapped
}

func wantOpens(t *testing.T, w *Wrapper, wrapped keyring.Wrapped) {
	t.Helper()
	if got, err := w.Unwrap(t.Context(), wrapped, binding); err != nil || string(got) != string(dataKey) {
		t.Errorf("Unwrap: %d bytes, %v", len(got), err)
	}
}

// wantSays wants an error with all of some words, that may go away.
func wantSays(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil || errors.Is(err, keyring.ErrNotOpened) {
		t.Errorf("err = %v, want one that says %q", err, words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestKeepsTheContract(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"RSA", "oct-HSM"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := kmstest.NewAzure(t)
			server.Key("one", kind)
			server.Key("other", kind)
			token := server.Token()
			under := func(name string) func(*testing.T, *http.Client) keyring.Wrapper {
				return func(t *testing.T, client *http.Client) keyring.Wrapper {
					t.Helper()
					return open(t, server, key(name), token, client)
				}
			}
			kmstest.Contract(t, kmstest.Subject{Server: server.Server, New: under("one"), Other: under("other"), Secrets: []string{token}})
		})
	}
}

func TestOldVersionsOpenAfterRotation(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	w := open(t, server, kmstest.AzureKey, server.Token(), nil)
	old := wantWraps(t, w)
	server.Key("secrets", "RSA")
	fresh := wantWraps(t, w)
	wantOpens(t, w, old)
	if !strings.HasPrefix(old.KeyID, kmstest.AzureKey+"/") || fresh.KeyID == old.KeyID {
		t.Errorf("keys %s and %s", old.KeyID, fresh.KeyID)
	}
	pinned := open(t, server, old.KeyID, server.Token(), nil)
	if again := wantWraps(t, pinned); again.KeyID != old.KeyID {
		t.Errorf("wraps with %s, want %s", again.KeyID, old.KeyID)
	}
	wantOpens(t, pinned, fresh)
}

func TestErrorsSayWhatAzureSays(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	w := open(t, server, kmstest.AzureKey, server.Token(), nil)
	wrapped := wantWraps(t, w)

	server.Disable("secrets", true)
	_, err := w.Wrap(t.Context(), dataKey, binding)
	wantSays(t, err, "azure_key_vault", kmstest.AzureKey, "Forbidden (KeyDisabled)", "not allowed on a disabled key")
	_, err = w.Unwrap(t.Context(), wrapped, binding)
	wantSays(t, err, "azure_key_vault", wrapped.KeyID, "KeyDisabled")
	server.Disable("secrets", false)
	wantOpens(t, w, wrapped)

	_, err = open(t, server, key("none"), server.Token(), nil).Wrap(t.Context(), dataKey, binding)
	wantSays(t, err, key("none"), "KeyNotFound", "was not found")
	_, err = open(t, server, kmstest.AzureKey, "wrong", nil).Wrap(t.Context(), dataKey, binding)
	wantSays(t, err, "Unauthorized")
	server.Key("curve", "EC")
	_, err = open(t, server, key("curve"), server.Token(), nil).Wrap(t.Context(), dataKey, binding)
	wantSays(t, err, "type EC cannot wrap")
}

// Whoever can write the database must not have the credential sent elsewhere.
func TestOtherVaultsAreNotAsked(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	w := open(t, server, kmstest.AzureKey, server.Token(), nil)
	wrapped := wantWraps(t, w)
	before := server.Requests()
	for _, id := range []string{
		strings.Replace(wrapped.KeyID, "fluxbase.vault", "evil.vault", 1),
		strings.Replace(wrapped.KeyID, "fluxbase.vault.azure.net", "fluxbase.vault.azure.net@evil", 1),
		strings.Replace(wrapped.KeyID, "keys/secrets", "keys/../secrets", 1),
		kmstest.AzureKey, "", "secrets",
	} {
		wrapped.KeyID = id
		_, err := w.Unwrap(t.Context(), wrapped, binding)
		wantSays(t, err, "that is not a key with its version of https://fluxbase.vault.azure.net")
	}
	if n := server.Requests() - before; n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestConfigurationThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "secrets", "http://fluxbase.vault.azure.net/keys/k", "https://fluxbase.vault.azure.net/secrets/k", kmstest.AzureKey + "/1/2"} {
		_, err := New(t.Context(), Config{KeyID: id, Credential: static("t")}, nil)
		wantSays(t, err, "azure_key_vault", "want https://NAME.vault.azure.net/keys/KEY")
	}
	for _, endpoint := range []string{"http://127.0.0.1", "vault", "https://"} {
		_, err := New(t.Context(), Config{KeyID: kmstest.AzureKey, Endpoint: endpoint, Credential: static("t")}, nil)
		wantSays(t, err, "azure_key_vault", "endpoint")
	}
}

// A vault of another domain than Azure's gets no token: the challenge says so.
func TestTheChallengeIsVerified(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	id := server.URL + "/keys/secrets"
	w, err := New(t.Context(), Config{KeyID: id, Credential: static(server.Token())}, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Wrap(t.Context(), dataKey, binding)
	wantSays(t, err, "azure_key_vault", id, "challenge resource")
}

const ofProgram = "FLUXBASE_TEST_AZURE_ENDPOINT"

// The way of production: the environment says who we are. Certificates that a
// program trusts are read once, so it is another program.
func TestDefaultCredential(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	environment := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AZURE_") })
	environment = append(environment, ofProgram+"="+server.URL)
	for name, value := range server.Environment(t) {
		environment = append(environment, name+"="+value)
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAsAProgram$", "-test.v")
	program.Env = environment
	if out, err := program.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestAsAProgram") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAsAProgram(t *testing.T) {
	endpoint := os.Getenv(ofProgram)
	if endpoint == "" {
		t.Skip("started by TestDefaultCredential")
	}
	w, err := New(t.Context(), Config{KeyID: kmstest.AzureKey, Endpoint: endpoint}, nil)
	if err != nil {
		t.Fatal(err)
	}
	identity := os.Getenv("IDENTITY_HEADER")
	t.Setenv("IDENTITY_HEADER", "wrong")
	_, err = w.Wrap(t.Context(), dataKey, binding)
	wantSays(t, err, "azure_key_vault", "ManagedIdentityCredential", "the header or the resource is wrong")
	t.Setenv("IDENTITY_HEADER", identity)
	wantWraps(t, w)
}
