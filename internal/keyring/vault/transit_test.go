package vault

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

func transit(server *kmstest.Vault) *Transit {
	return &Transit{Client: &Client{Address: server.URL, Token: server.Token}, Key: "fluxbase"}
}

func TestTransitKeepsTheContract(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	server.Do(t, http.MethodPost, "transit/keys/other", nil, nil)
	under := func(key string) func(*testing.T, *http.Client) keyring.Wrapper {
		return func(_ *testing.T, client *http.Client) keyring.Wrapper {
			return &Transit{Client: &Client{Address: server.URL, Token: server.Token, HTTP: client}, Mount: "transit", Key: key}
		}
	}
	kmstest.Contract(t, kmstest.Subject{
		Server: server.Server, New: under("fluxbase"), Other: under("other"), Secrets: []string{server.Token},
	})
}

func TestOldVersionsOpenAfterRotation(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	w := transit(server)
	old := kmstest.WantWraps(t, w)
	server.Do(t, http.MethodPost, "transit/keys/fluxbase/rotate", nil, nil)
	fresh := kmstest.WantWraps(t, w)
	kmstest.WantOpens(t, w, old)
	if old.KeyID != "transit/fluxbase" || fresh.KeyID != old.KeyID || !strings.HasPrefix(string(fresh.Ciphertext), "vault:v2:") {
		t.Errorf("%s %.9s after %s %.9s", fresh.KeyID, fresh.Ciphertext, old.KeyID, old.Ciphertext)
	}

	// The operator may allow it again, so the ciphertext is not lost.
	server.Do(t, http.MethodPost, "transit/keys/fluxbase/config", map[string]int{"min_decryption_version": 2}, nil)
	_, err := w.Unwrap(t.Context(), old, kmstest.Binding())
	kmstest.WantSays(t, err, "transit/fluxbase", "disallowed by policy")
	server.Do(t, http.MethodPost, "transit/keys/fluxbase/config", map[string]int{"min_decryption_version": 1}, nil)
	kmstest.WantOpens(t, w, old)
}

func TestUnwrapAsksTheKeyThatWrapped(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	server.Do(t, http.MethodPost, "sys/mounts/team/crypto", map[string]string{"type": "transit"}, nil)
	server.Do(t, http.MethodPost, "team/crypto/keys/moved", nil, nil)
	old := kmstest.WantWraps(t, transit(server))
	moved := transit(server)
	moved.Mount, moved.Key = "/team/crypto/", "moved"
	if wrapped := kmstest.WantWraps(t, moved); wrapped.KeyID != "team/crypto/moved" {
		t.Errorf("key id %q", wrapped.KeyID)
	}
	kmstest.WantOpens(t, moved, old)
}

func TestSealedVaultSaysSo(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	w := transit(server)
	wrapped := kmstest.WantWraps(t, w)
	server.Seal(t)
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "transit/fluxbase", "sealed", "vault operator unseal")
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "transit/fluxbase", "sealed")
	server.Unseal(t)
	kmstest.WantOpens(t, w, wrapped)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	wrapped := kmstest.WantWraps(t, transit(server))
	w := transit(server)
	w.Client.Token = "hvs.wrong"
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "permission denied", "update on transit/encrypt/fluxbase")
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "permission denied", "update on transit/decrypt/fluxbase")

	w.Client.Token = server.Allow(t, `path "transit/encrypt/*" {capabilities=["update"]} path "transit/decrypt/*" {capabilities=["update"]}`)
	kmstest.WantWraps(t, w) // needs no more than that

	w.Client.Token = ""
	_, err = w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "there is no token")
	w.Client.Token = "hvs.bad\r\nX-Other: 1"
	_, err = w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "X-Vault-Token")
	if strings.Contains(err.Error(), "hvs.") {
		t.Error("the error holds the token")
	}
}

// Vault would make the key, and wrap under it.
func TestKeyThatIsNotThere(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	w := transit(server)
	wrapped := kmstest.WantWraps(t, w)
	w.Key = "fluxbsae"
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "no such key", "vault write -f transit/keys/fluxbsae")
	wrapped.KeyID = "transit/fluxbsae"
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "no such key", "transit/fluxbsae")
}

func TestEngineThatIsNotThere(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	w := transit(server)
	wrapped := kmstest.WantWraps(t, w)
	w.Mount = "crypto"
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "no transit engine at crypto", "vault secrets enable -path=crypto transit")
	wrapped.KeyID = "crypto/fluxbase"
	_, err = w.Unwrap(t.Context(), wrapped, kmstest.Binding())
	kmstest.WantSays(t, err, "no transit engine at crypto")
}

func TestKeysThatBindNothingAreRefused(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	server.Do(t, http.MethodPost, "transit/keys/rsa", map[string]string{"type": "rsa-2048"}, nil)
	w := transit(server)
	w.Key = "rsa"
	_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
	kmstest.WantSays(t, err, "transit/rsa", "non-AEAD")
}

func TestAddressesAndNames(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "vault:8200", "ftp://vault", "http://", "http://a b"} {
		w := &Transit{Client: &Client{Address: address, Token: "t"}, Key: "k"}
		_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
		kmstest.WantSays(t, err, "the address is not one of")
	}
	for _, key := range []string{"", "..", "a//b", "../sys/seal"} {
		w := &Transit{Client: &Client{Address: "http://127.0.0.1:1", Token: "t"}, Key: key}
		_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
		kmstest.WantSays(t, err, "not a path")
		_, err = w.Unwrap(t.Context(), keyring.Wrapped{KeyID: key, Ciphertext: []byte("vault:v1:AAAA")}, kmstest.Binding())
		kmstest.WantSays(t, err, "not a path")
	}
}

// What stands at the address may be anything.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		"<html>welcome</html>":                     200,
		`{"data":{"ciphertext":"plain"}}`:          200,
		`{"data":{}}`:                              200,
		"<html>no such page</html>":                404,
		"<a href=http://other/>moved</a>":          307,
		`{"errors":["line\nX-Vault-Token: hvs."]}`: 400,
	} {
		var header http.Header
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header = r.Header
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		w := &Transit{Client: &Client{Address: s.URL, Token: "hvs.t", Namespace: "team/a"}, Key: "k"}
		_, err := w.Wrap(t.Context(), kmstest.DataKey(), kmstest.Binding())
		kmstest.WantSays(t, err, "vault: wrap with key transit/k: it")
		if err != nil && strings.Contains(err.Error(), "hvs.") {
			t.Errorf("the error holds too much: %v", err)
		}
		if header.Get("X-Vault-Token") != "hvs.t" || header.Get("X-Vault-Namespace") != "team/a" {
			t.Errorf("the request had %v", header)
		}
		s.Close()
	}
}
