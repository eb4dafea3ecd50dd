package vault

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

func client(server *kmstest.Vault) *Client {
	return &Client{Address: server.URL, Token: server.Token}
}

func wantValue(t *testing.T, c *Client, path, field, want string) {
	t.Helper()
	if got, err := c.ReadKey(t.Context(), path, field); err != nil || got != want {
		t.Errorf("ReadKey(%q, %q) = %q, %v; want %q", path, field, got, err, want)
	}
}

// wantNoValue wants an error that names the path and some words, and no value.
func wantNoValue(t *testing.T, c *Client, path, field string, words ...string) {
	t.Helper()
	got, err := c.ReadKey(t.Context(), path, field)
	kmstest.WantSays(t, err, append(words, "vault: read secret "+path)...)
	if got != "" || err != nil && strings.Contains(err.Error(), "val-") {
		t.Errorf("ReadKey(%q, %q) = %q, %v", path, field, got, err)
	}
}

func TestReadKeyPicksTheField(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	c := client(server)
	server.Put(t, "fluxbase/keys/v1", map[string]string{"key": "val-1", "value": "val-2", "more": "val-3"})
	server.Put(t, "value", map[string]string{"value": "val-2", "more": "val-3"})
	server.Put(t, "only", map[string]string{"secret_key": "val-4"})
	server.Put(t, "many", map[string]string{"a": "val-5", "b": "val-6", "empty": ""})
	server.Do(t, http.MethodPost, "kv1/fluxbase/old", map[string]any{"key": "val-7", "number": 5}, nil)

	wantValue(t, c, "secret/fluxbase/keys/v1", "", "val-1")
	wantValue(t, c, "/secret/fluxbase/keys/v1/", "more", "val-3")
	wantValue(t, c, "secret/value", "", "val-2")
	wantValue(t, c, "secret/only", "", "val-4")
	wantValue(t, c, "secret/many", "b", "val-6")
	wantValue(t, c, "kv1/fluxbase/old", "", "val-7")

	wantNoValue(t, c, "secret/many", "", "none of its fields is named key or value")
	wantNoValue(t, c, "secret/many", "c", "no field c")
	wantNoValue(t, c, "secret/many", "empty", "field empty")
	wantNoValue(t, c, "kv1/fluxbase/old", "number", "field number is empty or no text")
}

func TestReadKeyOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	c := client(server)
	server.Put(t, "twice", map[string]string{"key": "val-1"})
	server.Put(t, "twice", map[string]string{"key": "val-2"})
	wantValue(t, c, "secret/twice", "", "val-2")
	server.Do(t, http.MethodDelete, "secret/data/twice", nil, nil)
	wantNoValue(t, c, "secret/twice", "", "was deleted", "vault kv undelete")
	server.Do(t, http.MethodPut, "secret/destroy/twice", map[string][]int{"versions": {2}}, nil)
	wantNoValue(t, c, "secret/twice", "key", "was destroyed")

	wantNoValue(t, c, "secret/none", "", "no such secret")
	wantNoValue(t, c, "kv1/none", "", "no such secret")
	wantNoValue(t, c, "nowhere/none", "", "no such secret")
	wantNoValue(t, c, "secret", "", "path of an engine")
	wantNoValue(t, c, "secret/../sys/mounts", "", "not a path")
	wantNoValue(t, c, "", "", "not a path")
}

// A policy may grant one secret and nothing else.
func TestReadKeyWithLittlePermission(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	server.Put(t, "mine", map[string]string{"key": "val-1"})
	server.Put(t, "theirs", map[string]string{"key": "val-2"})
	server.Do(t, http.MethodPost, "kv1/theirs", map[string]string{"key": "val-3"}, nil)
	c := client(server)
	c.Token = server.Allow(t, `path "secret/data/mine" {capabilities=["read"]}`)
	wantValue(t, c, "secret/mine", "", "val-1")
	wantNoValue(t, c, "secret/theirs", "", "permission denied", "read on secret/data/theirs")
	wantNoValue(t, c, "kv1/theirs", "", "permission denied")

	c.Token = "hvs.wrong"
	wantNoValue(t, c, "secret/mine", "", "permission denied")
	server.Seal(t)
	wantNoValue(t, c, "secret/mine", "", "sealed", "vault operator unseal")
}

// Servers that do not tell their mounts are tried as version 2, then 1.
func TestReadKeyWithoutMounts(t *testing.T) {
	t.Parallel()
	server := kmstest.NewVault(t)
	server.Put(t, "a/b", map[string]string{"key": "val-1"})
	server.Do(t, http.MethodPost, "kv1/a/b", map[string]string{"key": "val-2"}, nil)
	c := client(server)
	c.HTTP = &http.Client{Transport: withoutMounts{}}
	wantValue(t, c, "secret/a/b", "", "val-1")
	wantValue(t, c, "kv1/a/b", "", "val-2")
	wantNoValue(t, c, "secret/a/c", "", "no such secret")
}

type withoutMounts struct{}

func (withoutMounts) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/sys/internal/ui/mounts/") {
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}
