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
	old := kmstest.WantWraps(t, w)
	server.Key("secrets", "RSA")
	fresh := kmstest.WantWraps(t, w)
	kmstest.WantOpens(t, w, old)
	if !strings.HasPrefix(old.KeyID, kmstest.AzureKey+"/") || fresh.KeyID == old.KeyID {
		t.Errorf("keys %s and %s", old.KeyID, fresh.KeyID)
	}
	pinned := open(t, server, old.KeyID, server.Token(), nil)
	if again := kmstest.WantWraps(t, pinned); again.KeyID != old.KeyID {
		t.Errorf("wraps with %s, want %s", again.KeyID, old.KeyID)
	}
	kmstest.WantOpens(t, pinned, fresh)
}

func TestErrorsSayWhatAzureSays(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	w := open(t, server, kmstest.AzureKey, server.Token(), nil)
	wrapped := kmstest.WantWraps(t, w)

	server.Disable("secrets", true)
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "azure_key_vault", kmstest.AzureKey, "Forbidden (KeyDisabled)", "not allowed on a disabled key")
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "azure_key_vault", wrapped.KeyID, "KeyDisabled")
	server.Disable("secrets", false)
	kmstest.WantOpens(t, w, wrapped)

	_, err = open(t, server, key("none"), server.Token(), nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, key("none"), "KeyNotFound", "was not found")
	_, err = open(t, server, kmstest.AzureKey, "wrong", nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "Unauthorized")
	server.Key("curve", "EC")
	_, err = open(t, server, key("curve"), server.Token(), nil).Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "type EC cannot wrap")
}

// Whoever can write the database must not have the credential sent elsewhere.
func TestOtherVaultsAreNotAsked(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	w := open(t, server, kmstest.AzureKey, server.Token(), nil)
	wrapped := kmstest.WantWraps(t, w)
	before := server.Requests()
	for _, id := range []string{
		strings.Replace(wrapped.KeyID, "fluxbase.vault", "evil.vault", 1),
		strings.Replace(wrapped.KeyID, "fluxbase.vault.azure.net", "fluxbase.vault.azure.net@evil", 1),
		strings.Replace(wrapped.KeyID, "keys/secrets", "keys/../secrets", 1),
		kmstest.AzureKey, "", "secrets",
	} {
		wrapped.KeyID = id
		_, err := w.Unwrap(t.Context(), wrapped, kmstest.Binding())
		kmstest.WantSays(t, err, "that is not a key with its version of https://fluxbase.vault.azure.net")
	}
	if n := server.Requests() - before; n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestConfigurationThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "secrets", "http://fluxbase.vault.azure.net/keys/k", "https://fluxbase.vault.azure.net/secrets/k", kmstest.AzureKey + "/1/2"} {
		_, err := New(t.Context(), Config{KeyID: id, Credential: static("t")}, nil)
		kmstest.WantSays(t, err, "azure_key_vault", "want https://NAME.vault.azure.net/keys/KEY")
	}
	for _, endpoint := range []string{"http://127.0.0.1", "vault", "https://"} {
		_, err := New(t.Context(), Config{KeyID: kmstest.AzureKey, Endpoint: endpoint, Credential: static("t")}, nil)
		kmstest.WantSays(t, err, "azure_key_vault", "endpoint")
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
	_, err = w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "azure_key_vault", id, "challenge resource")
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
	_, err = w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "azure_key_vault", "ManagedIdentityCredential", "the header or the resource is wrong")
	t.Setenv("IDENTITY_HEADER", identity)
	kmstest.WantWraps(t, w)
}
