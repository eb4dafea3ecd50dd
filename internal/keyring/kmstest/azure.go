package kmstest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// AzureKey is an RSA key of every Azure.
const AzureKey = azureVault + "/keys/secrets"

const azureVault = "https://fluxbase.vault.azure.net"

// Azure is get, wrapkey and unwrapkey of an Azure Key Vault, with the managed
// identity of an App Service before it: challenges, versions of keys, RSA and
// symmetric ones. It has TLS, since Azure's SDK sends no token without; its keys
// call themselves those of https://fluxbase.vault.azure.net, as behind a private
// endpoint.
//
// https://learn.microsoft.com/en-us/rest/api/keyvault/keys/wrap-key/wrap-key
// https://learn.microsoft.com/en-us/rest/api/keyvault/keys/unwrap-key/unwrap-key
// https://learn.microsoft.com/en-us/azure/key-vault/general/authentication-requests-and-responses
type Azure struct {
	*Server

	identity string // the header of the managed identity
	mu       sync.Mutex
	tokens   map[string]bool
	keys     map[string]*azureKey // by name
}

// NewAzure starts a vault with the key AzureKey.
func NewAzure(tb testing.TB) *Azure {
	tb.Helper()
	a := &Azure{identity: unguessable(), tokens: map[string]bool{}, keys: map[string]*azureKey{}}
	refuse := func(w http.ResponseWriter, f Failure) { azureFailures[f].write(w) }
	a.Server = listen(tb, a, refuse, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // clients that do not trust it
		s.StartTLS()
		return s
	})
	a.Key("secrets", "RSA")
	return a
}

// Client is a client that trusts the certificate.
func (a *Azure) Client() *http.Client {
	trusted := x509.NewCertPool()
	trusted.AddCert(a.Certificate)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
}

// Environment is what a program on Linux needs to be the managed identity that may
// use the keys, and to trust the certificate. It must have no AZURE_CLIENT_ID.
func (a *Azure) Environment(tb testing.TB) map[string]string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "azure.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return map[string]string{
		"SSL_CERT_FILE": path, "IDENTITY_ENDPOINT": a.URL + "/msi/token", "IDENTITY_HEADER": a.identity,
		"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
	}
}

// Token is an access token that the vault takes.
func (a *Azure) Token() string {
	token := unguessable()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[token] = true
	return token
}

func unguessable() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

func (a *Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/msi/token" {
		a.serveIdentity(w, r)
		return
	}
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a.mu.Lock()
	known := isBearer && a.tokens[token]
	a.mu.Unlock()
	if !known {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/16b3c013-d300-468d-ac64-7eda0820b6d3", resource="https://vault.azure.net"`)
		azureError{http.StatusUnauthorized, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token."}.write(w)
		return
	}
	answer, failure := a.answer(r)
	if failure != nil {
		failure.write(w)
		return
	}
	writeAzure(w, http.StatusOK, answer)
}

// serveIdentity is the token endpoint of App Service.
//
// https://learn.microsoft.com/en-us/azure/app-service/overview-managed-identity
func (a *Azure) serveIdentity(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Query().Get("resource")
	if r.Header.Get("X-IDENTITY-HEADER") != a.identity || strings.TrimSuffix(resource, "/") != "https://vault.azure.net" {
		writeAzure(w, http.StatusBadRequest, map[string]any{"statusCode": http.StatusBadRequest, "message": "the header or the resource is wrong"})
		return
	}
	writeAzure(w, http.StatusOK, map[string]any{
		"access_token": a.Token(), "expires_on": "4102444800", "resource": resource, "token_type": "Bearer",
		"client_id": "00000000-0000-0000-0000-000000000000",
	})
}
