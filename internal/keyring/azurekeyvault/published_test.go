package azurekeyvault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxbase/fluxbase/internal/keyring/kmstest"
)

// What is sent and answered has the members that Azure documents, of that kind.
func TestThePublishedSamples(t *testing.T) {
	t.Parallel()
	server := kmstest.NewAzure(t)
	seen := map[string]map[string]string{}
	client := server.Client()
	client.Transport = watching{client.Transport, func(r *http.Request, sent, received []byte) {
		operation := path.Base(r.URL.Path)
		if r.Method == http.MethodPost && r.Header.Get("Authorization") != "" {
			seen[operation+".request"], seen[operation+".response"] = kinds(t, sent), kinds(t, received)
			if parts := strings.Split(r.URL.Path, "/"); len(parts) != 5 || parts[1] != "keys" || parts[2] != "secrets" {
				t.Errorf("path %s", r.URL.Path)
			}
		}
	}}
	w, err := New(t.Context(), Config{KeyID: kmstest.AzureKey, Endpoint: server.URL, Credential: static(server.Token())}, client)
	if err != nil {
		t.Fatal(err)
	}
	kmstest.WantWraps(t, w)
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
		t.Errorf("%d samples", len(seen))
	}
}

func kinds(t *testing.T, data []byte) map[string]string {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal(data, &members); err != nil {
		t.Errorf("%s: %v", data, err)
	}
	found := map[string]string{}
	for name, value := range members {
		found[name] = "string"
		if _, err := base64.RawURLEncoding.DecodeString(value); err == nil && len(value) > 40 {
			found[name] = "base64url"
		}
	}
	return found
}

// watching sees what is said on the way.
type watching struct {
	http.RoundTripper

	see func(r *http.Request, sent, received []byte)
}

func (w watching) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	received, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(received))
	w.see(r, sent, received)
	return response, err
}
