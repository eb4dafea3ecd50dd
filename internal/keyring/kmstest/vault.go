package kmstest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Vault is a real HashiCorp Vault that one test has for itself: unsealed, in
// memory, with a transit engine at transit, KV version 2 at secret, KV version 1
// at kv1 and the transit key "fluxbase".
type Vault struct {
	*Server

	Token string // may do anything

	direct string // past the counting
	unseal string
}

// NewVault starts a Vault that ends with the test. The test is skipped if there
// is no Vault, which make test builds.
func NewVault(tb testing.TB) *Vault {
	tb.Helper()
	v := &Vault{direct: startVault(tb)}
	target, err := url.Parse(v.direct)
	if err != nil {
		tb.Fatal(err)
	}
	v.Server = newServer(tb, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}, refuseAsVault)

	var made struct {
		Keys      []string `json:"keys"`
		RootToken string   `json:"root_token"`
	}
	v.Do(tb, http.MethodPut, "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, &made)
	v.unseal, v.Token = made.Keys[0], made.RootToken
	v.Unseal(tb)
	v.Do(tb, http.MethodPost, "sys/mounts/transit", map[string]any{"type": "transit"}, nil)
	v.Do(tb, http.MethodPost, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil)
	v.Do(tb, http.MethodPost, "sys/mounts/kv1", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}}, nil)
	v.Do(tb, http.MethodPost, "transit/keys/fluxbase", nil, nil)
	return v
}

// Seal makes Vault forget its keys until Unseal.
func (v *Vault) Seal(tb testing.TB) {
	tb.Helper()
	v.Do(tb, http.MethodPut, "sys/seal", nil, nil)
}

// Unseal makes a sealed Vault work again.
func (v *Vault) Unseal(tb testing.TB) {
	tb.Helper()
	v.Do(tb, http.MethodPut, "sys/unseal", map[string]string{"key": v.unseal}, nil)
	v.await(tb)
}

// Put writes a secret at a path of the KV engine of version 2, without its mount.
func (v *Vault) Put(tb testing.TB, path string, fields map[string]string) {
	tb.Helper()
	v.Do(tb, http.MethodPost, "secret/data/"+path, map[string]any{"data": fields}, nil)
}

// Allow returns a token that may do what a policy says, in Vault's language.
func (v *Vault) Allow(tb testing.TB, policy string) string {
	tb.Helper()
	v.Do(tb, http.MethodPut, "sys/policies/acl/test", map[string]string{"policy": policy}, nil)
	var made struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	v.Do(tb, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{"test"}}, &made)
	return made.Auth.Token
}

// Do sends a request of the operator, past the counting and failing. The path is
// what follows /v1/; answer may be nil.
func (v *Vault) Do(tb testing.TB, method, path string, body, answer any) {
	tb.Helper()
	status, data := v.send(tb, method, path, body)
	if status >= http.StatusBadRequest {
		tb.Fatalf("vault: %s %s: %d %s", method, path, status, data)
	}
	if answer != nil {
		if err := json.Unmarshal(data, answer); err != nil {
			tb.Fatal(err)
		}
	}
}

// await waits until the node is active, and the engines with it.
func (v *Vault) await(tb testing.TB) {
	tb.Helper()
	for range 200 {
		if status, _ := v.send(tb, http.MethodGet, "sys/health", nil); status == http.StatusOK {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	tb.Fatal("vault is not ready after 5 s")
}

func (v *Vault) send(tb testing.TB, method, path string, body any) (int, []byte) {
	tb.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, v.direct+"/v1/"+path, bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", v.Token)
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, answer
}

// startVault returns the URL of a new process, sealed and uninitialized.
func startVault(tb testing.TB) string {
	tb.Helper()
	program := filepath.Join(root(tb), ".cache", "vault")
	if _, err := os.Stat(program); err != nil {
		tb.Skip("no Vault in .cache: make .cache/vault builds it, as make test does")
	}
	vault := exec.Command(program)  //nolint:gosec,noctx // our own program; it lives as long as the test
	stdin, err := vault.StdinPipe() // Vault ends when this closes, however this process ends
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := vault.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	var log bytes.Buffer
	vault.Stderr = &log
	if err := vault.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = vault.Process.Kill()
		_ = vault.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = vault.Wait()
		tb.Fatalf("vault did not start: %v: %s", err, log.String())
	}
	return strings.TrimSpace(address)
}

// root is the folder of the module.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above this folder")
		}
		dir = parent
	}
}

func refuseAsVault(w http.ResponseWriter, f Failure) {
	status, reason := http.StatusServiceUnavailable, "Vault is sealed"
	switch f {
	case Denied:
		status, reason = http.StatusForbidden, "permission denied"
	case Throttled:
		status, reason = http.StatusTooManyRequests, "request path \"transit/\": rate limit quota exceeded"
	case Works, Unavailable, Hangs:
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "{\"errors\":[%q]}\n", reason)
}
